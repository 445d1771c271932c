"""The exact gradient of a step, derived: one vector–Jacobian rule per primitive.

Rules are written in the outputs of a primitive where that saves memory: the derivative of a
sigmoid reads the sigmoid, not what went into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gatewise.equations.expression import Condition, Matrix, Value, cotangent_leaf, number
from gatewise.equations.graph import Graph
from gatewise.equations.primitives import (
    cos,
    inverse_deviation,
    sigmoid,
    sin,
    total,
    unit_count,
    where,
)
from gatewise.equations.symbol import Expression

Rule = Callable[[Value, Value], tuple[Value | None, ...]]


def _layer_norm(y: Value, g: Value) -> tuple[Value, ...]:
    """y_k = (a_k − mean) / σ over all parts; every part's input moves the mean and σ."""
    part, epsilon = y.attributes
    parts = [Value("layer_norm", y.operands, (k, epsilon)) for k in range(len(y.operands))]
    count = unit_count(*_operands(y))
    mean, slope = total(g) / count, total(g * y) / count
    scale = inverse_deviation(*_operands(y), epsilon=epsilon)
    return tuple(
        ((g if k == part else number(0)) - mean - other * slope) * scale
        for k, other in enumerate(parts)
    )


def _extremum(y: Value, g: Value) -> tuple[Value, Value]:
    """All of the gradient to the larger (smaller) operand, half to each where they tie."""
    a, c = _operands(y)
    first, second = (c, a) if y.operation == "maximum" else (a, c)
    share = where(first < second, 1.0, where(second < first, 0.0, 0.5))
    return g * share, g * (1 - share)


def _absolute(y: Value, g: Value) -> tuple[Value]:
    (a,) = _operands(y)
    return (where(number(0) < a, g, where(a < number(0), -g, 0.0)),)


def _product(y: Value, g: Value) -> tuple[None, Value]:
    matrix = y.operands[0]
    assert isinstance(matrix, Matrix)
    return None, matrix.T @ g


def _operands(y: Value) -> tuple[Value, ...]:
    return y.operands  # type: ignore[return-value]


RULES: dict[str, Rule] = {
    "add": lambda y, g: (g, g),
    "subtract": lambda y, g: (g, -g),
    "multiply": lambda y, g: (g * _operands(y)[1], g * _operands(y)[0]),
    "divide": lambda y, g: (g / _operands(y)[1], -(g * y) / _operands(y)[1]),
    "negate": lambda y, g: (-g,),
    "sigmoid": lambda y, g: (g * y * (1 - y),),
    "tanh": lambda y, g: (g * (1 - y * y),),
    "relu": lambda y, g: (where(y <= number(0), 0.0, g),),  # what is no number passes, as in torch
    "exp": lambda y, g: (g * y,),
    "log": lambda y, g: (g / _operands(y)[0],),
    "softplus": lambda y, g: (g * sigmoid(_operands(y)[0]),),
    "sqrt": lambda y, g: (g * 0.5 / y,),
    "absolute": _absolute,
    "sin": lambda y, g: (g * cos(_operands(y)[0]),),
    "cos": lambda y, g: (-(g * sin(_operands(y)[0])),),
    "maximum": _extremum,
    "minimum": _extremum,
    "where": lambda y, g: (
        None,
        where(_condition(y), g, 0.0),
        where(_condition(y), 0.0, g),
    ),
    "detach": lambda y, g: (None,),
    "noise": lambda y, g: (None, None),
    "layer_norm": _layer_norm,
    "row_sum": lambda y, g: (g,) * len(y.operands),
    "product": _product,
}


def _condition(y: Value) -> Condition:
    return y.operands[0]  # type: ignore[return-value]


