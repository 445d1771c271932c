"""Temporal rescaling: by hand for an additive score, and it finds the steps a network needs."""

import pytest
import torch
from torch import nn

from gatewise.lens.integrated_gradients import integrated_gradients
from gatewise.lens.temporal_rescaling import temporal_rescaling


def test_by_hand():
    """For Σ w x the map is w x; covering a step changes it by Σ|w x| there, a number by |w x|."""
    weights, x = torch.randn(5, 1, 3), torch.randn(5, 2, 3)
    found = temporal_rescaling(
        lambda x: (weights * x).sum((0, 2)), x, integrated_gradients, quantile=0.0
    )
    terms = (weights * x).abs()
    expected = terms.sum(-1, keepdim=True) * terms
    least = terms.sum(-1).argmin(0)  # not above the lowest quantile
    expected[least, torch.arange(2)] = 0
    torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-5)


def test_half_of_the_steps_count_as_nothing():
    x = torch.tensor([1.0, 5.0, 2.0, 4.0]).reshape(4, 1, 1)
    found = temporal_rescaling(lambda x: x.sum((0, 2)), x, integrated_gradients)
    assert found.steps.flatten().gt(0).tolist() == [False, True, False, True]


def test_finds_the_two_steps_that_a_score_multiplies():
    layer = nn.GRU(2, 3)
    x = torch.randn(6, 1, 2)

    def score(x):
        return (x[1] * x[4]).sum(-1) + 0.01 * layer(x)[0][-1].sum(-1)

    found = temporal_rescaling(score, x, integrated_gradients)
    assert set(found.steps[:, 0].topk(2).indices.tolist()) == {1, 4}


def test_time_may_come_second():
    x = torch.randn(4, 2, 3)

    def by_unit(score, x):
        return integrated_gradients(score, x, batch_first=x.shape[0] == 2)

    first = temporal_rescaling(lambda x: (x**2).sum((0, 2)), x, by_unit)
    second = temporal_rescaling(
        lambda x: (x**2).sum((1, 2)), x.transpose(0, 1), by_unit, batch_first=True
    )
    torch.testing.assert_close(second.values.transpose(0, 1), first.values)


def test_quantile_must_leave_steps():
    with pytest.raises(ValueError, match="quantile=1"):
        temporal_rescaling(
            lambda x: x.sum((0, 2)), torch.ones(3, 1, 1), integrated_gradients, quantile=1
        )
