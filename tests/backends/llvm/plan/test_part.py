"""Stages of a part: what is summed together, in which order, and where values wait."""

from __future__ import annotations

from itertools import pairwise

import pytest

import gatewise as gw
from gatewise.backends.llvm.plan.part import Part, Reduction, Sweep
from gatewise.equations import Graph, U, V, W, cell, layer_norm, sigmoid, tanh
from tests.backends.llvm.planning import backward_of, equations_of, forward_of, texts
from tests.random_cells import random_graph


def step_of(cell: str | Graph, **sizes: int) -> Part:
    return forward_of(equations_of(cell, training=False, **sizes)).step


def sums_of(sweep: Sweep) -> set[tuple[str, ...]]:
    return {tuple(texts(own)) for own in sweep.accumulators}


def test_all_gates_of_a_cell_are_one_sweep():
    (sweep,) = step_of("lstm").stages
    (group,) = sweep.groups
    assert str(group.vector) == "h"
    assert group.depth == sweep.units == 19
    assert {factor.matrix.name for factor in group.factors} == {"U.i", "U.f", "U.g", "U.o"}
    assert {factor.accumulator for factor in group.factors} == {0, 1, 2, 3}


def test_products_of_one_sum_share_an_accumulator():
    first, second = step_of("peephole_full").sweeps
    assert sums_of(first) >= {("U.i @ h", "V.i @ c"), ("U.f @ h", "V.f @ c")}
    assert len(first.groups) == 2
    assert [factor.matrix.name for group in second.groups for factor in group.factors] == ["V.o"]


@cell(states="h")
def apart(x, h):
    a = U.a @ h
    n = tanh(a + V.n @ x + V.m @ h)
    h = n * a
    return dict(a=a, n=n, h=h)


def test_a_product_that_is_used_twice_keeps_its_own_accumulator():
    (sweep,) = step_of(apart.graph).sweeps
    assert sums_of(sweep) == {("U.a @ h",), ("V.m @ h",)}


def test_a_product_of_this_steps_value_is_a_further_sweep_that_finds_it_in_scratch():
    first, second = step_of("lstm_projection", P=7).sweeps
    (group,) = second.groups
    stored = dict(first.stores)
    assert stored[group.vector].buffer == "scratch"
    assert group.depth == 19


def test_depth_of_a_highway_network():
    assert len(step_of("rhn").sweeps) == 3


@cell(states="h")
def normed(x, h):
    a, n = layer_norm(U.a @ h, U.n @ h)
    h = sigmoid(a) * tanh(n + W.n @ x)
    return dict(a=a, n=n, h=h)


def test_a_norm_is_one_reduction_between_two_sweeps():
    first, moments, last = step_of(normed.graph).stages
    assert isinstance(moments, Reduction)
    assert moments.kind == "moments"
    assert [units for _, units in moments.operands] == [19, 19]
    assert {str(node) for node, _ in first.stores} == {"U.a @ h", "U.n @ h"}
    assert [str(place.buffer) for _, place in last.stores] == ["y"]


def test_layer_norm_lstm_has_a_second_norm_for_its_state():
    kinds = [type(stage).__name__ for stage in step_of("lstm_layer_norm").stages]
    assert kinds == ["Sweep", "Reduction", "Sweep", "Reduction", "Sweep"]


def parts_of(graph: Graph) -> list[Part]:
    made = equations_of(graph, P=19)
    forward, backward = forward_of(made), backward_of(made)
    parts = [forward.hoist, forward.step, backward.step, backward.deferred]
    return [part for part in parts if part is not None]


GRAPHS = {name: gw.cells.get(name).graph for name in gw.cells.names()}
GRAPHS |= {f"random {seed}": random_graph(seed) for seed in (2, 3, 5)}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_stage_reads_what_is_there(name):
    """Leaves, or what an earlier stage has stored: in whatever order equations are written."""
    for part in parts_of(GRAPHS[name]):
        there = set(part.leaves)
        for stage in part.stages:
            if isinstance(stage, Sweep):
                for group in stage.groups:
                    assert group.vector in there
                there.update(node for node, _ in stage.stores)
            else:
                assert all(_computable(node, there) for node, _ in stage.operands)


def _computable(node, there) -> bool:
    """From values that are there, unit by unit; weights have no operands that are missing."""
    if node in there:
        return True
    return node.operation != "product" and all(_computable(o, there) for o in node.operands)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_product_is_summed_once(name):
    for part in parts_of(GRAPHS[name]):
        for sweep in part.sweeps:
            summed = [product for own in sweep.accumulators for product in own]
            assert len(summed) == len(set(summed))
            factors = [(group.vector, f.matrix) for group in sweep.groups for f in group.factors]
            assert sorted(map(str, factors)) == sorted(
                str((product.operands[1], product.operands[0])) for product in summed
            )


@pytest.mark.parametrize("name", GRAPHS)
def test_no_two_values_share_a_place(name):
    made = equations_of(GRAPHS[name], P=19)
    for part in parts_of(GRAPHS[name]):
        taken: dict[str, list[tuple[int, int]]] = {}
        for sweep in part.sweeps:
            for node, place in sweep.stores:
                taken.setdefault(place.buffer, []).append((place.offset, made.units(node)))
        for spans in taken.values():
            spans.sort()
            for (start, units), (following, _) in pairwise(spans):
                assert start + units <= following
