"""Where a kernel reads its weights, and how their gradients are put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gatewise.backends.llvm.words import Region
from gatewise.equations.expression import Expression

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel, Weights

Places = Mapping[Expression, tuple[int, int]]
"""For each expression of weights: which tensor holds it, and its first row there."""


class WeightWords:
    """The words of matrices and constants.

    Args:
        weights: what the kernel reads, and in which words.
        places: where it is.
    """

    def __init__(self, weights: Weights, places: Places):
        self._matrices = [
            (*words, *places[node], turned)
            for words, (node, turned) in zip(weights.matrix_words, weights.matrices, strict=True)
        ]
        self._constants = [
            (*words, *places[node])
            for words, node in zip(weights.constant_words, weights.constants, strict=True)
        ]
        self._units = weights.constant_units

    def place(self, values: list[int], sources: Sequence[Tensor], kept: list[Tensor]) -> None:
        """Point words to weights.

        Args:
            values: of the words.
            sources: the tensors that hold the weights.
            kept: takes copies that must live until the kernel has run.
        """
        size = sources[0].element_size() if sources else 0
        starts = [tensor.data_ptr() for tensor in sources]
        strides = [tensor.stride() for tensor in sources]
        for address, row, column, k, first, turned in self._matrices:
            down, right = strides[k]
            values[address] = starts[k] + first * down * size
            values[row], values[column] = (right, down) if turned else (down, right)
        for (address, units, k, first), count in zip(self._constants, self._units, strict=True):
            stride = strides[k][0] if strides[k] else 1
            if stride != 1:
                vector = sources[k].contiguous()
                kept.append(vector)
                values[address] = vector.data_ptr() + first * size
            else:
                values[address] = starts[k] + first * size
            values[units] = count


@dataclass(frozen=True)
class Piece:
    """A part of a gradient, in the memory of sums.

    Attributes:
        offset: of its first element.
        shape: ``(rows, columns)`` or ``(units,)``.
        strides: likewise.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, sums: Tensor) -> Tensor:
        """A view."""
        return sums.as_strided(self.shape, self.strides, self.offset)

    def joined(self, other: Piece) -> Piece | None:
        """Both as one, where the other follows at once."""
        follows = other.offset == self.offset + self.shape[0] * self.strides[0]
        if not follows or (self.strides, self.shape[1:]) != (other.strides, other.shape[1:]):
            return None
        return Piece(self.offset, (self.shape[0] + other.shape[0], *self.shape[1:]), self.strides)


def pieces_of(kernel: Kernel, sums: Region) -> dict[Expression, list[Piece]]:
    """The gradient of each expression of weights: the sum of pieces."""
    plan, lanes = kernel.backward_plan, kernel.element.lanes
    assert plan is not None
    found: dict[Expression, list[Piece]] = {}
    for item, job in kernel.weight_jobs:
        width = job.padded(lanes)[1]
        offset = sums.slices[f"base.{job.name}.c"].start
        start = item.gradient.offset - job.gradient
        offset += start if job.swapped else start * width
        strides = (1, width) if job.swapped else (width, 1)
        found.setdefault(item.matrix, []).append(Piece(offset, (item.rows, item.columns), strides))
    for vector, place, units in plan.vectors:
        offset = sums.slices["base.sums"].start + place.offset
        found.setdefault(vector, []).append(Piece(offset, (units,), (1,)))
    return found


class WeightGradients:
    """Puts the gradients of tensors together that hold weights.

    Args:
        pieces: of each expression.
        places: which tensor holds which expression, at which row.
        count: how many tensors there are.
    """

    def __init__(self, pieces: Mapping[Expression, list[Piece]], places: Places, count: int):
        self._members: list[list[tuple[int, list[Piece]]]] = [[] for _ in range(count)]
        for node, (k, first) in sorted(places.items(), key=lambda item: item[1]):
            if node in pieces:
                self._members[k].append((first, pieces[node]))

    def gather(self, k: int, like: Tensor, sums: Tensor) -> Tensor | None:
        """The gradient of tensor k; None where it has none."""
        members = self._members[k]
        if not members:
            return None
        parts: list[Tensor] = []
        row, run = 0, None
        for first, pieces in members:
            single = pieces[0] if len(pieces) == 1 else None
            joined = run.joined(single) if run and single and first == row else None
            if joined is None:
                if run is not None:
                    parts.append(run.read(sums))
                if first > row:
                    parts.append(like.new_zeros(first - row, *like.shape[1:]))
                run = single
                if single is None:
                    parts.append(torch.stack([piece.read(sums) for piece in pieces]).sum(0))
            else:
                run = joined
            row = first + pieces[0].shape[0]
        if run is not None:
            parts.append(run.read(sums))
        if like.dim() and row < like.shape[0]:
            parts.append(like.new_zeros(like.shape[0] - row, *like.shape[1:]))
        return torch.cat(parts).view(like.shape)