@dataclass(frozen=True)
class Derivative:
    """Gradients of one step, given the gradients that flow into its results.

    The gradients that flow in are the leaves ``cotangent_leaf(state)`` for each new state and
    ``cotangent_leaf("output")`` for the layer's output.

    Attributes:
        inputs: gradient of each input.
        states: gradient of each last state.
        givens: gradient of each value that is given once per call, to be summed over steps.
        products: for each matrix expression, pairs (g, v): its gradient is the sum of g vᵀ over
            steps and batch.
        vectors: gradient of each vector expression of weights, to be summed over steps and batch.
    """

    inputs: dict[str, Value]
    states: dict[str, Value]
    givens: dict[str, Value]
    products: dict[Matrix, list[tuple[Value, Value]]]
    vectors: dict[Value, Value]

    @property
    def roots(self) -> list[Value]:
        """Every expression that a backward step computes."""
        pairs = [pair for pairs in self.products.values() for pair in pairs]
        return [
            *self.inputs.values(),
            *self.states.values(),
            *self.givens.values(),
            *(g for g, _ in pairs),
            *self.vectors.values(),
        ]


def differentiate(graph: Graph) -> Derivative:
    """Derive the vector–Jacobian product of one step of `graph`.

    Expressions of weights alone are leaves here: they are evaluated once per call, and their own
    derivative is taken there.
    """
    gradients: dict[Expression, Value] = {}

    def flow(node: Expression, gradient: Value) -> None:
        before = gradients.get(node)
        gradients[node] = gradient if before is None else before + gradient

    for name, value in graph.new_states.items():
        flow(value, cotangent_leaf(name))
    flow(graph.output, cotangent_leaf("output"))

    constant, learned = weight_expressions(graph.order), _learned(graph.order)
    products: dict[Matrix, list[tuple[Value, Value]]] = {}
    for node in reversed(graph.order):
        gradient = gradients.get(node)
        if gradient is None or node in constant or node.operation not in RULES:
            continue
        assert isinstance(node, Value)
        if node.operation == "product":
            matrix, vector = node.operands
            products.setdefault(matrix, []).append((gradient, vector))  # type: ignore[arg-type]
        for operand, share in zip(
            node.operands, RULES[node.operation](node, gradient), strict=True
        ):
            if share is not None and operand.operation != "number":
                flow(operand, _fitted(graph, operand, node, share))
    return Derivative(
        inputs=_leaves(graph, "input", gradients),
        states=_leaves(graph, "state", gradients),
        givens=_leaves(graph, "given", gradients),
        products=products,
        vectors={
            node: gradients[node]
            for node in graph.order
            if node in constant and node in gradients and node in learned
        },  # type: ignore[arg-type]
    )


def weight_expressions(order: Iterable[Expression]) -> set[Expression]:
    """Expressions of weights, constants and numbers alone: the same at every step."""
    constant: set[Expression] = set()
    for node in order:
        leaf = node.operation in ("parameter", "number", "constant")
        if leaf or (node.operands and all(operand in constant for operand in node.operands)):
            constant.add(node)
    return constant


def _learned(order: Iterable[Expression]) -> set[Expression]:
    """Expressions through which a gradient reaches a weight."""
    learned: set[Expression] = set()
    for node in order:
        through = node.operation != "detach" and any(o in learned for o in node.operands)
        if through or node.operation == "parameter":
            learned.add(node)
    return learned


def _fitted(graph: Graph, operand: Expression, node: Expression, share: Value) -> Value:
    """One number that was used for all units collects the gradient of all of them.

    The other way round, every unit of a sum has the gradient of that one number.
    """
    sizes = graph.sizes.values
    if sizes[operand] == 1 and sizes.get(node, 1) != 1 and node.operation != "product":
        return total(share)
    if node.operation == "row_sum" and sizes[operand] != 1:
        return _repeated(graph, operand, share)
    return share


def _repeated(graph: Graph, value: Expression, single: Value) -> Value:
    """One number as a vector of the size of `value`: chosen unit by unit, whatever these are."""
    sizes = graph.sizes.values
    there = (n for n in graph.order if n.operation in ("state", "input"))  # at hand anyway
    like = next((n for n in there if sizes[n] == sizes[value]), value)
    assert isinstance(like, Value)
    return where(like < number(0), single, single)


def _leaves(graph: Graph, kind: str, gradients: dict[Expression, Value]) -> dict[str, Value]:
    return {
        node.name: gradients[node]
        for node in graph.order
        if node.operation == kind and node in gradients
    }
