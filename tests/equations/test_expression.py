"""Symbols: one object per expression, simplification, and every way to misuse one."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from gatewise.equations import (
    EquationError,
    U,
    W,
    absolute,
    b,
    block_diagonal,
    layer_norm,
    maximum,
    mean,
    p,
    s,
    sigmoid,
    sqrt,
    tanh,
    total,
    where,
)
from gatewise.equations.expression import constant_leaf, input_leaf, number, state_leaf
from gatewise.equations.symbol import topological, tracing

x, h = input_leaf("x"), state_leaf("h")


def test_equal_expressions_are_one_object():
    assert sigmoid(W.i @ x + b.i) is sigmoid(W.i @ x + b.i)
    assert x + h is not h + x
    assert number(1) is number(1.0)
    assert number(0.0) is not number(-0.0)
    assert W["h", 2] is W.h_2
    assert layer_norm(x, h)[0] is not layer_norm(x, h)[1]


def test_same_name_of_another_kind_is_another_symbol():
    assert len({input_leaf("a"), state_leaf("a"), constant_leaf("a"), W.a, U.a, b.a, p.a, s.a}) == 8


def test_forgotten_expressions_are_freed():
    known = len(type(x)._known)
    value = tanh(x * 0.123456789)
    assert len(type(x)._known) == known + 3
    del value
    assert len(type(x)._known) == known


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_are_the_expression_itself(again):
    value = where(x < h, U.a.T @ tanh(h), -(2 * x)) / s.k
    assert again(value) is value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (x + 0, x),
        (0 + x, x),
        (x - 0, x),
        (0 - x, -x),
        (x * 1, x),
        (1.0 * x, x),
        (x * 0, number(0)),
        (0 * x, number(0)),
        (x / 1, x),
        (0 / x, number(0)),
        (-(0 - x), x),
        (+x, x),
        (x - -2, x - number(-2)),
        (number(2) + 3, number(5)),
        (2 - number(3), number(-1)),
        (number(2) * number(3), number(6)),
        (1 / number(4), number(0.25)),
        (-number(2), number(-2)),
        (x**2, x * x),
        (x**3, x * x * x),
        (x**4, (x * x) * (x * x)),
        (x**0, number(1)),
        (x**1, x),
        (x**7.0, (x * x * x) * (x * x * x) * x),
        (x**-2, 1 / (x * x)),
        (x**0.5, sqrt(x)),
        (abs(x), absolute(x)),
        (W.a.T.T, W.a),
        (-W.a, W.a * -1.0),
        (W.a / 2, 0.5 * W.a),
        (W.a / s.k, W.a * (1 / s.k)),
        (block_diagonal(W.a, 1), W.a),
        (np.float64(2) * x, 2 * x),
        (np.float32(2) * x, 2 * x),
        (np.int64(2) + x, 2 + x),
        (x - np.float64(2), x - 2),
        (np.float64(1) / x, 1 / x),
    ],
)
def test_simplification(value, expected):
    assert value is expected


def test_comparisons_turn_round_and_join():
    assert (x > h) is (h < x)
    assert (x >= h) is (h <= x)
    joined = ~((x < h) & (h < 1) | (x <= 0))
    assert [e.operation for e in topological([joined])].count("less") == 2
    assert where(joined, x, 1).operation == "where"


def test_topological_order_puts_operands_first_and_each_once():
    value = (x + h) * tanh(x + h) + h
    order = topological([value, x])
    assert len(order) == len(set(order)) == 6
    place = {e: k for k, e in enumerate(order)}
    assert all(place[o] < place[e] for e in order for o in e.operands)
    deep = x
    for _ in range(5000):
        deep = tanh(deep)
    assert len(topological([deep])) == 5001


class TestMisuse:
    """Every mistake is an EquationError that names the value and says what to write instead."""

    @pytest.mark.parametrize(
        ("mistake", "says"),
        [
            (lambda: 1 if x < h else 0, ["x < h", "where("]),
            (lambda: 1 if x else 0, ["symbol x", "where("]),
            (lambda: 0 < x < 1, ["0 < x", "(a < b) & (b < c)"]),
            (lambda: max(x, h), ["x < h", "maximum"]),
            (lambda: x < h < 1, ["x < h", "where("]),
            (lambda: not x, ["symbol x", "where("]),
            (lambda: x == 0, ["x == 0", "where("]),
            (lambda: x != 0, ["x == 0", "where("]),
            (lambda: x in [1, 2], ["x == 1", "where("]),
            (lambda: float(x), ["x is a symbol", "gatewise.equations"]),
            (lambda: int(x), ["x is a symbol", "keyword-only"]),
            (lambda: range(x), ["x is a symbol", "keyword-only"]),
            (lambda: math.tanh(x + 1), ["x + 1", "gatewise.equations"]),
            (lambda: np.tanh(x + 1), ["numpy.tanh", "x + 1", "gatewise.equations"]),
            (lambda: np.maximum(W.a, 0), ["numpy.maximum", "W.a"]),
            (lambda: np.ones(3) * x, ["array", "not a symbol"]),
            (lambda: x * np.ones(3), ["array", "not a symbol"]),
            (lambda: np.ones((3, 3)) @ x, ["numpy.matmul", "x"]),
            (lambda: torch.tanh(x + 1), ["tanh(x + 1)", "gatewise.equations"]),
            (lambda: torch.nn.functional.relu(h), ["relu(h)", "gatewise.equations"]),
            (lambda: torch.ones(3) * x, ["mul(Tensor, x)", "gatewise.equations"]),
            (lambda: torch.cat([x, h]), ["cat([x, h])", "gatewise.equations"]),
            (lambda: x * torch.ones(3), ["tensor", "not a symbol"]),
            (lambda: x @ W.a, ["`x @ W.a`", "W.a @ x"]),
            (lambda: x @ h, ["`x @ h`", "W.i @ x"]),
            (lambda: 2 @ x, ["2 @ x", "W.i @ x"]),
            (lambda: W.a @ 2.0, ["W.a @ 2.0", "vector or a matrix"]),
            (lambda: W @ x, ["W @ x", "name the matrix"]),
            (lambda: x + W.a, ["W.a is a matrix", "W.a @ x"]),
            (lambda: W.a + x, ["W.a + x", "W.a @ x"]),
            (lambda: W.a - 1, ["W.a - 1", "W.a @ x"]),
            (lambda: 1 - W.a, ["W.a is a matrix", "scale"]),
            (lambda: sigmoid(W.a), ["W.a is a matrix", "W.a @ x"]),
            (lambda: x * W.a, ["W.a * x", "s.name"]),
            (lambda: W.a * x, ["W.a * x", "s.name"]),
            (lambda: W.a * sigmoid(h), ["W.a * sigmoid(h)", "s.name"]),
            (lambda: W.a * U.a, ["W.a * U.a", "s.name"]),
            (lambda: W.a**2, ["W.a is a matrix"]),
            (lambda: W.a < 1, ["W.a is a matrix"]),
            (lambda: x.T, ["(x).T", "matrix"]),
            (lambda: x[0], ["x[0]", "W.i @ x"]),
            (lambda: (x + h)[:3, 0], ["(x + h)[:3, 0]", "W.i @ x"]),
            (lambda: list(x), ["x is one symbol"]),
            (lambda: h(x), ["`h(...)`", "h is a state", "another name"]),
            (lambda: (x + h)(x), ["`(x + h)(...)`", "written with *"]),
            (lambda: W.a(x), ["`W.a(...)`", "W.i @ x"]),
            (lambda: W("a"), ["`W('a')`", "W.h"]),
            (lambda: x + b, ["letter b without a name", "b.h"]),
            (lambda: x**1.5, ["(x) ** 1.5", "whole number", "exp("]),
            (lambda: x**65, ["(x) ** 65", "up to 64"]),
            (lambda: x**True, ["(x) ** True", "whole number"]),
            (lambda: x**math.nan, ["(x) ** nan", "whole number"]),
            (lambda: x**h, ["(x) ** h", "exp("]),
            (lambda: 2**x, ["2 ** (x)", "exp("]),
            (lambda: x / 0, ["(x) / 0", "zero"]),
            (lambda: x + None, ["None", "not a symbol"]),
            (lambda: x * math.nan, ["nan", "not a number"]),
            (lambda: x + True, ["True", "not a symbol"]),
            (lambda: "a" * x, ["'a'", "not a symbol"]),
            (lambda: maximum(x, "a"), ["'a'", "not a symbol"]),
            (lambda: (x < h) + 1, ["x < h", "where("]),
            (lambda: x + (x < h), ["x < h", "where("]),
            (lambda: tanh(x < h), ["x < h", "where("]),
            (lambda: (x < h) & x, ["comparison", "x"]),
            (lambda: where(x, 1, 2), ["comparison", "x"]),
            (lambda: where(True, x, h), ["comparison", "True"]),
            (lambda: layer_norm(), ["at least one"]),
            (lambda: total(), ["total() needs at least one"]),
            (lambda: sum(h), ["cannot be unpacked or looped over", "total(a)", "its units"]),
            (lambda: mean(), ["mean", "at least one"]),
            (lambda: total(W.h), ["is a matrix where a vector is needed"]),
            (lambda: block_diagonal(W.a.T, 2), ["W.a.T", "plain weight"]),
            (lambda: block_diagonal(W.a, 0), ["W.a, 0", "≥ 1"]),
            (lambda: block_diagonal(W.a, 1.5), ["W.a, 1.5", "whole number"]),
            (lambda: W[1.5], ["W[1.5]", "names and whole numbers"]),
            (lambda: W["a.b"], ["W['a.b']", "names and whole numbers"]),
            (lambda: U["h", -1], ["'h', -1", "names and whole numbers"]),
            (lambda: b[True], ["b[True]", "names and whole numbers"]),
            (lambda: b[()], ["b[()]", "names and whole numbers"]),
        ],
    )
    def test_is_explained(self, mistake, says):
        with pytest.raises(EquationError) as caught:
            mistake()
        for part in says:
            assert part in str(caught.value)

    def test_comparing_two_symbols_is_a_mistake_only_in_a_cell(self):
        assert (x == h) is False  # graphs keep symbols in lists and dictionaries
        with tracing(), pytest.raises(EquationError, match="x == h"):
            _ = x == h

    def test_namespaces_have_no_private_names(self):
        with pytest.raises(AttributeError):
            _ = W._private
        assert repr(W) == "the letter W without a name (write W.h)"

    def test_unknown_attributes_are_attribute_errors(self):
        """So `hasattr` goes on working: copy, numpy and torch ask symbols much."""
        for symbol, told in ((h, "h is a state"), (x + h, "one vector or matrix")):
            with pytest.raises(AttributeError, match=told):
                _ = symbol.sum
            assert not hasattr(symbol, "__array_interface__")
