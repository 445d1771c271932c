"""Random numbers that a step computes for itself: by hand, their distribution, everywhere alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.backends.noise import noise, random_bits
from gatewise.equations import cell


def by_hand(seed: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The same in numbers of 32 bits that overflow."""
    x = seed.view(np.uint32) ^ (step.view(np.uint32) * np.uint32(0x9E3779B1))
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    return (x >> np.uint32(8)) / np.float32(1 << 24)


def test_by_hand():
    seed, step = torch.randn(40, 7), torch.tensor([[-0.0], [1.5], [float("inf")], [3e38]] * 10)
    expected = by_hand(seed.numpy(), np.ascontiguousarray(step.expand(40, 7).numpy()))
    assert torch.equal(noise(seed, step), torch.from_numpy(expected))
    assert torch.equal(noise(seed.double(), step.double()), torch.from_numpy(expected).double())
    assert noise(seed.bfloat16(), step.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_even_and_independent(dtype):
    torch.manual_seed(0)
    like = torch.empty(0, dtype=dtype)
    seed, step = random_bits(like, 30, 40), random_bits(like, 1000, 1, 1)
    assert seed.isfinite().all()
    assert seed.abs().min() >= torch.finfo(torch.float32).tiny
    found = noise(seed, step)
    assert found.min() >= 0
    assert found.max() < 1
    counts = torch.histc(found.float(), 20, 0.0, 1.0)
    assert (counts / found.numel() - 0.05).abs().max() < 0.001  # five deviations
    centred = found - 0.5
    for neighbours in (
        centred[1:] * centred[:-1],
        centred[:, 1:] * centred[:, :-1],
        centred[..., 1:] * centred[..., :-1],
    ):
        assert neighbours.mean().abs() < 5 * (1 / 12) / neighbours.numel() ** 0.5
    # the means of a unit and of a step scatter as those of independent numbers do
    for means, count in ((centred.mean(0), 1000), (centred.mean((1, 2)), 1200)):
        assert means.std() == pytest.approx((1 / 12 / count) ** 0.5, rel=0.15)


def test_seeds_are_repeated():
    drawn = []
    for _ in range(2):
        torch.manual_seed(4)
        drawn.append(random_bits(torch.empty(0), 5, 6))
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], random_bits(torch.empty(0), 5, 6))


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_draw_the_same_numbers(dtype):
    """Noise decides which units stay: not one of them may differ."""

    @cell
    def steps(x, h):
        return dict(h=h + 1 + 0 * x)

    layer = gw.Recurrent(steps, 1, 19, zoneout=0.5, dtype=dtype)
    x, found = torch.zeros(200, 3, 1, dtype=dtype), []
    for backend in ("reference", "llvm"):
        torch.manual_seed(2)
        with gw.use_backend(backend), torch.no_grad():
            found.append(layer(x)[0])
    assert torch.equal(*found)
    assert 50 < found[0][-1].mean() < 150
