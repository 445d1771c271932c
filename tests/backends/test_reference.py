"""The reference backend against loops written by hand, and its edges."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.backends import Operands, Recurrence
from gatewise.backends.reference import ReferenceBackend, loop_of
from gatewise.equations import U, V, W, b, cell, layer_norm, p, s, sigmoid, tanh, where
from tests.random_cells import random_graph
from tests.recurrences import sample

BACKEND = ReferenceBackend()
SIZES = dict(I=6, H=4, P=2)


@cell(states=dict(h="H", k=1), inputs=dict(x="I", dt=1))
def various(x, dt, h, k, *, rate=0.25):
    n = tanh(W.n @ x + U.n @ h + b.n * s.a)
    g = sigmoid(layer_norm(U.g @ h + p.g * n) - rate)
    m = V.m @ (g * h)
    h = where(k < 1, n, h + dt * g * m)
    return dict(n=n, g=g, m=m, h=h, k=k + dt)


def by_hand(o: Operands, rate: float = 0.25):
    """The same cell in plain torch, one step after another."""
    w, (h, k) = o.parameters, (o.states["h"], o.states["k"])
    kept = {name: [] for name in "ngmhk"}
    for x, dt in zip(o.inputs["x"], o.inputs["dt"], strict=True):
        n = torch.tanh(x @ w["W.n"].T + h @ w["U.n"].T + w["b.n"] * w["s.a"])
        pre = h @ w["U.g"].T + w["p.g"] * n
        mean, spread = pre.mean(-1, keepdim=True), pre.var(-1, correction=0, keepdim=True)
        g = torch.sigmoid((pre - mean) / torch.sqrt(spread + 1e-5) - rate)
        m = (g * h) @ w["V.m"].T
        h = torch.where(k < 1, n, h + dt * g * m)
        k = k + dt
        for name, value in zip("ngmhk", (n, g, m, h, k), strict=True):
            kept[name].append(value)
    return {name: torch.stack(values) for name, values in kept.items()}


def flipped(o: Operands) -> Operands:
    return Operands({n: v.flip(0) for n, v in o.inputs.items()}, o.states, o.parameters, o.givens)


class TestAgainstHand:
    def test_output_states_and_kept_values(self):
        case = sample(various.graph, T=5, B=3)
        result = BACKEND.run(case.recurrence, case.operands, keep=tuple("ngmhk"))
        expected = by_hand(case.operands)
        torch.testing.assert_close(result.output, expected["h"])
        for name in "ngmhk":
            torch.testing.assert_close(result.values[name], expected[name])
        for name in "hk":
            torch.testing.assert_close(result.states[name], expected[name][-1])

    def test_reverse(self):
        case = sample(various.graph, T=5, B=3, reverse=True)
        result = BACKEND.run(case.recurrence, case.operands, keep=("g",))
        expected = by_hand(flipped(case.operands))
        torch.testing.assert_close(result.output, expected["h"].flip(0))
        torch.testing.assert_close(result.values["g"], expected["g"].flip(0))
        torch.testing.assert_close(result.states["h"], expected["h"][-1])

    def test_gradients(self):
        case = sample(various.graph, T=5, B=3)
        leaves = {n: v.clone().requires_grad_() for n, v in case.leaves().items()}
        operands = case.with_leaves(leaves)
        ours = BACKEND.run(case.recurrence, operands).output
        theirs = by_hand(operands)["h"]
        upstream = torch.randn_like(ours)
        found = torch.autograd.grad(ours, list(leaves.values()), upstream, allow_unused=True)
        expected = torch.autograd.grad(theirs, list(leaves.values()), upstream, allow_unused=True)
        for name, a, c in zip(leaves, found, expected, strict=True):
            torch.testing.assert_close(a, c, msg=name)

    def test_constants_are_read_at_run_time(self):
        graph = various.graph.with_constants({"rate": 0.9})
        case = sample(various.graph, T=2)
        result = BACKEND.run(Recurrence(graph, case.recurrence.sizes), case.operands)
        torch.testing.assert_close(result.output, by_hand(case.operands, rate=0.9)["h"])

    def test_stepping_equals_running(self):
        case = sample(random_graph(5), T=6, B=2, **SIZES)
        whole = BACKEND.run(case.recurrence, case.operands)
        states = dict(case.operands.states)
        for t in range(6):
            inputs = {name: value[t : t + 1] for name, value in case.operands.inputs.items()}
            one = Operands(inputs, states, case.operands.parameters)
            result = BACKEND.run(case.recurrence, one)
            torch.testing.assert_close(result.output[0], whole.output[t], rtol=1e-12, atol=1e-12)
            states = result.states
        for name, value in states.items():
            torch.testing.assert_close(value, whole.states[name], rtol=1e-12, atol=1e-12)


class TestEdges:
    @pytest.mark.parametrize("reverse", [False, True])
    def test_no_steps(self, reverse):
        case = sample(various.graph, T=0, B=3, reverse=reverse)
        result = BACKEND.run(case.recurrence, case.operands, keep=("k", "g"))
        assert result.output.shape == (0, 3, 4)
        assert result.values["k"].shape == (0, 3, 1)
        assert result.values["g"].shape == (0, 3, 4)
        assert result.output.dtype == torch.float64
        for name, value in case.operands.states.items():
            assert torch.equal(result.states[name], value)

    def test_no_sequences(self):
        case = sample(various.graph, T=4, B=0)
        result = BACKEND.run(case.recurrence, case.operands, keep=("m",))
        assert result.output.shape == (4, 0, 4)
        assert result.values["m"].shape == (4, 0, 4)
        assert result.states["h"].shape == (0, 4)

    def test_values_without_a_batch_are_spread_over_it(self):
        @cell(states=dict(h="H", k=1))
        def constant(x, h, k, *, rate=0.5):
            return dict(h=sigmoid(b.h), k=k * 0 + rate, a=s.a * rate, w=W.a @ x)

        case = sample(constant.graph, T=3, B=2)
        result = BACKEND.run(case.recurrence, case.operands, keep=("a", "w"))
        assert result.output.shape == (3, 2, 4)
        assert result.states["h"].shape == (2, 4)
        assert result.states["k"].tolist() == [[0.5], [0.5]]
        assert result.values["a"].shape == (3, 2, 1)
        torch.testing.assert_close(
            result.output[1, 1], torch.sigmoid(case.operands.parameters["b.h"])
        )

    def test_product_of_one_number(self):
        @cell
        def single(x, h, *, rate=0.5):
            return dict(h=tanh(W.h @ x + V.h @ (s.a * rate)) + h)

        case = sample(single.graph, T=2)
        w, x, h = case.operands.parameters, case.operands.inputs["x"], case.operands.states["h"]
        for t in range(2):
            h = h + torch.tanh(x[t] @ w["W.h"].T + (w["V.h"] * w["s.a"] * 0.5).squeeze(1))
        torch.testing.assert_close(BACKEND.run(case.recurrence, case.operands).output[1], h)

    def test_inputs_are_left_as_they_were(self):
        case = sample(random_graph(3), T=4, **SIZES)
        before = {name: value.clone() for name, value in case.leaves().items()}
        BACKEND.run(case.recurrence, case.operands)
        assert all(torch.equal(before[name], value) for name, value in case.leaves().items())

    def test_it_refuses_nothing(self):
        case = sample(various.graph)
        assert BACKEND.refusal(case.recurrence, case.operands) is None


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2), (torch.float16, 8e-3)]
)
@pytest.mark.parametrize("seed", [0, 3, 5])
def test_other_dtypes_agree_with_float64(seed, dtype, tolerance):
    case = sample(random_graph(seed, operations=4), T=3, B=2, **SIZES)
    exact = BACKEND.run(case.recurrence, case.operands)
    rounded = case.with_leaves({name: value.to(dtype) for name, value in case.leaves().items()})
    result = BACKEND.run(case.recurrence, rounded)
    assert result.output.dtype == dtype
    assert {value.dtype for value in result.states.values()} == {dtype}
    torch.testing.assert_close(result.output.double(), exact.output, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["lstm", "gru_original", "peephole"])
def test_second_derivatives(name):
    case = sample(gw.cells.get(name).graph, T=2, B=1, I=2, H=2)
    leaves = {n: v.clone().requires_grad_() for n, v in case.leaves().items()}

    def function(*values):
        operands = case.with_leaves(dict(zip(leaves, values, strict=True)))
        return BACKEND.run(case.recurrence, operands).output

    assert torch.autograd.gradcheck(function, tuple(leaves.values()))
    assert torch.autograd.gradgradcheck(function, tuple(leaves.values()))


def test_forward_mode_and_vmap():
    case = sample(gw.cells.lstm.graph, T=3, B=2)

    def function(x):
        inputs = Operands({"x": x}, case.operands.states, case.operands.parameters)
        return BACKEND.run(case.recurrence, inputs).output

    x, tangent = case.operands.x, torch.randn_like(case.operands.x)
    _, forward = torch.func.jvp(function, (x,), (tangent,))
    step = 1e-6
    slope = (function(x + step * tangent) - function(x - step * tangent)) / (2 * step)
    torch.testing.assert_close(forward, slope, rtol=1e-6, atol=1e-8)
    many = torch.stack([x, x + tangent])
    torch.testing.assert_close(
        torch.func.vmap(function)(many), torch.stack([function(one) for one in many])
    )


def test_loop_of_a_graph_is_planned_once():
    assert loop_of(various.graph) is loop_of(various.graph)


def test_lstm_equals_torch():
    case = sample(gw.cells.lstm.graph, T=5, B=3)
    theirs = nn.LSTM(3, 4, dtype=torch.float64)
    w = case.operands.parameters
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.cat([w[f"W.{k}"] for k in "ifgo"]))
        theirs.weight_hh_l0.copy_(torch.cat([w[f"U.{k}"] for k in "ifgo"]))
        theirs.bias_ih_l0.copy_(torch.cat([w[f"b.{k}"] for k in "ifgo"]))
        theirs.bias_hh_l0.zero_()
        h, c = (case.operands.states[k][None] for k in "hc")
        y, _ = theirs(case.operands.x, (h, c))
    torch.testing.assert_close(BACKEND.run(case.recurrence, case.operands).output, y)
