"""Sequences as people pass them, and as recurrences want them: time first, one row a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


@dataclass(frozen=True)
class Sequence:
    """An input in the order ``(T, B, size)``, and the way back.

    Attributes:
        source: ``(T, B, size)``, or the caller's PackedSequence.
        given_lengths: how many steps of each sequence count, ``(B,)``, where the caller says so.
        batch_first: whether the caller's tensors are ``(B, T, size)``.
        batched: whether the caller's tensors have a batch at all.
    """

    source: Tensor | PackedSequence
    given_lengths: Tensor | None = None
    batch_first: bool = False
    batched: bool = True

    @property
    def packed(self) -> PackedSequence | None:
        """The caller's PackedSequence, where it was one."""
        return self.source if isinstance(self.source, PackedSequence) else None

    @property
    def data(self) -> Tensor:
        """What tells dtype, device and size, padded or not: ``(..., size)``."""
        return self.source.data if isinstance(self.source, PackedSequence) else self.source

    @property
    def steps(self) -> int:
        """T, the steps of the longest sequence."""
        packed = self.packed
        return self.data.shape[0] if packed is None else len(packed.batch_sizes)

    @property
    def batch(self) -> int:
        """B, how many sequences there are."""
        packed = self.packed
        return self.data.shape[1] if packed is None else int(packed.batch_sizes[0])

    @property
    def x(self) -> Tensor:
        """``(T, B, size)``; a PackedSequence is padded here, where it is asked for."""
        packed = self.packed
        return self.data if packed is None else pad_packed_sequence(packed)[0]

    @property
    def lengths(self) -> Tensor | None:
        """How many steps of each sequence count, ``(B,)``; None where all do."""
        packed = self.packed
        if packed is None:
            return self.given_lengths
        rows = torch.arange(self.batch)
        counts = (packed.batch_sizes[:, None] > rows).sum(0).to(self.data.device)
        order = packed.unsorted_indices
        return counts if order is None else counts.index_select(0, order)

    def arrange(self, value: Any, name: str, size: int | None = None) -> Tensor:
        """Another input of every step as ``(T, B, size)``.

        Args:
            value: in the caller's order; the last dimension may be missing where `size` is 1.
            name: what the caller calls it, for errors.
            size: units per step; None for any.

        Raises:
            ValueError: its shape does not fit x.
        """
        value = torch.as_tensor(value, device=self.data.device)
        given, leading = value, 2 if self.batched else 1
        if value.dim() == leading and size in (1, None):
            value = value.unsqueeze(-1)
        if value.dim() == leading + 1:
            if not self.batched:
                value = value.unsqueeze(1)
            elif self.batch_first:
                value = value.transpose(0, 1)
            wanted = (self.steps, self.batch, value.shape[-1] if size is None else size)
            if tuple(value.shape) == wanted:
                return value
        order = ("B", "T") if self.batch_first else ("T", "B")
        numbers = {"T": self.steps, "B": self.batch}
        letters = order if self.batched else ("T",)
        raise ValueError(
            f"{name} has shape {tuple(given.shape)}; expected ({', '.join(letters)}, size) with "
            f"{', '.join(f'{k} = {numbers[k]}' for k in letters)}, size = {size or 'any'}."
        )

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
        steps = torch.arange(self.steps, device=self.data.device)
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
        return Sequence(x, None, batch_first)
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
    return Sequence(x, lengths, batch_first, batched)


def _checked_lengths(lengths: Any, x: Tensor, name: str) -> Tensor:
    T, B = x.shape[:2]
    lengths = torch.as_tensor(lengths, device=x.device)
    if B == lengths.numel() == 0:
        lengths = lengths.long()  # an empty list says no dtype
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
    rows = torch.arange(y.shape[1])
    alive = (packed.batch_sizes[:, None] > rows).to(y.device)
    return packed._replace(data=y[alive])
