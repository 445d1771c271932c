"""Kernels beside the reference on the same numbers: outputs, last states and every gradient."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import gatewise as gw
from gatewise.backends import Backend, Operands
from gatewise.backends.llvm import LlvmBackend
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import Graph
from tests.recurrences import CONDITIONS, Sample, sample

LLVM, REFERENCE = LlvmBackend(), ReferenceBackend()

Results = dict[str, Tensor]
"""Outputs, last states and gradients by a name that is unique."""


def moderate(graph: Graph, **options) -> Sample:
    """A sample whose products neither grow nor vanish, whatever the sizes.

    Entries of matrices have a deviation of 1/√columns: an error of one step is then as large in the
    next, and a bound on the error of a run can be derived.
    """
    case = sample(graph, **options)
    parameters = {
        name: value / (0.6 * value.shape[-1] ** 0.5) if value.dim() == 2 else value
        for name, value in case.operands.parameters.items()
    }
    return replace(case, operands=replace(case.operands, parameters=parameters))


def changed(case: Sample, change) -> Sample:
    """The sample with a function applied to every tensor."""
    o = case.operands
    kinds = (o.inputs, o.states, o.parameters, o.givens)
    return replace(
        case,
        operands=Operands(*({n: change(v) for n, v in kind.items()} for kind in kinds)),
        output_gradient=change(case.output_gradient),
        state_gradients={n: change(g) for n, g in case.state_gradients.items()},
    )


def inference(backend: Backend, case: Sample) -> Results:
    """What a run without gradients returns."""
    with torch.no_grad():
        result = backend.run(case.recurrence, case.operands)
    return {"y": result.output, **{f"last {n}": v for n, v in result.states.items()}}


def training(backend: Backend, case: Sample) -> Results:
    """What a run returns, and the gradients of all operands that are not conditions."""
    leaves = {
        # detached, not cloned: strides and alignment stay as they are
        name: value if _is_condition(name) else value.detach().requires_grad_()
        for name, value in case.leaves().items()
    }
    result = backend.run(case.recurrence, case.with_leaves(leaves))
    learned = [name for name, value in leaves.items() if value.requires_grad]
    # pairs, not a dict: two states may be one tensor
    ends = [(result.output, case.output_gradient)]
    ends += [(value, case.state_gradients[name]) for name, value in result.states.items()]
    # the reference knows that a detached state passes nothing on
    ends = [(value, gradient) for value, gradient in ends if value.requires_grad]
    inputs = [leaves[name] for name in learned]
    values, given = zip(*ends, strict=True)
    found = torch.autograd.grad(values, inputs, given, allow_unused=True)
    gradients = {
        f"gradient of {name}": torch.zeros_like(leaves[name]) if g is None else g
        for name, g in zip(learned, found, strict=True)
    }
    results = {"y": result.output, **{f"last {n}": v for n, v in result.states.items()}}
    return {**{n: v.detach() for n, v in results.items()}, **gradients}


def _is_condition(name: str) -> bool:
    kind, _, own = name.partition(" ")
    return kind == "inputs" and own.startswith(CONDITIONS)


def assert_equal(found: Results, expected: Results, tolerance: float) -> None:
    """Every result within `tolerance`, relative to its largest entry (and to 1)."""
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        value = found[name].to(wanted.dtype)
        assert value.shape == wanted.shape, name
        scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        error = float((value - wanted).abs().max()) / scale if wanted.numel() else 0.0
        assert error <= tolerance, f"{name}: {error:.1e} > {tolerance:.1e}"


def float32_tolerance(case: Sample) -> float:
    """How far float32 may be from exact arithmetic on the same numbers.

    A sum of n products rounds by n half-units at most. Products read inputs and states (I + H) or,
    for gradients of weights, all rows (T · B); what a step rounds, later steps carry on: T times.
    """
    T, B = case.operands.x.shape[:2]
    sizes = case.recurrence.sizes
    half_unit = 2.0**-24
    return half_unit * (sizes["I"] + sizes["H"] + T * B) * (T + 1)


def assert_float64_equals_reference(case: Sample) -> None:
    """Training and inference within 1e-10: 10⁵ units of float64's last place."""
    expected = training(REFERENCE, case)
    assert_equal(training(LLVM, case), expected, 1e-10)
    found = inference(LLVM, case)
    assert_equal(found, {name: expected[name] for name in found}, 1e-10)


def assert_float32_equals_reference(case: Sample) -> None:
    """Training and inference in float32, within the derived tolerance of float64."""
    rounded = changed(case, lambda value: value.float())
    expected = training(REFERENCE, changed(rounded, lambda value: value.double()))
    tolerance = float32_tolerance(case)
    assert_equal(training(LLVM, rounded), expected, tolerance)
    found = inference(LLVM, rounded)
    assert_equal(found, {name: expected[name] for name in found}, tolerance)


def lstm_case(**options) -> Sample:
    """An LSTM of one size, so that one pair of kernels serves all tests."""
    sizes = dict(T=4, B=3, I=5, H=7)
    return moderate(gw.cells.lstm.graph, **{**sizes, **options})


def leaves_of(case: Sample) -> dict[str, Tensor]:
    return {name: value.clone().requires_grad_() for name, value in case.leaves().items()}


def loss_of(case: Sample, leaves: dict[str, Tensor], backend=LLVM) -> Tensor:
    result = backend.run(case.recurrence, case.with_leaves(leaves))
    ends = [(result.output, case.output_gradient)]
    ends += [(value, case.state_gradients[name]) for name, value in result.states.items()]
    return sum((value * gradient).sum() for value, gradient in ends)  # type: ignore[return-value]
