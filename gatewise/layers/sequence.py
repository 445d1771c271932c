"""Sequences as people pass them, and as recurrences want them: time first, one row a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatewise.layers.padding import counted_steps, packed_rows


@dataclass(frozen=True)
class Sequence:
    """An input in the order ``(T, B, size)``, and the way back.

    Attributes:
        source: ``(T, B, size)``, or the caller's PackedSequence.
        counted: which steps count, bool ``(T, B)``, where the caller says so; None where all do.
        batch_first: whether the caller's tensors are ``(B, T, size)``.
        batched: whether the caller's tensors have a batch at all.
    """

    source: Tensor | PackedSequence
    counted: Tensor | None = None
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

    @cached_property
    def rows(self) -> Tensor:
        """For each row of the PackedSequence's data its place among all ``T · B`` steps."""
        assert self.packed is not None
        return packed_rows(self.packed)

    @property
    def x(self) -> Tensor:
        """``(T, B, size)``; a PackedSequence is padded here, where it is asked for."""
        if self.packed is None:
            return self.data
        T, B, data = self.steps, self.batch, self.data
        # one gather backward; pad_packed_sequence's own goes step by step
        padded = data.new_zeros(T * B, *data.shape[1:]).index_copy_(0, self.rows, data)
        return padded.view(T, B, *data.shape[1:])

    @property
    def alive(self) -> Tensor | None:
        """``(T, B, 1)``: True at the steps that count; None where all do."""
        if self.packed is not None:
            found = self.rows.new_zeros(self.steps * self.batch, dtype=torch.bool)
            return found.index_fill_(0, self.rows, True).view(self.steps, self.batch, 1)
        return None if self.counted is None else self.counted.unsqueeze(-1)

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
            return self.packed._replace(data=y.flatten(0, 1).index_select(0, self.rows))
        if not self.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y


def arrange(x: Any, batch_first: bool, lengths: Any = None, name: str = "the layer") -> Sequence:
    """Take a tensor ``(T, B, I)``, ``(B, T, I)`` or ``(T, I)``, or a PackedSequence.

    Args:
        x: what a layer was called with.
        batch_first: whether it is ``(B, T, I)``.
        lengths: how many, or which, steps count; see `counted_steps`.
        name: of the layer, for errors.

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
    counted = None
    if lengths is not None:
        counted = counted_steps(lengths, x, batch_first, batched, name)
    return Sequence(x, counted, batch_first, batched)
