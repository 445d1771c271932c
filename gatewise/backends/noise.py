"""Random numbers that a step computes for itself, the same ones wherever it is computed.

A call draws bits for every unit of every sequence, and bits for every step; `noise` mixes the two.
So T · B · units random numbers come out of T + B · units that were drawn, and none is stored.
"""

from __future__ import annotations

import torch
from torch import Tensor

MULTIPLIERS = (0x9E3779B1, 0x21F0AAAD, 0x735A2D97)
"""Odd numbers of 32 bits: of the golden ratio; of a mixer that C. Wellons found by search."""

SHIFTS = (16, 15, 15)
"""Between its multiplications."""

RESOLUTION = 24
"""Bits of a random number: as many as float32 holds between ½ and 1."""

MASK = 0xFFFFFFFF


def noise(seed: Tensor, step: Tensor) -> Tensor:
    """Numbers in [0, 1) that depend on the bits of two numbers in float32, unit by unit.

    Args:
        seed: any numbers; see `random_bits`.
        step: likewise; broadcast to the seed or the other way round.
    """
    bits = _bits(seed) ^ (_bits(step) * MULTIPLIERS[0] & MASK)
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS[1:], strict=False):
        bits = (bits ^ (bits >> shift)) * multiplier & MASK
    bits = bits ^ (bits >> SHIFTS[-1])
    return (bits >> (32 - RESOLUTION)).to(seed.dtype) * 2.0**-RESOLUTION


def random_bits(like: Tensor, *shape: int) -> Tensor:
    """Numbers of random bits, by torch's generator: a seed or a step of `noise`.

    They are finite, and normal, so that nobody rounds them to zero.

    Args:
        like: tells dtype and device.
        shape: of the result.
    """
    bits = torch.randint(1 << 23, 1 << 30, shape, dtype=torch.int32, device=like.device)
    return bits.view(torch.float32).to(like.dtype)


def _bits(value: Tensor) -> Tensor:
    """The bits of numbers in float32, as whole numbers of 64."""
    return value.detach().float().view(torch.int32).long() & MASK
