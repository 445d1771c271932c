"""The derived gradient against finite differences and autograd, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.backends.derived import gradients
from gatewise.equations import (
    R,
    U,
    V,
    W,
    absolute,
    b,
    block_diagonal,
    cell,
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
from gatewise.equations.derivative import RULES, differentiate
from gatewise.equations.document import SIGNATURES
from gatewise.equations.expression import Value
from tests.random_cells import random_graph
from tests.recurrences import Sample, autograd_gradients, finite_differences, sample


def derived_gradients(case: Sample) -> dict[str, torch.Tensor]:
    found = gradients(case.recurrence, case.operands, case.output_gradient, case.state_gradients)
    return {
        f"{kind} {name}": value
        for kind in ("inputs", "states", "parameters", "givens")
        for name, value in getattr(found, kind).items()
    }


def assert_equal(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape, name
        scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        assert float((found[name] - wanted).abs().max()) <= tolerance * scale, name


EQUATIONS = {
    "add": lambda x, h: W.h @ x + h,
    "subtract": lambda x, h: W.h @ x - h,
    "multiply": lambda x, h: (W.h @ x) * h,
    "square": lambda x, h: W.h @ x + h * h,
    "divide": lambda x, h: h / (1.5 + tanh(W.h @ x)) + (W.h @ x) / (h * h + 1),
    "negate": lambda x, h: -(W.h @ x * h),
    "sigmoid": lambda x, h: sigmoid(W.h @ x + h),
    "tanh": lambda x, h: tanh(W.h @ x + h),
    "relu": lambda x, h: relu(W.h @ x + h) + h,
    "exp": lambda x, h: exp(0.3 * (W.h @ x + h)),
    "log": lambda x, h: log(1 + (W.h @ x + h) ** 2),
    "softplus": lambda x, h: softplus(W.h @ x + h),
    "sqrt": lambda x, h: sqrt(1 + (W.h @ x + h) ** 2),
    "absolute": lambda x, h: absolute(W.h @ x + h),
    "sin": lambda x, h: sin(W.h @ x + h),
    "cos": lambda x, h: cos(W.h @ x + h),
    "maximum": lambda x, h: maximum(W.h @ x, h) + maximum(h, 0.1),
    "minimum": lambda x, h: minimum(W.h @ x, h) + minimum(0.2, h),
    "where": lambda x, h: where((W.h @ x < h) | (h < 0), h * h, W.h @ x),
    "product": lambda x, h: tanh(W.h @ x + U.h @ h),
    "product of a product": lambda x, h: V.h @ tanh(U.h @ (h * sigmoid(W.h @ x))),
    "shared product": lambda x, h: tanh(W.h @ x + U.h @ h) * (U.h @ (U.h @ h)),
    "layer_norm": lambda x, h: layer_norm(W.h @ x + h),
    "layer_norm of parts": lambda x, h: (
        tanh(layer_norm(W.h @ x, h, U.h @ h)[1]) * layer_norm(W.h @ x, h, U.h @ h)[2]
    ),
    "layer_norm of unequal parts": lambda x, h: (
        h + U.h @ layer_norm(W.h @ x, x)[0] + R.x @ layer_norm(W.h @ x, x)[1]
    ),
    "layer_norm of one part in use": lambda x, h: layer_norm(h, W.h @ x)[0],
    "total": lambda x, h: h * tanh(total(h * (W.h @ x))) + total(x) * (W.h @ x),
    "total handed on": lambda x, h: tanh(W.h @ (x - total(x * x))) + U.h @ (h - total(h, x)),
    "total of numbers": lambda x, h: h * total(s.a * p.a, s.c, 0.5) + total(tanh(s.a + W.h @ x)),
    "mean": lambda x, h: layer_norm(h - mean(h, W.h @ x)) / (1 + mean(h * h)) + b.h * mean(b.h),
    "bias": lambda x, h: tanh(W.h @ x + h * p.h + b.h),
    "vector expression": lambda x, h: tanh(W.h @ x) + h * sigmoid(p.h * b.h),
    "scalar": lambda x, h: tanh(s.a * (W.h @ x) + h) / (1 + s.b * s.b),
    "scalar expression": lambda x, h: exp(s.a * s.b) * tanh(W.h @ x) + h,
    "skew matrix": lambda x, h: tanh((U.h - U.h.T) @ h + W.h @ x),
    "low rank": lambda x, h: tanh((R.h @ V.h) @ h + W.h @ x),
    "scaled matrix": lambda x, h: tanh((s.g * U.h) @ h + (0.5 * W.h) @ x),
    "matrix sum": lambda x, h: tanh((U.h + U.k @ U.h / s.g) @ h + (-W.h) @ x),
    "transposed twice in use": lambda x, h: tanh(U.h @ h) + U.h.T @ tanh(W.h @ x),
    "blocks": lambda x, h: tanh(block_diagonal(U.h, 2) @ h + W.h @ x),
    "blocks transposed": lambda x, h: tanh(block_diagonal(U.h, 2).T @ h + W.h @ x),
    "blocks in an expression": lambda x, h: tanh(
        (block_diagonal(U.h, 2) * s.a + V.h) @ h + W.h @ x
    ),
    "numbered": lambda x, h: U["h", 1] @ tanh(U["h", 0] @ h + W.h @ x) + b["h", 1],
    "unused state": lambda x, h: tanh(W.h @ x),
    "unused input": lambda x, h: tanh(U.h @ h + b.h),
    "one vector as the state": lambda x, h: p.h + 0,
    "input as the state": lambda x, h: x + 0,
}


def graph_of(equation):
    @cell
    def one(x, h):
        return dict(h=equation(x, h))

    return one.graph


@pytest.mark.parametrize("name", EQUATIONS)
def test_rule_equals_finite_differences(name):
    case = sample(graph_of(EQUATIONS[name]), T=2, B=2, I=6, H=4, P=2)
    found = derived_gradients(case)
    assert_equal(found, finite_differences(case), 1e-7)
    assert_equal(found, autograd_gradients(case), 1e-11)


def test_every_rule_is_tried():
    tried = {node.operation for e in EQUATIONS.values() for node in graph_of(e).order}
    computed = {op for op, (kind, operands) in SIGNATURES.items() if kind is Value and operands}
    assert set(RULES) == computed | {"layer_norm", "row_sum"}
    assert set(RULES) - tried == {"detach", "noise"}  # which hand nothing back


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**9), reverse=st.booleans(), detached=st.booleans())
def test_random_cell_equals_autograd(seed, reverse, detached):
    graph = random_graph(seed, detached=detached)
    case = sample(graph, T=3, B=2, I=6, H=4, P=2, seed=seed % 1000, reverse=reverse)
    assert_equal(derived_gradients(case), autograd_gradients(case), 1e-9)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_random_cell_equals_finite_differences_along_a_direction(seed):
    case = sample(random_graph(seed), T=2, B=2, I=6, H=4, P=2, seed=seed % 1000)
    found, leaves, step = derived_gradients(case), case.leaves(), 1e-6
    for name, value in leaves.items():
        direction = torch.randn(value.shape, dtype=value.dtype)
        ends = [case.loss({**leaves, name: value + sign * step * direction}) for sign in (1, -1)]
        slope = float(ends[0] - ends[1]) / (2 * step)
        wanted = float((found[name] * direction).sum())
        # central differences: rounding of the loss over the step, and the third derivative
        assert abs(slope - wanted) <= 1e-6 * max(1.0, abs(wanted), abs(float(ends[0]))), name


def test_detach_lets_no_gradient_through():
    def gradient(equation):
        case = sample(graph_of(equation), T=1, B=2)
        return derived_gradients(case)

    found = gradient(lambda x, h: detach(tanh(U.h @ h)) * (W.h @ x))
    assert not found["parameters U.h"].any()
    assert not found["states h"].any()
    assert found["parameters W.h"].any()
    whole = gradient(lambda x, h: tanh(U.h @ h) * (W.h @ x))
    torch.testing.assert_close(found["parameters W.h"], whole["parameters W.h"])


@pytest.mark.parametrize("function", [maximum, minimum])
def test_tie_gives_half_to_each(function):
    @cell(states=dict(h="H", c="H"))
    def tied(x, h, c):
        return dict(h=function(h, c), c=c * 1.0 + x * 0)

    case = sample(tied.graph, T=1, B=1, H=3)
    equal = case.operands.states["h"]
    leaves = {**case.leaves(), "states c": equal.clone()}
    tie = Sample(
        case.recurrence, case.with_leaves(leaves), case.output_gradient, case.state_gradients
    )
    found = derived_gradients(tie)
    assert_equal(found, autograd_gradients(tie), 1e-12)
    total = case.output_gradient[0] + case.state_gradients["h"]
    torch.testing.assert_close(found["states h"], total / 2)


@pytest.mark.parametrize("function", [relu, absolute])
def test_kink_has_slope_zero_as_in_torch(function):
    @cell
    def kinked(x, h):
        return dict(h=function(h + 0 * x))

    case = sample(kinked.graph, T=1, B=1, H=3)
    leaves = {**case.leaves(), "states h": torch.zeros(1, 3, dtype=torch.float64)}
    at_zero = Sample(
        case.recurrence, case.with_leaves(leaves), case.output_gradient, case.state_gradients
    )
    assert not derived_gradients(at_zero)["states h"].any()
    assert_equal(derived_gradients(at_zero), autograd_gradients(at_zero), 1e-12)


def test_what_is_no_number_passes_a_relu_as_in_torch():
    @cell
    def rectified(x, h):
        return dict(h=relu(h + 0 * x))

    case = sample(rectified.graph, T=1, B=1, H=3)
    leaves = {**case.leaves(), "states h": torch.full((1, 3), torch.nan, dtype=torch.float64)}
    broken = Sample(
        case.recurrence, case.with_leaves(leaves), case.output_gradient, case.state_gradients
    )
    assert derived_gradients(broken)["states h"].all()
    assert_equal(derived_gradients(broken), autograd_gradients(broken), 1e-12)


def test_rules_read_outputs_where_that_saves_memory():
    derivative = differentiate(graph_of(lambda x, h: tanh(W.h @ x + U.h @ h)))
    text = repr(derivative.states["h"])
    assert text.count("tanh") == text.count("tanh(W.h @ x + U.h @ h)") == 2
    (pairs,) = [v for m, v in derivative.products.items() if m.name == "U.h"]
    assert [vector.operation for _, vector in pairs] == ["state"]


def test_constants_and_numbers_have_no_gradient():
    @cell
    def decaying(x, h, *, rate=0.5):
        return dict(h=rate * h + W.h @ x)

    derivative = differentiate(decaying.graph)
    assert derivative.vectors == {}
    assert set(derivative.inputs) == {"x"}
    assert list(map(repr, derivative.states.values())) == ["(dh + doutput) * rate"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_many_random_cells_equal_autograd(seed):
    graph = random_graph(seed, operations=20, detached=True)
    case = sample(graph, T=3, B=2, I=6, H=4, P=2, seed=seed)
    assert_equal(derived_gradients(case), autograd_gradients(case), 1e-9)
