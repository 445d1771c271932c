"""What a call leases is what the layers' docstrings say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import prod

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.execution.division import parts_of
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.operation import backward_call, forward_call

I, H = 64, 128
"""Whole vectors on every processor."""

KINDS = ("LSTM", "GRU", "RNN")


@pytest.fixture
def leased(monkeypatch) -> Iterator[list[int]]:
    """The numbers of every lease from here on."""
    found: list[int] = []
    lease = workspace._lease

    def note(length: int, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        found.append(prod(shape))
        return lease(length, shape, dtype)

    monkeypatch.setattr(workspace, "_lease", note)
    # memory that earlier calls left ready would not be leased again
    forward_call.cache_clear()
    backward_call.cache_clear()
    yield found
    forward_call.cache_clear()
    backward_call.cache_clear()


def stated(kind: str) -> tuple[int, int, int]:
    """What the docstring says: the kept numbers by T · B · H, those of a row by H and by I."""
    text = " ".join(getattr(gw, kind).__doc__.split())
    found = re.search(r"keeps (?:(\d+) · )?T · B · H numbers.* (\d+) · H \+ (?:(\d+) · )?I", text)
    assert found is not None, text
    kept, units, inputs = (int(number or 1) for number in found.groups())
    return kept, units, inputs


def rows_of(T: int, B: int) -> int:
    """Of a block: whole steps of all sequences, up to 256 rows or one step."""
    return B * max(1, min(T, 256 // B))


@pytest.mark.parametrize(("T", "B"), [(100, 32), (3, 600), (700, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_training_leases_what_the_docstring_says(kind, T, B, leased):
    layer = getattr(gw, kind)(I, H)
    kept, units, inputs = stated(kind)
    layer(torch.randn(40, 32, I, requires_grad=True))[0].sum().backward()  # compiles
    x = torch.randn(T, B, I, requires_grad=True)
    leased.clear()
    y, _ = layer(x)
    weights = sum(parameter.numel() for parameter in layer.parameters())
    rows, states = rows_of(T, B), len(layer.states) * B * H
    # beside what is kept: the last states, the weights, packed, and what is computed ahead
    small = 3 * 128 * 1024
    wanted = kept * T * B * H
    assert wanted - states <= sum(leased) <= wanted + 2 * states + weights + small
    leased.clear()
    y.sum().backward()
    copies = 3 * len(parts_of(4 * weights, T, B))
    wanted = T * B * I + copies * weights + rows * (units * H + inputs * I) + 2 * states
    assert 0.8 * wanted <= sum(leased) <= 1.05 * wanted


@pytest.mark.parametrize("kind", KINDS)
def test_inference_leases_its_output_and_no_more_for_more_steps(kind, leased):
    layer, totals = getattr(gw, kind)(I, H), []
    with torch.no_grad():
        layer(torch.randn(40, 32, I))  # compiles
    for T in (100, 300):
        leased.clear()
        with torch.no_grad():
            y, _ = layer(torch.randn(T, 32, I))
        totals.append(sum(leased) - y.numel())
    assert totals[0] == totals[1]
