"""Named values and past states that kernels hand out equal those of the reference, step by step."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.recurrence import PAST
from gatewise.equations.rewrite import with_lengths, with_reset
from tests.backends.llvm.comparison import LLVM, REFERENCE, moderate
from tests.recurrences import sample

CELLS = gw.cells.names()


def everything(graph) -> tuple[str, ...]:
    return (*(PAST + name for name in graph.states), *graph.values)


def assert_same_values(case, found, keep) -> None:
    expected = REFERENCE.run(case.recurrence, case.operands, keep)
    assert list(found.values) == list(keep)
    for name in keep:
        torch.testing.assert_close(
            found.values[name], expected.values[name], rtol=1e-9, atol=1e-11, msg=name
        )


@pytest.mark.parametrize("name", CELLS)
def test_every_value_of_every_cell_equals_the_reference(name):
    reverse = CELLS.index(name) % 2 == 0
    case = moderate(gw.cells.get(name).graph, T=4, B=3, I=5, H=19, P=7, reverse=reverse)
    keep = everything(case.recurrence.graph)
    with torch.no_grad():
        assert_same_values(case, LLVM.run(case.recurrence, case.operands, keep), keep)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_projection", "peephole_full"])
def test_values_of_a_training_call(name, reverse):
    case = moderate(gw.cells.get(name).graph, T=4, B=3, I=5, H=9, P=7, reverse=reverse)
    keep = everything(case.recurrence.graph)
    leaves = {n: v.clone().requires_grad_() for n, v in case.leaves().items()}
    found = LLVM.run(case.recurrence, case.with_leaves(leaves), keep)
    assert_same_values(case, found, keep)
    assert not any(value.requires_grad for value in found.values.values())
    found.output.sum().backward()
    assert leaves["parameters U.f" if name != "gru" else "parameters U.r"].grad is not None
    assert_same_values(case, found, keep)  # the backward pass leaves them as they are


def test_past_states_with_lengths_and_resets():
    graph = with_lengths(with_reset(gw.cells.get("lstm").graph))
    case = sample(graph, T=6, B=4, I=3, H=5)
    keep = everything(graph)
    with torch.no_grad():
        assert_same_values(case, LLVM.run(case.recurrence, case.operands, keep), keep)


def test_no_steps_keep_nothing():
    case = sample(gw.cells.get("lstm").graph, T=0, B=2, I=3, H=5)
    found = LLVM.run(case.recurrence, case.operands, ("past.c", "f")).values
    assert found["past.c"].shape == found["f"].shape == (0, 2, 5)
