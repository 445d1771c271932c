"""What a symbol cannot do: each attempt inside a cell is an error that says what to do instead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gatewise.equations import (
    EquationError,
    U,
    V,
    W,
    b,
    block_diagonal,
    cell,
    layer_norm,
    maximum,
    minimum,
    p,
    sqrt,
    tanh,
    where,
)
from gatewise.equations.expression import Value, state_leaf


def assigned(_x, h):
    h[0] = 1.0


def deleted(_x, h):
    del h[0]


def named_as_a_value(x, _h):
    W.h = tanh(W.h @ x)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        # parts, sizes and text
        (assigned, ["h[0] = 1.0", "never changes", "h = where(condition, a, h)"]),
        (deleted, ["h[0]", "no parts"]),
        (lambda x, _: U.h[0] @ x, ["U.h[0]", 'U["h", 0]']),
        (lambda x, h: len(x) * h, ["len(x)", "when a layer is made", "mean(a)"]),
        (lambda x, h: x.shape[0] * h, ["`x.shape`", "Sizes follow from use"]),
        (lambda _, h: f"{h:.2f}", ["h is a symbol", "'.2f'", "gw.trace"]),
        # functions of others
        (lambda x, h: np.where(h > 0, x, h), ["numpy.where", "functions of gatewise.equations"]),
        (lambda _, h: h / np.sum(h), ["numpy.sum", "functions of gatewise.equations"]),
        (lambda _, h: np.add.reduce(h), ["numpy.add", "functions of gatewise.equations"]),
        (lambda x, _: np.dot(W.h, x), ["numpy.dot", "functions of gatewise.equations"]),
        (lambda _, h: h * np.ones(3), ["array([1., 1., 1.])", "float(...)", "p.name"]),
        (lambda _, h: h * torch.tensor(2.0), ["tensor(2.)", "float(...)"]),
        # products
        (lambda _, h: h @ W.a, ["`h @ W.a`", "W.a @ h"]),
        (lambda x, h: (x + h) @ W.a, ["W.a @ (x + h)"]),
        (lambda x, _: b.a @ x, ["`b.a @ x`", "b.a is a vector"]),
        (lambda x, _: W.a * x, ["`W.a * x`", "W.a @ x", "p.name * x"]),
        (lambda x, _: W.a * V.a @ x, ["`W.a * V.a`", "it is W.a @ V.a."]),
        (lambda x, _: W.T @ x, ["W.T", "called T", "U.h.T", 'W["T"]']),
        (lambda x, _: block_diagonal(p.a, 2) @ x, ["block_diagonal(p.a, 2)", "matrix"]),
        # weights and functions
        (named_as_a_value, ["W.h = tanh(W.h @ x)", "no dot", "initial="]),
        (lambda _, h: layer_norm(h, 16), ["layer_norm(..., 16)", "epsilon=1e-5"]),
        (lambda _, h: where(h > 0, h), ["'no'"]),
    ],
)
def test_mistake_is_explained(step, says):
    def wrong(x, h):
        return dict(h=step(x, h))

    with pytest.raises(EquationError) as caught:
        cell(wrong)
    message = str(caught.value)
    assert message.startswith("cell 'wrong': ")
    for part in says:
        assert part in message


def test_assignment_to_a_weight_leaves_no_trace():
    """It once stayed, and every later cell of the process computed with it."""
    with pytest.raises(EquationError):
        W.h = 2
    assert W.h @ state_leaf("h") is W["h"] @ state_leaf("h")


def test_float_that_shall_shape_a_cell_is_explained():
    def counted(x, h, *, steps=2.0):
        for _ in range(steps):
            h = tanh(h + W.h @ x)
        return dict(h=h)

    def chosen(x, h, *, rate=0.5):
        return dict(h=h + W.h @ x if rate > 0 else h)

    def bounded(x, h, *, rate=0.5):
        return dict(h=h + W.h @ x if h > rate else h)

    with pytest.raises(EquationError, match=r"steps is a float.*`\*, steps=1`"):
        cell(counted)
    with pytest.raises(EquationError, match=r"rate is a float.*`\*, rate=1`"):
        cell(chosen)
    with pytest.raises(EquationError) as caught:
        cell(bounded)
    assert "rate is a float" not in str(caught.value)


def test_weight_may_be_called_t_in_brackets():
    @cell
    def transform(x, h):
        return dict(h=tanh(W["T"] @ x + U.h.T @ h))

    assert list(transform.parameters) == ["W.T", "U.h"]


def test_several_values_have_a_largest_and_a_smallest():
    h, x = state_leaf("h"), state_leaf("x")
    assert maximum(h, x, 0) is maximum(maximum(h, x), 0)
    assert minimum(h, x, 1, U.h @ h) is minimum(minimum(minimum(h, x), 1), U.h @ h)


def test_power_of_minus_a_half_is_one_over_the_root():
    h = state_leaf("h")
    assert h**-0.5 is 1 / sqrt(h)
    with pytest.raises(EquationError, match=r"0\.5, -0\.5 or a whole number"):
        h**1.5


def test_called_cell_says_how_it_is_used():
    @cell
    def inner(x, h):
        return dict(h=tanh(W.h @ x + U.h @ h))

    @cell
    def outer(x, h):
        return dict(h=0.5 * (h + inner.function(x, h)["h"]))

    assert isinstance(outer.graph.output, Value)
    with pytest.raises(EquationError, match=r"gw.Recurrent\(inner,.*inner\.function\(x, h\)"):
        inner(1, 2)


def test_cell_of_code_without_a_module():
    made: dict = {"cell": cell, "W": W}
    exec("@cell\ndef loose(x, h):\n    return dict(h=h + W.h @ x)", made)
    assert made["loose"].title == "loose"
