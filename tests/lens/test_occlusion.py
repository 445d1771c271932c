"""Occlusion: what additive scores lose is known."""

import pytest
import torch

import gatewise as gw
from gatewise.lens.occlusion import occlusion


def test_an_additive_score_loses_each_term():
    weights, x = torch.randn(5, 1, 3), torch.randn(5, 2, 3)

    def score(x):
        return (weights * x).sum((0, 2))

    torch.testing.assert_close(occlusion(score, x).values[..., 0], (weights * x).sum(-1))
    torch.testing.assert_close(occlusion(score, x, by_unit=True).values, weights * x)
    baseline = torch.randn(3)
    found = occlusion(score, x, baseline, by_unit=True)
    torch.testing.assert_close(found.values, weights * (x - baseline))
    torch.testing.assert_close(found.baseline_score, score(baseline.expand_as(x)))


def test_a_window_shares_its_loss():
    """Every window of 2 loses its two terms; a step's value is the mean over its windows."""
    x = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    found = occlusion(lambda x: x.sum((0, 2)), x, width=2)
    assert found.steps.flatten().tolist() == [3.0, 4.5, 6.0]


def test_twins_hide_each_other_but_not_from_a_window():
    x = torch.tensor([1.0, 1.0, 0.0]).reshape(3, 1, 1)

    def either(x):
        return x[:2].amax((0, 2))

    assert occlusion(either, x).steps.flatten().tolist() == [0.0, 0.0, 0.0]
    assert occlusion(either, x, width=2).steps[0].item() == 1.0


def test_time_may_come_second():
    layer, x = gw.Recurrent("peephole", 3, 4), torch.randn(6, 2, 3)
    first = occlusion(lambda x: layer(x)[0][-1].sum(-1), x, by_unit=True)
    second = occlusion(
        lambda x: layer(x.transpose(0, 1))[0][-1].sum(-1),
        x.transpose(0, 1),
        by_unit=True,
        batch_first=True,
    )
    torch.testing.assert_close(second.values.transpose(0, 1), first.values)


def test_width_must_fit():
    with pytest.raises(ValueError, match="width=4: between 1 and the 3 steps"):
        occlusion(lambda x: x.sum((0, 2)), torch.zeros(3, 1, 1), width=4)
