"""Expressions as text: brackets where Python needs them, so that the text means the same."""

from __future__ import annotations

import random

import pytest

from gatewise import equations
from gatewise.equations import U, W, b, block_diagonal, layer_norm, s, sigmoid, tanh, total, where
from gatewise.equations.expression import (
    Value,
    constant_leaf,
    cotangent_leaf,
    given_leaf,
    input_leaf,
    state_leaf,
)
from gatewise.equations.symbol import Expression, topological
from gatewise.equations.text import LONGEST, to_text

x, h = input_leaf("x"), state_leaf("h")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (sigmoid(W.i @ x + U.i @ h + b.i), "sigmoid(W.i @ x + U.i @ h + b.i)"),
        ((1 - x) * h, "(1 - x) * h"),
        (x - (h - b.i), "x - (h - b.i)"),
        (x - h - b.i, "x - h - b.i"),
        (x * (W.i @ h), "x * (W.i @ h)"),
        (W.i @ (x * h), "W.i @ (x * h)"),
        (x / (h * b.i), "x / (h * b.i)"),
        (x * (h / b.i), "x * (h / b.i)"),
        (-(x + h), "-(x + h)"),
        (-x * h, "-x * h"),
        (x * -2, "x * -2"),
        (x - -h, "x - -h"),
        ((U.h - U.h.T) @ h, "(U.h - U.h.T) @ h"),
        ((U.h * s.k) @ h, "U.h * s.k @ h"),
        ((U.h @ W.a).T @ h, "(U.h @ W.a).T @ h"),
        (where((x < h) & (h < 1), x, 0.5), "where((x < h) & (h < 1), x, 0.5)"),
        (where(~(x <= h) | (h < 1), x, 0), "where(~(x <= h) | (h < 1), x, 0)"),
        (layer_norm(x), "layer_norm(x)"),
        (layer_norm(x, h)[1], "layer_norm(x, h)[1]"),
        (total(x, h) * h, "total(x, h) * h"),
        (block_diagonal(U.h, 4) @ h, "block_diagonal(U.h, 4) @ h"),
        (constant_leaf("dt") * given_leaf("mask"), "dt * mask"),
        (cotangent_leaf("c"), "dc"),
    ],
)
def test_text(value, text):
    assert to_text(value) == repr(value) == text


def regrouped(node: Expression) -> tuple:
    """The expression's tree with sums as lists of signed terms: a + (b - c) = a + b - c."""
    if node.operation not in ("add", "subtract"):
        return (node.operation, node.attributes, *map(regrouped, node.operands))
    terms = []
    for operand, sign in zip(node.operands, (1, 1 if node.operation == "add" else -1), strict=True):
        part = regrouped(operand)
        inner = part[1:] if part[0] == "sum" else [(1, part)]
        terms += [(sign * inner_sign, term) for inner_sign, term in inner]
    return ("sum", *terms)


def random_value(generator: random.Random, depth: int) -> Value:
    if depth == 0:
        return generator.choice([x, h, b.i, W.i @ x, U.h.T @ h])
    a, c = (random_value(generator, depth - generator.randint(1, depth)) for _ in range(2))
    return generator.choice(
        [
            lambda: a + c,
            lambda: a - c,
            lambda: a * c,
            lambda: a / c,
            lambda: -a,
            lambda: tanh(a),
            lambda: U.h @ a,
            lambda: (U.h - U.h.T * s.k) @ a,
            lambda: 2 * a - 0.5,
            lambda: where((a < c) | ~(c <= a) & (a < 1), a, c),
        ]
    )()


@pytest.mark.parametrize("seed", range(300))
def test_text_read_by_python_means_the_same(seed):
    value = random_value(random.Random(seed), 4)
    text = to_text(value)
    if "…" in text:
        assert len(text) > LONGEST // 2
        return
    names = {name: getattr(equations, name) for name in equations.__all__}
    again = eval(text, {**names, "x": x, "h": h})
    assert regrouped(again) == regrouped(value), text


def test_shared_parts_do_not_blow_up_the_text():
    value = x
    for _ in range(60):
        value = value * value
    assert len(to_text(value)) <= 2 * LONGEST + 10
    assert len(topological([value])) == 61
