"""Sequences as people pass them, and as recurrences want them: time first, one row a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


@dataclass(frozen=True)
class Sequence:
    """An input in the order ``(T, B, size)``, and the way back.

    Attributes:
        x: ``(T, B, size)``.
        lengths: how many steps of each sequence count, ``(B,)``; None where all do.
        batch_first: whether the caller's tensors are ``(B, T, size)``.
        batched: whether the caller's tensors have a batch at all.
        packed: the caller's PackedSequence, where it was one.
    """

    x: Tensor
    lengths: Tensor | None
    batch_first: bool
    batched: bool
    packed: PackedSequence | None

    def arrange(self, value: Tensor, name: str, size: int | None = None) -> Tensor:
        """Another input of every step as ``(T, B, size)``.

        Args:
            value: in the caller's order; the last dimension may be missing where `size` is 1.
            name: what the caller calls it, for errors.
            size: units per step; None for any.
        """
        T, B = self.x.shape[:2]
        if not self.batched:
            value = value.unsqueeze(1)
        elif self.batch_first:
            value = value.transpose(0, 1)
        if value.dim() == 2 and size in (1, None):
            value = value.unsqueeze(-1)
        wanted = (T, B, value.shape[-1] if size is None else size)
        if tuple(value.shape) != wanted:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)} as (T, B, size); expected {wanted}."
            )
        return value

    def restore(self, y: Tensor) -> Tensor | PackedSequence:
        """An output ``(T, B, size)`` in the caller's order."""
        if self.packed is not None:
            return _pack_like(y, self.packed)
        if not self.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y

    @property
    def alive(self) -> Tensor | None:
        """``(T, B, 1)``: True at the steps that count; None where all do."""
        if self.lengths is None:
            return None
        steps = torch.arange(self.x.shape[0], device=self.x.device)
        return (steps[:, None] < self.lengths[None, :]).unsqueeze(-1)


def arrange(x: Any, batch_first: bool, lengths: Any = None, name: str = "the layer") -> Sequence:
    """Take a tensor ``(T, B, I)``, ``(B, T, I)`` or ``(T, I)``, or a PackedSequence.

    Raises:
        ValueError: the number of dimensions or the lengths are wrong.
        TypeError: `x` is neither a tensor nor a PackedSequence.
    """
    if isinstance(x, PackedSequence):
        if lengths is not None:
            raise ValueError("a PackedSequence knows its lengths; leave lengths= out.")
        padded, counts = pad_packed_sequence(x)
        return Sequence(padded, counts.to(padded.device), batch_first, True, x)
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: the input is a tensor or a PackedSequence, not {type(x)}.")
    if x.dim() not in (2, 3):
        raise ValueError(f"{name}: Expected input to be 2D or 3D, got {x.dim()}D instead")
    batched = x.dim() == 3
    if not batched:
        x = x.unsqueeze(1)
    elif batch_first:
        x = x.transpose(0, 1)
    if lengths is not None:
        lengths = _checked_lengths(lengths, x, name)
    return Sequence(x, lengths, batch_first, batched, None)


def _checked_lengths(lengths: Any, x: Tensor, name: str) -> Tensor:
    T, B = x.shape[:2]
    lengths = torch.as_tensor(lengths, device=x.device)
    if lengths.is_floating_point() or lengths.dtype == torch.bool or lengths.shape != (B,):
        raise ValueError(
            f"{name}: lengths are {B} whole numbers, one per sequence, "
            f"not {tuple(lengths.shape)} of {lengths.dtype}."
        )
    if B and (int(lengths.min()) < 0 or int(lengths.max()) > T):
        raise ValueError(f"{name}: lengths must lie between 0 and T = {T}.")
    return lengths


def _pack_like(y: Tensor, packed: PackedSequence) -> PackedSequence:
    """Pack an output ``(T, B, size)`` in the same order of rows as the input was."""
    if packed.sorted_indices is not None:
        y = y.index_select(1, packed.sorted_indices)
    T = packed.batch_sizes.shape[0]
    lengths = (packed.batch_sizes[:, None] > torch.arange(y.shape[1])).sum(0)
    data = pack_padded_sequence(y[:T], lengths).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
