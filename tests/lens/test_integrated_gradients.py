"""Integrated gradients: of known functions, and complete for any layer."""

import pytest
import torch

import gatewise as gw
from gatewise.lens.integrated_gradients import integrated_gradients


def test_a_linear_score_is_its_weights_times_the_input():
    weights, x = torch.randn(5, 1, 3), torch.randn(5, 2, 3)
    found = integrated_gradients(lambda x: (weights * x).sum((0, 2)), x, points=1)
    torch.testing.assert_close(found.values, weights * x)
    assert found.gap.abs().max() < 1e-5


def test_a_product_is_shared_evenly():
    """F = x₀ x₁ from zeros: both factors get half of it."""
    x = torch.tensor([2.0, 3.0]).reshape(2, 1, 1)
    found = integrated_gradients(lambda x: x[0, :, 0] * x[1, :, 0], x)
    torch.testing.assert_close(found.steps.flatten(), torch.tensor([3.0, 3.0]))


@pytest.mark.parametrize("name", [n for n in gw.cells.names() if n not in {"gru_d", "cfc"}])
def test_complete_for_every_cell(name):
    layer = gw.Recurrent(name, 4, 4).double()
    x, baseline = torch.randn(2, 5, 2, 4, dtype=torch.float64)
    if name in {"slstm", "lstm_layer_norm"}:  # steep: a stabiliser, a division by a small deviation
        baseline = x + 0.01 * baseline
    found = integrated_gradients(lambda x: layer(x)[0][-1].sum(-1), x, baseline)
    difference = found.score - found.baseline_score
    torch.testing.assert_close(found.values.sum((0, 2)) - difference, found.gap)
    assert (found.gap.abs() < 0.02 * found.values.abs().sum((0, 2))).all(), name


def test_time_may_come_second():
    layer, x = gw.LSTM(3, 4), torch.randn(6, 2, 3)
    first = integrated_gradients(lambda x: layer(x)[0][-1].sum(-1), x)
    batched = gw.LSTM(3, 4, batch_first=True)
    batched.load_state_dict(layer.state_dict())
    second = integrated_gradients(
        lambda x: batched(x)[0][:, -1].sum(-1), x.transpose(0, 1), batch_first=True
    )
    torch.testing.assert_close(second.values.transpose(0, 1), first.values)
    torch.testing.assert_close(second.steps, first.steps)
    assert "misses the difference by" in str(second)


def test_more_points_make_it_complete():
    layer, x = gw.GRU(3, 4).double(), 4 * torch.randn(20, 1, 3).double()
    gaps = [
        float(integrated_gradients(lambda x: layer(x)[0][-1].sum(-1), x, points=p).gap.abs())
        for p in (2, 64)
    ]
    assert gaps[1] < 1e-6 < gaps[0]


def test_no_points():
    with pytest.raises(ValueError, match="points=0"):
        integrated_gradients(lambda x: x.sum((0, 2)), torch.zeros(2, 1, 1), points=0)
