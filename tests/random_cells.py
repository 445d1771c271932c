"""Random cells of every primitive, for tests of whatever is derived from a graph."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from gatewise.equations import (
    Graph,
    R,
    U,
    V,
    W,
    absolute,
    b,
    block_diagonal,
    cos,
    detach,
    exp,
    layer_norm,
    log,
    maximum,
    mean,
    minimum,
    p,
    relu,
    s,
    sigmoid,
    sin,
    softplus,
    sqrt,
    tanh,
    total,
    where,
)
from gatewise.equations.expression import Value, constant_leaf, input_leaf, state_leaf

Vector = tuple[Value, Any]
"""A value and its size."""


def random_graph(seed: int, operations: int = 10, detached: bool = False) -> Graph:
    """A cell of random equations, all of whose values stay of moderate size.

    Its sizes are I, H, P and 1; two blocks divide I, H and P where these are even.

    Args:
        seed: the same seed makes the same cell.
        operations: how many values are computed before the new states.
        detached: whether `detach` may occur; finite differences then are no gradient.
    """
    return _Maker(random.Random(seed), detached).make(operations)


class _Maker:
    def __init__(self, generator: random.Random, detached: bool):
        self.random, self.detached, self.count = generator, detached, 0
        self.states: dict[str, Any] = {"h": "H", "c": "H"}
        if self.random.random() < 0.4:
            self.states["q"] = "P"
        if self.random.random() < 0.3:
            self.states["k"] = 1
        self.inputs: dict[str, Any] = {"x": "I"}
        if self.random.random() < 0.4:
            self.inputs["dt"] = 1
        self.pool: list[Vector] = [
            *((input_leaf(name), size) for name, size in self.inputs.items()),
            *((state_leaf(name), size) for name, size in self.states.items()),
            (constant_leaf("rate"), 1),
        ]

    def make(self, operations: int) -> Graph:
        for _ in range(operations):
            self.pool.append(self._operation())
        values: dict[str, Value] = {}
        for name, size in self.states.items():
            terms = [self._as(size, self._any()) for _ in range(2)]
            if size != 1:
                terms.append(self._product(size, self._any()))
            values[name] = self._gate(sum(terms[1:], terms[0])) + 0.3 * state_leaf(name)
        for k, (value, _) in enumerate(self.pool[-3:]):
            values[f"value{k}"] = value
        return Graph(
            name="random",
            inputs=self.inputs,
            states=self.states,
            values=values,
            new_states={name: values[name] for name in self.states},
            output=values["h"],
            constants={"rate": 0.7},
            givens={},
        )

    def _any(self) -> Vector:
        return self.random.choice(self.pool)

    def _fresh(self) -> str:
        self.count += 1
        return f"k{self.count}"

    def _gate(self, value: Value) -> Value:
        return self.random.choice([tanh, sigmoid, sin])(value)

    def _as(self, size: Any, vector: Vector) -> Value:
        """The vector, or a product of it where it has another size."""
        value, own = vector
        if own in (size, 1) and size != 1:
            return value
        return value if own == size else self._product(size, vector)

    def _product(self, size: Any, vector: Vector) -> Value:
        value, own = vector
        namespace = self.random.choice([W, U, V, R])
        key = self.random.choice([(self._fresh(),), (self._fresh(), 2)])
        matrix = namespace[key]
        choices = [
            lambda: matrix,
            lambda: matrix - matrix.T,
            lambda: matrix.T * s[self._fresh()],
            lambda: matrix @ V[self._fresh()] + matrix,
        ]
        if value.operation in ("input", "state"):  # blocks divide these sizes for certain
            choices += [
                lambda: block_diagonal(matrix, 2),
                lambda: 0.5 * block_diagonal(matrix, 2).T,
            ]
        square = own == size and size != 1
        return (self.random.choice(choices)() if square else matrix) @ value

    def _operation(self) -> Vector:
        first = self._any()
        size = first[1] if first[1] != 1 else self.random.choice([1, "H"])
        a = first[0]
        c = self._as(size, self._any()) if size != 1 else self._scalar()
        weight = self._weight(size)
        choices: list[Callable[[], Value]] = [
            lambda: a + c,
            lambda: a - c,
            lambda: tanh(a) * c,
            lambda: a / (0.5 + softplus(c)),
            lambda: -a,
            lambda: sigmoid(a + weight),
            lambda: tanh(a * weight),
            lambda: relu(a + 0.3 * c),
            lambda: exp(tanh(a)),
            lambda: log(softplus(a) + 0.5),
            lambda: softplus(c - a),
            lambda: sqrt(a * a + 0.5),
            lambda: absolute(a - 0.1),
            lambda: sin(a + c),
            lambda: cos(c),
            lambda: maximum(a, tanh(c)),
            lambda: minimum(a, weight),
            lambda: where((a < c) & ~(c <= 0.2) | (a < -0.5), a, weight),
            lambda: (1 - sigmoid(a)) * c,
            lambda: tanh(c) ** 3,
        ]
        if size != 1:
            choices += [
                lambda: self._product(size, (a, first[1])),
                lambda: self._norm(a, c) if first[1] == size else tanh(a + c),
                lambda: a - mean(a, c),
                lambda: c * tanh(total(a * weight)) + mean(c),
            ]
        if self.detached:
            choices.append(lambda: detach(a) * c)
        value = self.random.choice(choices)()
        return value, size

    def _norm(self, a: Value, c: Value) -> Value:
        if self.random.random() < 0.5:
            return layer_norm(a)
        parts = layer_norm(a, c + a, b[self._fresh()] * a)
        return parts[0] * parts[2] if self.random.random() < 0.5 else parts[1]

    def _scalar(self) -> Value:
        return self.random.choice([value for value, size in self.pool if size == 1])

    def _weight(self, size: Any) -> Value:
        return (s if size == 1 else self.random.choice([b, p]))[self._fresh()]
