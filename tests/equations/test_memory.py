"""Which gates multiply the last value of a state, and which bias opens them."""

from __future__ import annotations

import pytest

import gatewise as gw
from gatewise.equations import U, W, b, cell, sigmoid, tanh
from gatewise.equations.intervention import with_freeze, with_replaced_state
from gatewise.equations.memory import ForgetGate, forget_gates, has_forget_bias, sum_terms
from gatewise.equations.rewrite import with_clamp, with_lengths, with_reset, without_bias


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lstm", [ForgetGate("f", "c", True, "b.f", "b.i")]),
        ("lstm_projection", [ForgetGate("f", "c", True, "b.f", "b.i")]),
        ("peephole", [ForgetGate("f", "c", True, "b.f", "b.i")]),
        ("lstm_coupled", [ForgetGate("f", "c", True, "b.f", None)]),
        ("lstm_no_forget", []),
        ("gru", [ForgetGate("z", "h", True, "b.z", None)]),
        ("gru_original", [ForgetGate("z", "h", True, "b.z", None)]),
        ("mgu", [ForgetGate("f", "h", False, "b.f", None)]),
        ("janet", [ForgetGate("f", "h", True, "b.f", None)]),
        ("mingru", [ForgetGate("z", "h", False, "b.z", None)]),
        ("rnn", []),
    ],
)
def test_catalogue(name, expected):
    assert forget_gates(gw.cells.get(name).graph) == expected


def test_only_a_forget_gate_with_a_bias_has_a_forget_bias():
    lstm = gw.cells.get("lstm").graph
    assert has_forget_bias(lstm)
    assert not has_forget_bias(without_bias(lstm))
    assert not has_forget_bias(gw.cells.get("lstm_no_forget").graph)


def made(equations):
    @cell(states=("h", "c"))
    def one(x, h, c):
        return dict(**equations(x, h, c))

    return forget_gates(one.graph)


def test_order_of_factors_and_terms_does_not_matter():
    def equations(x, h, c):
        f, i = sigmoid(b.f + W.f @ x), sigmoid(W.i @ x + b.i + U.i @ h)
        return dict(f=f, i=i, h=h + x, c=tanh(x) * i + (c * f + x))

    assert made(equations) == [ForgetGate("f", "c", True, "b.f", "b.i")]


def test_gate_without_bias():
    def equations(x, h, c):
        f = sigmoid(W.f @ x)
        return dict(f=f, h=h + x, c=f * c + x)

    assert made(equations) == [ForgetGate("f", "c", True, None, None)]


def test_one_gate_on_two_states():
    def equations(x, h, c):
        f = sigmoid(W.f @ x + b.f)
        return dict(f=f, h=f * h + x, c=(1 - f) * c + x)

    assert made(equations) == [
        ForgetGate("f", "h", True, "b.f", None),
        ForgetGate("f", "c", False, "b.f", None),
    ]


def test_what_is_not_between_0_and_1_is_no_forget_gate():
    def equations(x, h, c):
        f = tanh(W.f @ x + b.f)
        return dict(f=f, h=h + x, c=f * c + x)

    assert made(equations) == []


def test_gate_on_another_state_does_not_count():
    def equations(x, h, c):
        f = sigmoid(W.f @ x + b.f)
        return dict(f=f, h=f * c, c=f * h)

    assert made(equations) == []


def test_terms_of_a_sum():
    graph = gw.cells.lstm.graph
    assert list(map(repr, sum_terms(graph.pre_activations["i"]))) == ["W.i @ x", "U.i @ h", "b.i"]


@pytest.mark.parametrize("factor", [lambda f: 2 - f, lambda f: f - 1, lambda f: f * f])
def test_what_only_looks_like_a_complement_does_not_count(factor):
    def equations(x, h, c):
        f = sigmoid(W.f @ x + b.f)
        return dict(f=f, h=h + x, c=factor(f) * c + x)

    assert made(equations) == []


def test_forget_gates_are_found_under_interventions():
    graph = gw.cells.lstm.graph
    changed = with_replaced_state(with_freeze(with_clamp(with_clamp(graph, "c"), "i"), "f"), "c")
    assert forget_gates(changed) == forget_gates(graph)


def test_forget_gates_are_found_under_resets_and_lengths():
    for name in ("lstm", "gru", "mgu"):
        graph = gw.cells.get(name).graph
        for changed in (with_reset(graph), with_lengths(graph), with_lengths(with_reset(graph))):
            found, plain = forget_gates(changed), forget_gates(graph)
            assert found == plain, name
