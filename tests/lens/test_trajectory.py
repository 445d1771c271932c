"""Paths in few dimensions: of data that has few."""

import pytest
import torch

from gatewise.lens.trajectory import trajectory


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_plane_is_found(dtype):
    generator = torch.Generator().manual_seed(0)
    plane = torch.linalg.qr(torch.randn(6, 2, generator=generator, dtype=dtype)).Q.T
    inside = torch.randn(15, 3, 2, generator=generator, dtype=dtype) * torch.tensor([3.0, 1.0])
    states = inside.to(dtype) @ plane + 5
    found = trajectory(states)
    assert found.explained.sum() == pytest.approx(1, abs=1e-5)
    assert found.explained[0] > found.explained[1]
    back = found.points @ found.axes + found.mean
    torch.testing.assert_close(back, states, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.project(states), found.points)
    torch.testing.assert_close(found.axes @ found.axes.T, torch.eye(2, dtype=dtype))
    assert found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)).gt(0).all()
    assert "2 directions with" in str(found)
    assert len(found.table().splitlines()) == 16


def test_a_known_share():
    """Variances 9 and 1 along the axes: shares 0.9 and 0.1."""
    states = torch.tensor([[3.0, 0], [-3.0, 0], [0, 1.0], [0, -1.0]])[:, None]
    found = trajectory(states)
    torch.testing.assert_close(found.explained, torch.tensor([0.9, 0.1]))
    torch.testing.assert_close(found.points[:, 0].abs(), states[:, 0].abs())


def test_steps_that_do_not_count():
    states = torch.randn(6, 2, 4)
    alive = torch.ones(6, 2, dtype=torch.bool)
    alive[3:, 1] = False
    padded = states.clone()
    padded[3:, 1] = torch.nan  # as a trace shows them
    found = trajectory(padded, alive=alive)
    torch.testing.assert_close(trajectory(padded).points, found.points, equal_nan=True)
    assert found.points[3:, 1].isnan().all()
    assert not found.points[alive].isnan().any()


def test_more_dimensions_than_there_are():
    with pytest.raises(ValueError, match="dimensions=5: 12 steps of 4 units have fewer"):
        trajectory(torch.randn(6, 2, 4), dimensions=5)
