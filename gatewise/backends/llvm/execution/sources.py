"""Where a kernel reads its weights, and how their gradients are put together again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from gatewise.backends.llvm.execution.words import Region, Values, Words
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.ir.backward_driver import matrix_word, vector_words
from gatewise.equations.expression import Expression

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel, Weights

Place = tuple[int, int]
"""Which tensor, and the first row there."""

Places = Mapping[Expression, Sequence[Place]]
"""Where each expression of weights is; where there is a second place, what is added to it."""


class WeightWords:
    """The words of matrices and constants.

    Args:
        weights: what the kernel reads, and in which words.
        places: where it is.

    Attributes:
        positions: of all of them.
    """

    def __init__(self, weights: Weights, places: Places):
        self._matrices = [
            (*words, *places[node][0], turned)
            for words, (node, turned) in zip(weights.matrix_words, weights.matrices, strict=True)
        ]
        self._constants = [
            (word, *place)
            for (own, added, _), node in zip(weights.constant_words, weights.constants, strict=True)
            for word, place in zip((own, added), places[node], strict=False)
        ]
        self._units = [
            (units, count)
            for (_, _, units), count in zip(
                weights.constant_words, weights.constant_units, strict=True
            )
        ]
        matrices = [word for words in self._matrices for word in words[:3]]
        constants = [word for word, *_ in (*self._constants, *self._units)]
        self.positions = matrices + constants

    def place(
        self, values: Values, sources: Sequence[Tensor], kept: list[Tensor]
    ) -> Locations | None:
        """Point words to weights.

        Args:
            values: of the words.
            sources: the tensors that hold the weights.
            kept: takes copies that must live until the kernel has run.

        Returns:
            Where the weights were found; while they are there, the words stay right. None where
            some were copied.
        """
        size = sources[0].element_size() if sources else 0
        starts, strides = found = locate(sources)
        copied = False
        for address, row, column, k, first, turned in self._matrices:
            (down, right), start = strides[k], starts[k]
            if 1 not in (down, right):
                matrix = sources[k].contiguous()
                kept.append(matrix)
                down, right, start, copied = *matrix.stride(), matrix.data_ptr(), True
            values[address] = start + first * down * size
            values[row], values[column] = (right, down) if turned else (down, right)
        for address, k, first in self._constants:
            stride = strides[k][0] if strides[k] else 1
            if stride != 1:
                vector = sources[k].contiguous()
                kept.append(vector)
                values[address] = vector.data_ptr() + first * size
                copied = True
            else:
                values[address] = starts[k] + first * size
        for units, count in self._units:
            values[units] = count
        return None if copied else found


Locations = tuple[list[int], list[tuple[int, ...]]]
"""Of some tensors: where each begins, and its strides."""


def locate(tensors: Sequence[Tensor]) -> Locations:
    """Where tensors lie in memory."""
    return [tensor.data_ptr() for tensor in tensors], [tensor.stride() for tensor in tensors]


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

    The kernel writes into new tensors what it can; the rest is read out of its sums.

    Args:
        kernel: the kernel.
        words: of a call.
        sums: the memory of sums.
        places: which tensor holds which expression, at which row.
        rows: of each tensor.

    Attributes:
        whole: whether the kernel writes all numbers of all gradients.
    """

    def __init__(
        self, kernel: Kernel, words: Words, sums: Region, places: Places, rows: Sequence[int]
    ):
        count = len(rows)
        delivered = _delivered(kernel)
        pieces = pieces_of(kernel, sums)
        self._words: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        members: list[list[tuple[int, list[Piece]]]] = [[] for _ in range(count)]
        left: list[list[tuple[int, list[Piece]]]] = [[] for _ in range(count)]
        for node, found in places.items():
            if node not in pieces:
                continue
            own = delivered.get(node, ())
            for n, (k, first) in enumerate(found):
                members[k].append((first, pieces[node]))
                if n < len(own):
                    at = first * math.prod(pieces[node][0].shape[1:]) * sums.size
                    self._words[k].append((words.index[own[n]], at))
                else:
                    left[k].append((first, pieces[node]))
        self._runs = [_joined(_by_row(each)) for each in members]
        self._left = [_joined(_by_row(each)) for each in left]
        self._gaps = [_between(*each) for each in zip(self._runs, rows, strict=True)]
        self.whole = all(self._words) and not any(self._left) and not any(self._gaps)

    def lease(self, sources: Sequence[Tensor], needs: Sequence[bool]) -> list[Tensor | None]:
        """New tensors for what the kernel writes.

        Args:
            sources: the tensors that hold the weights.
            needs: whose gradients are wanted.

        Returns:
            For each source its gradient, to be; None where the kernel writes nothing of it.
        """
        return [
            workspace.lease_like(source) if needed and placed else None
            for placed, source, needed in zip(self._words, sources, needs, strict=True)
        ]

    def place(self, values: Values, gradients: Sequence[Tensor | None]) -> None:
        """Point words to gradients, to be; to nowhere where there is none.

        Args:
            values: of the words.
            gradients: what `lease` returned.
        """
        for placed, gradient in zip(self._words, gradients, strict=True):
            start = 0 if gradient is None else gradient.data_ptr()
            for word, at in placed:
                values[word] = start and start + at

    def complete(
        self, k: int, gradient: Tensor | None, like: Tensor, memory: Tensor
    ) -> Tensor | None:
        """The gradient of tensor k.

        Args:
            k: its position.
            gradient: what `lease` made for it.
            like: the tensor.
            memory: of sums.

        Returns:
            None where it has none.
        """
        if gradient is None:
            return self._gather(k, like, memory)
        for run in self._left[k]:
            gradient[run.first : run.first + run.rows] = run.read(memory)
        for first, end in self._gaps[k]:
            gradient[first:end] = 0
        return gradient

    def _gather(self, k: int, like: Tensor, memory: Tensor) -> Tensor | None:
        """The same where the kernel wrote nothing."""
        runs = self._runs[k]
        if not runs:
            return None
        if len(runs) == 1 and like.dim() and runs[0].covers(like.shape[0]):
            return runs[0].read(memory).clone(memory_format=torch.contiguous_format)
        parts = [(run.first, run.read(memory)) for run in runs]
        for first, end in self._gaps[k]:
            parts.append((first, like.new_zeros(end - first, *like.shape[1:])))
        return torch.cat([part for _, part in _by_row(parts)]).view(like.shape)


