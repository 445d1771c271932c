"""The deletion check: the right order beats chance, the wrong one loses, a random one is chance."""

import pytest
import torch

from gatewise.lens.deletion import deletion_check
from gatewise.lens.integrated_gradients import integrated_gradients


def total(x):
    return x.sum((0, 2))


def test_curve_by_hand():
    x = torch.tensor([1.0, 2.0, 5.0]).reshape(3, 1, 1)
    found = deletion_check(total, x, integrated_gradients(total, x), trials=200)
    assert found.deleted.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(found.curve.flatten(), torch.tensor([8.0, 3.0, 1.0, 0.0]))
    # areas: (8/2 + 3 + 1) / 3 = 8/3; at random (8/2 + 16/3 + 8/3) / 3 = 4; of 8 to lose
    assert found.area.item() == pytest.approx((4 - 8 / 3) / 8, abs=0.03)
    assert found.beaten.item() == pytest.approx(5 / 6, abs=0.08)  # one order in six is the same
    assert "better than" in str(found)
    assert found.table().splitlines()[2].split()[:2] == ["1", "3"]


def test_the_wrong_order_is_worse_than_chance():
    x = torch.tensor([1.0, 2.0, 5.0, 9.0]).reshape(4, 1, 1)
    assert deletion_check(total, x, -x[..., 0]).area.item() < -0.1


def test_one_step_that_decides_all():
    """Random orders delete it halfway on average, the attribution at once: area close to 1/2."""
    x = torch.ones(40, 3, 2)

    def score(x):
        return x[7].sum(-1)

    values = torch.zeros(40, 3)
    values[7] = 1
    found = deletion_check(score, x, values, trials=100, points=40)
    torch.testing.assert_close(found.area, torch.full((3,), 0.5), atol=0.1, rtol=0)
    assert found.beaten.gt(0.9).all()
    coarse = deletion_check(score, x, values, trials=100, points=10)
    assert coarse.curve.shape == (11, 3)
    assert deletion_check(score, x, torch.rand(40, 3), trials=100).area.abs().max() < 0.5


def test_time_may_come_second():
    x = torch.rand(5, 2, 3)
    values = torch.rand(5, 2)
    first = deletion_check(total, x, values)
    second = deletion_check(lambda x: x.sum((1, 2)), x.transpose(0, 1), values, batch_first=True)
    torch.testing.assert_close(second.curve, first.curve)
    torch.testing.assert_close(second.random, first.random)


def test_refusals():
    x = torch.ones(4, 2, 1)
    with pytest.raises(ValueError, match=r"not one value a step \(4, 2\)"):
        deletion_check(total, x, torch.rand(2, 4))
    with pytest.raises(ValueError, match="trials=0"):
        deletion_check(total, x, torch.rand(4, 2), trials=0)
