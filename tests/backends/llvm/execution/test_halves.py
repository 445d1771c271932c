"""Backward passes whose halves have sums of their own: right gradients, on any threads."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.execution.backward import BackwardCall
from gatewise.backends.llvm.execution.division import HALVED_BYTES, HALVED_SEQUENCES, parts_of
from gatewise.backends.llvm.kernel import Kernel
from gatewise.equations.rewrite import with_lengths, with_recurrent_mask, with_reset
from tests.backends.llvm.comparison import (
    LLVM,
    assert_equal,
    assert_float64_equals_reference,
    changed,
    moderate,
    training,
)

pytestmark = pytest.mark.kernels

KINDS = ("lstm", "gru_original", "lstm_layer_norm", "lstm_projection", "rhn", "mingru")
SIZES = dict(T=31, B=17, I=5, H=7)
"""Just enough rows for halves, of nine and eight sequences."""


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """The parts of each backward call."""
    found = []
    start = BackwardCall.start

    def watched(call, *arguments):
        found.append([part.B for part in call.parts])
        return start(call, *arguments)

    monkeypatch.setattr(BackwardCall, "start", watched)
    before = torch.get_num_threads()
    yield found
    torch.set_num_threads(before)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_cell_equals_the_reference(name, reverse, runs):
    sizes = SIZES | (dict(I=7) if name == "rhn" else {})
    case = moderate(gw.cells.get(name).graph, **sizes, reverse=reverse)
    assert_float64_equals_reference(case)
    assert [9, 8] in runs


def test_lengths_resets_and_givens(runs):
    graph = with_lengths(with_reset(with_recurrent_mask(gw.cells.get("lstm").graph, ("h",))))
    assert_float64_equals_reference(moderate(graph, **SIZES))
    assert [9, 8] in runs


@pytest.mark.parametrize("by_unit", [False, True], ids=["sequences", "units"])
def test_bits_do_not_change_with_threads(by_unit, monkeypatch, runs):
    case = moderate(gw.cells.get("peephole").graph, **SIZES)
    torch.set_num_threads(1)
    expected = training(LLVM, case)
    monkeypatch.setattr(Kernel, "divides_units", lambda kernel, T, B, team: by_unit and team > 1)
    for count in (2, 3, 5):
        torch.set_num_threads(count)
        assert_equal(training(LLVM, case), expected, 0)
    assert runs.count([9, 8]) == 4


def gradients(layer: gw.LSTM, x: torch.Tensor) -> list[torch.Tensor | None]:
    """Of the layer's weights."""
    layer.zero_grad(set_to_none=True)
    layer(x)[0].square().sum().backward()
    return [weight.grad for weight in layer.parameters()]


def test_both_halves_find_weights_that_have_moved(runs):
    layer, x = gw.LSTM(5, 7), torch.randn(31, 17, 5)
    before = gradients(layer, x)
    torch.nn.utils.vector_to_parameters(
        torch.nn.utils.parameters_to_vector(layer.parameters()), layer.parameters()
    )
    for found, expected in zip(gradients(layer, x), before, strict=True):
        assert torch.equal(found, expected)
    for weight in layer.parameters():
        weight.data = 2 * weight.data
    moved = gradients(layer, x)
    with gw.use_backend("reference"):
        for found, expected in zip(moved, gradients(layer, x), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert runs.count([9, 8]) == 3


def test_weights_that_are_frozen_and_learn_again(runs):
    layer, x = gw.LSTM(5, 7), torch.randn(31, 17, 5)
    whole = gradients(layer, x)
    layer.weight_hh_l0.requires_grad_(False)
    frozen = gradients(layer, x)
    layer.weight_hh_l0.requires_grad_(True)
    again = gradients(layer, x)
    for name, first, second, third in zip(
        dict(layer.named_parameters()), whole, frozen, again, strict=True
    ):
        assert torch.equal(first, third)
        assert second is None if name == "weight_hh_l0" else torch.equal(first, second)
    assert runs.count([9, 8]) == 3


def test_strides_change_no_bit():
    case = moderate(gw.cells.get("lstm").graph, **SIZES)
    turned = changed(case, lambda v: v.transpose(0, -1).contiguous().transpose(0, -1))
    assert_equal(training(LLVM, turned), training(LLVM, case), 0)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_two_directions_that_run_side_by_side(threads, runs):
    torch.manual_seed(0)
    layer = gw.LSTM(5, 7, bidirectional=True, dtype=torch.float64)
    x = torch.randn(31, 17, 5, dtype=torch.float64, requires_grad=True)
    found = {}
    for backend, count in (("llvm", threads), ("reference", 1)):
        torch.set_num_threads(count)
        layer.zero_grad()
        x.grad = None
        with gw.use_backend(backend):
            layer(x)[0].sum().backward()  # whose gradient is one number, expanded
        found[backend] = [x.grad, *(p.grad for p in layer.parameters())]
    assert [9, 8] in runs
    for own, expected in zip(found["llvm"], found["reference"], strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-9)


def test_what_is_divided_depends_on_sizes():
    assert parts_of(HALVED_BYTES, 100, 33) == [17, 16]
    assert parts_of(HALVED_BYTES + 4, 100, 33) == [33]
    assert parts_of(HALVED_BYTES, 1000, HALVED_SEQUENCES - 1) == [HALVED_SEQUENCES - 1]
    assert parts_of(HALVED_BYTES, 5, 33) == [33]
