"""Products in bfloat16 equal the equations with every factor rounded, forwards and backwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import gatewise as gw
from gatewise.backends import Recurrence, with_products
from gatewise.backends.llvm import selection, trial
from gatewise.backends.llvm.selection import kernel_for, refused_products
from gatewise.backends.llvm.target import host
from gatewise.backends.rounded import RoundedProducts
from gatewise.equations.rewrite import with_lengths, with_recurrent_mask, with_reset
from tests.backends.llvm.comparison import (
    LLVM,
    REFERENCE,
    Results,
    changed,
    inference,
    moderate,
    training,
)
from tests.recurrences import Sample

needs_tiles = pytest.mark.skipif(
    not host().may_multiply_tiles(), reason="this processor multiplies no tiles of bfloat16"
)

CELLS = ("lstm", "gru", "peephole_full", "lstm_projection", "lstm_layer_norm", "slstm", "rhn")

TAILS = (
    dict(T=6, B=7, I=9, H=33, P=17),
    dict(T=3, B=70, I=65, H=16, P=5),
    dict(T=9, B=1, I=1, H=3, P=2),
    dict(T=31, B=17, I=9, H=17, P=5),
)
"""Rows beyond a block of 64, units and columns that fill no tile, hardly any of all, and enough
sequences for backward passes in two halves."""

STATES, GRADIENTS = 2.0**-10, 2.0**-8
"""How far results may be from the equations on rounded factors, in norm.

Both round the same numbers but for the last bits of float32. So a factor is rounded the other way
where it lies within 2⁻²⁴ of the middle of two neighbours that are 2⁻⁸ apart: one in 2¹⁵. Then one
term of a sum is wrong by 2⁻⁸, and with it a sequence's later states. Gradients hang on fewer.
"""


@pytest.fixture(autouse=True)
def _however_small(monkeypatch):
    """Products are rounded at sizes where it does not pay, too."""
    monkeypatch.setattr(selection, "ROUNDED_NUMBERS", 0)
    monkeypatch.setattr(selection, "ROUNDED_ROWS", 0)


def in_bfloat16(case: Sample) -> Sample:
    single = changed(case, torch.Tensor.float)
    return replace(single, recurrence=with_products(case.recurrence, "bfloat16"))


def distance(found: Results, expected: Results, name: str) -> float:
    wanted = expected[name]
    return float((found[name].double() - wanted).norm() / wanted.norm().clamp_min(1e-9))


def assert_rounded(case: Sample) -> None:
    """Every result is that of the equations on rounded factors, and not that of others."""
    rounding = in_bfloat16(case)
    exact = changed(rounding, torch.Tensor.double)
    with RoundedProducts():
        expected = training(REFERENCE, exact)
    found = training(LLVM, rounding)
    assert found.keys() == expected.keys()
    for name in expected:
        bound = GRADIENTS if name.startswith("gradient") else STATES
        assert distance(found, expected, name) <= bound, name
    once = inference(LLVM, rounding)
    assert all(distance(once, expected, name) <= STATES for name in once)
    assert distance(found, training(REFERENCE, exact), "y") > 2 * distance(found, expected, "y")


@needs_tiles
@pytest.mark.parametrize("sizes", TAILS, ids=lambda sizes: f"B={sizes['B']}")
@pytest.mark.parametrize(
    "name", [*CELLS[:4], *(pytest.param(c, marks=pytest.mark.slow) for c in CELLS[4:])]
)
def test_cells(name, sizes):
    assert_rounded(moderate(gw.cells.get(name).graph, reverse=sizes["B"] == 7, **sizes))


@needs_tiles
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(gw.cells.names()) - {*CELLS}))
def test_no_kernel_of_the_catalogue_is_mistrusted(name):
    graph = gw.cells.get(name).graph
    sizes = {"I": 18, "H": 18, "P": 5}
    for a, c in graph.sizes.equal:
        sizes[a] = sizes.get(c, 18)
    recurrence = Recurrence(graph, sizes, products="bfloat16")
    made = kernel_for(recurrence, torch.float32, True, ("x",))
    assert made.specification.products
    assert trial.mistrust(made, recurrence, torch.float32) is None


@needs_tiles
def test_changed_equations():
    graph = with_lengths(with_reset(with_recurrent_mask(gw.cells.gru.graph, ("h",))))
    assert_rounded(moderate(graph, T=5, B=6, I=3, H=20))


@needs_tiles
def test_blocks_of_many_rows_and_large_sizes():
    """More rows than one block of the backward pass; more columns than one tile."""
    assert_rounded(moderate(gw.cells.lstm.graph, T=41, B=13, I=70, H=90))


@needs_tiles
@pytest.mark.parametrize("B", [3, 37])  # threads share units, then sequences
def test_results_are_equal_on_any_number_of_threads(B):
    case = in_bfloat16(moderate(gw.cells.lstm.graph, T=6, B=B, I=40, H=180))
    alone = training(LLVM, case)
    torch.set_num_threads(2)
    together = training(LLVM, case)
    assert all(torch.equal(alone[name], together[name]) for name in alone)


@needs_tiles
def test_values_at_every_step_follow_from_products_in_float32():
    case = in_bfloat16(moderate(gw.cells.lstm.graph, T=5, B=8, I=20, H=20))
    plain = with_products(case.recurrence, "")
    with torch.no_grad():
        found = LLVM.run(case.recurrence, case.operands, ("f",))
        assert torch.equal(found.output, LLVM.run(plain, case.operands).output)


@needs_tiles
def test_it_is_explained():
    recurrence = in_bfloat16(moderate(gw.cells.lstm.graph, B=8, H=20)).recurrence
    made = kernel_for(recurrence, torch.float32, False, ())
    assert "products in bfloat16" in made.describe(9, 8, 1)


@needs_tiles
def test_a_mistrusted_kernel_hands_over_to_products_in_float32(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(trial, "ROUNDED", -1.0)
    recurrence = in_bfloat16(moderate(gw.cells.lstm.graph, I=11, H=13)).recurrence
    with pytest.warns(RuntimeWarning, match="Products run in float32"):
        made = kernel_for(recurrence, torch.float32, False, ())
    assert not made.specification.products
    assert made.mistrusted is None


def test_float64_is_never_rounded():
    recurrence = with_products(moderate(gw.cells.lstm.graph).recurrence, "bfloat16")
    assert not kernel_for(recurrence, torch.float64, False, ()).specification.products


def test_another_processor_multiplies_in_float32(monkeypatch):
    monkeypatch.setenv("GATEWISE_CPU", "x86-64-v2")
    recurrence = with_products(moderate(gw.cells.lstm.graph).recurrence, "bfloat16")
    assert "no matrix tiles" in (refused_products(recurrence, 9, 9, torch.float32) or "")
    kernel_for.cache_clear()
    try:
        assert not kernel_for(recurrence, torch.float32, False, ()).specification.products
    finally:
        kernel_for.cache_clear()
