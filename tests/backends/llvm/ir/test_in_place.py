"""Weights that are multiplied where they lie: when, and from memory of any strides."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.execution.arrangement import IN_PLACE_ROWS
from gatewise.backends.recurrence import Stacked
from tests.backends.llvm.comparison import LLVM, REFERENCE, assert_equal, changed, moderate
from tests.backends.llvm.comparison import training as trained

GRAPH = gw.cells.get("gru_original").graph


def spread(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers with others between them, in every dimension."""
    wide = torch.full([2 * size for size in tensor.shape], torch.nan, dtype=tensor.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in tensor.shape)]
    return view.copy_(tensor)


@pytest.mark.parametrize("change", [torch.Tensor.clone, spread, lambda t: t.mT.contiguous().mT])
def test_strides_of_weights(change):
    case = moderate(GRAPH, T=1, B=2, I=5, H=19)
    o = case.operands
    weights = {n: change(v) if v.dim() == 2 else v for n, v in o.parameters.items()}
    strided = changed(case, lambda tensor: tensor)
    object.__setattr__(strided.operands, "parameters", weights)
    assert_equal(trained(LLVM, strided), trained(REFERENCE, case), 1e-12)


@pytest.mark.parametrize("learns", [False, True])
def test_from_few_rows_to_many(learns):
    """The last call in place and the first that packs agree, step by step."""
    layer = gw.LSTM(9, 33, dtype=torch.float64)
    rows = IN_PLACE_ROWS
    x = torch.randn(rows + 1, 1, 9, dtype=torch.float64)
    with gw.use_backend("llvm"), torch.set_grad_enabled(learns):
        packed, (in_place, _) = layer(x)[0], layer(x[:rows])
    torch.testing.assert_close(in_place, packed[:rows], rtol=1e-12, atol=1e-12)


def test_stacked_weights_with_other_numbers_between():
    layer = gw.GRU(5, 7).requires_grad_(False)
    wide = spread(layer.weight_hh_l0)
    x = torch.randn(2, 1, 5)
    with gw.use_backend("llvm"):
        expected = layer(x)[0]
        layer.weight_hh_l0.data = wide
        assert isinstance(layer.stored_weights(0, False), Stacked)
        torch.testing.assert_close(layer(x)[0], expected)
