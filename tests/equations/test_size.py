"""Sizes are found by unification: what follows from a cell's declared sizes and its products."""

from __future__ import annotations

import pytest

from gatewise.equations import (
    EquationError,
    R,
    U,
    V,
    W,
    b,
    cell,
    layer_norm,
    p,
    s,
    sigmoid,
    tanh,
    where,
)
from gatewise.equations.rewrite import with_lengths
from gatewise.equations.size import check_size, size_number


def shapes(made):
    return {name: parameter.shape for name, parameter in made.parameters.items()}


def test_products_tell_rows_and_columns():
    @cell(states=dict(h="P", c="H"))
    def projected(x, h, c):
        c = tanh(W.c @ x + U.c @ h + b.c) + p.c * c
        h = R.h @ c
        return dict(c=c, h=h)

    assert shapes(projected) == {
        "W.c": ("H", "I"),
        "U.c": ("H", "P"),
        "b.c": ("H",),
        "p.c": ("H",),
        "R.h": ("P", "H"),
    }
    assert projected.graph.sizes.equal == ()
    assert projected.parameter_count(3, 5, P=2) == 5 * 3 + 5 * 2 + 5 + 5 + 2 * 5


def test_sizes_flow_backwards_through_chains():
    @cell(states=dict(h=7), inputs=dict(x="I", u="J"))
    def chain(x, u, h):
        z = V.z @ (W.z @ x)  # the size between is told by nothing: H
        h = tanh(V.u @ u + z + p.h * h)
        return dict(h=h)

    assert shapes(chain) == {
        "W.z": ("H", "I"),
        "V.z": (7, "H"),
        "V.u": (7, "J"),
        "p.h": (7,),
    }


def test_input_used_unit_by_unit_asks_for_equal_sizes():
    @cell(states=("h",))
    def elementwise(x, h):
        h = sigmoid(W.f @ x) * h + x
        return dict(h=h)

    assert elementwise.graph.sizes.equal == (("I", "H"),)

    @cell(states=dict(h="H", last="I"))
    def keeps_input(x, h, last):
        h = tanh(W.h @ (x - last) + U.h @ h)
        return dict(h=h, last=x)

    assert keeps_input.graph.sizes.equal == ()
    assert shapes(keeps_input)["W.h"] == ("H", "I")


def test_product_never_excuses_sizes():
    with pytest.raises(EquationError, match=r"`W\.f @ h`.*W\.f is H × I, h has size H"):

        @cell(states=("h",))
        def shared(x, h):
            return dict(h=tanh(W.f @ x + W.f @ h))


def test_number_and_scalars_broadcast():
    @cell(states=dict(h="H", count=1), inputs=dict(x="I", dt=1))
    def scaled(x, dt, h, count):
        h = (1 - dt * s.decay) * h + tanh(W.h @ x + b.h + V.t @ dt) * where(dt < count, 1, 0)
        return dict(h=h, count=count + dt)

    sizes = scaled.graph.sizes.values
    assert sizes[scaled.graph.new_states["count"]] == 1
    assert shapes(scaled) == {
        "s.decay": (),
        "W.h": ("H", "I"),
        "b.h": ("H",),
        "V.t": ("H", 1),
    }


def test_state_of_one_number_takes_no_vector():
    with pytest.raises(EquationError, match="as the new value of state 'k'"):

        @cell(states=dict(h="H", k=1))
        def grows(x, h, k):
            return dict(h=tanh(W.h @ x + h), k=k * h)


def test_state_of_one_number_tells_the_size_of_what_it_becomes():
    @cell(states=dict(h="H", k=1))
    def shared_gate(x, h, k):
        k = sigmoid(W.k @ x + U.k @ h + k)
        return dict(h=k * h + (1 - k) * tanh(W.h @ x), k=k)

    assert shapes(shared_gate)["W.k"] == (1, "I")
    assert shapes(shared_gate)["U.k"] == (1, "H")
    ended = with_lengths(shared_gate.graph)  # its new states are made of the cell's
    assert ended.sizes.values[ended.values["k"]] == 1


def test_vector_state_takes_no_single_number():
    with pytest.raises(EquationError, match="has one number, but the state has size H"):

        @cell(states=dict(h="H", k=1))
        def shrinks(x, h, k):
            return dict(h=k + 1, k=k)


def test_matrix_expressions():
    @cell(states=("h",))
    def expressions(x, h):
        skew = (U.h - U.h.T) * s.k + U.d @ V.d
        h = tanh(skew @ h + W.h @ x + (W.h @ R.x) @ x)
        return dict(h=h)

    assert shapes(expressions) == {
        "U.h": ("H", "H"),
        "s.k": (),
        "U.d": ("H", "H"),
        "V.d": ("H", "H"),
        "W.h": ("H", "I"),
        "R.x": ("I", "I"),
    }


@pytest.mark.parametrize(
    "value",
    [
        lambda x, h: (U.h - W.h) @ h + W.h @ x,
        lambda x, h: (U.h @ W.h) @ h + W.h @ x,
        lambda x, h: (V.h - V.h.T) @ h + V.h @ x,
        lambda x, h: (U.h * p.k) @ h + W.h @ x,
    ],
)
def test_matrix_expressions_that_cannot_be(value):
    with pytest.raises(EquationError, match="cell 'odd'"):

        @cell(states=("h",))
        def odd(x, h):
            return dict(h=value(x, h))


def test_layer_norm_parts_keep_their_sizes():
    @cell(states=dict(h="H", q="Q"))
    def normal(x, h, q):
        a, c = layer_norm(W.a @ x + h, V.q @ h + q)
        return dict(h=tanh(a), q=tanh(c))

    assert shapes(normal) == {"W.a": ("H", "I"), "V.q": ("Q", "H")}


def test_numbers_for_names():
    assert size_number("H", {"H": 5, "I": 3}) == 5
    assert size_number("P", {"H": 5, "I": 3}) == 5
    assert size_number(7, {"H": 5}) == 7
    check_size("h", "H")
    for wrong in (0, -1, 1.0, None, True, "", "a b"):
        with pytest.raises(EquationError, match="size of 'h'"):
            check_size("h", wrong)


def test_state_of_one_number_that_gets_a_vector_is_named():
    def vector(x, h, k):
        h = tanh(W.h @ x + U.h @ h)
        return dict(h=h, k=h * 0.5)

    with pytest.raises(EquationError, match=r"h\) \* 0.5` as the new value of state 'k'"):
        cell(vector, states=dict(h="H", k=1))
