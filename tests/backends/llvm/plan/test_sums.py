"""Sums split into what depends on the last states and what does not."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.plan.sums import regroup_sums
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import U, V, W, b, cell
from tests.random_cells import random_graph
from tests.recurrences import sample

REFERENCE = ReferenceBackend()


@cell(states="h")
def scattered(x, h):
    a = W.a @ x + U.a @ h + b.a - V.a @ x
    d = b.d - U.d @ h + W.d @ x
    kept = W.k @ x + b.k
    h = a + d
    return dict(a=a, d=d, kept=kept, h=h)


def test_terms_without_states_become_one_value():
    graph = regroup_sums(scattered.graph)
    recurrent, rest = graph.values["a"].operands
    assert (str(recurrent), str(rest)) == ("U.a @ h", "W.a @ x + b.a - V.a @ x")
    recurrent, rest = graph.values["d"].operands
    assert str(recurrent) == "-(U.d @ h)"
    assert str(rest) == "b.d + W.d @ x"
    # a sum of one kind stays as it is written
    assert graph.values["kept"] is scattered.graph.values["kept"]


@pytest.mark.parametrize("seed", range(6))
def test_the_value_is_the_same(seed):
    case = sample(random_graph(seed), T=3, B=2, I=4, H=6, P=4)
    names = tuple(case.recurrence.graph.values)
    expected = REFERENCE.run(case.recurrence, case.operands, keep=names)
    graph = regroup_sums(case.recurrence.graph)
    regrouped = type(case.recurrence)(graph, case.recurrence.sizes)
    found = REFERENCE.run(regrouped, case.operands, keep=names)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", gw.cells.names())
def test_regrouping_twice_changes_nothing(name):
    once = regroup_sums(gw.cells.get(name).graph)
    again = regroup_sums(once)
    assert again.values == once.values
    assert again.new_states == once.new_states