def _delivered(kernel: Kernel) -> dict[Expression, tuple[str, ...]]:
    """The words that say where the kernel writes the gradient of an expression, if it does."""
    plan = kernel.backward_plan
    assert plan is not None
    found: dict[Expression, tuple[str, ...]] = {}
    words = {own.word for job in kernel.jobs for own in job.deliveries}
    for k, item in enumerate(plan.weights):
        if matrix_word(k) in words:
            found[item.matrix] = (matrix_word(k),)
    vectors = [vector for vector, _, _ in plan.vectors]
    for k, vector in enumerate(vectors):
        if vectors.count(vector) == 1:
            found[vector] = vector_words(k)
    return found


Held = TypeVar("Held")


def _by_row(parts: Sequence[tuple[int, Held]]) -> list[tuple[int, Held]]:
    return sorted(parts, key=lambda part: part[0])


def _between(runs: Sequence[Run], rows: int) -> list[tuple[int, int]]:
    """The rows that no run has, as first and end."""
    firsts = [*(run.first for run in runs), rows]
    ends = [0, *(run.first + run.rows for run in runs)]
    return [pair for pair in zip(ends, firsts, strict=True) if pair[0] < pair[1]]


@dataclass(frozen=True)
class Run:
    """Neighbouring rows of a gradient.

    Attributes:
        first: the first of them.
        pieces: what adds up to them.
    """

    first: int
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.pieces[0].shape[0]

    def covers(self, rows: int) -> bool:
        """Whether these are all rows."""
        return self.first == 0 and self.rows == rows

    def read(self, memory: Tensor) -> Tensor:
        """A view of a single piece, or the sum of several."""
        if len(self.pieces) == 1:
            return self.pieces[0].read(memory)
        return torch.stack([piece.read(memory) for piece in self.pieces]).sum(0)


def _joined(members: Sequence[tuple[int, list[Piece]]]) -> list[Run]:
    """Members by their first rows, neighbours in memory as one."""
    runs: list[Run] = []
    for first, pieces in members:
        last = runs[-1] if runs else None
        joined = None
        if last is not None and len(pieces) == len(last.pieces) == 1:
            follows = first == last.first + last.rows
            joined = last.pieces[0].joined(pieces[0]) if follows else None
        if last is not None and joined is not None:
            runs[-1] = Run(last.first, (joined,))
        else:
            runs.append(Run(first, tuple(pieces)))
    return runs
