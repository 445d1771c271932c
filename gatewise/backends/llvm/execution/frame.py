"""The words of a call and the memory that they point to, ready for the next call of its sizes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from gatewise.backends.llvm.execution.addition import HeldGradients
from gatewise.backends.llvm.execution.sources import Locations, WeightWords, locate
from gatewise.backends.llvm.execution.threads import entry
from gatewise.backends.llvm.execution.words import Region, Words
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.ir.job import BESIDE, WORDS

LINE_WORDS = 8
"""Words of a cache line."""

SPARE_BYTES = 5 << 18
"""More memory than this goes back to the workspace between calls."""


class Frame:
    """What one call at a time works in.

    Attributes:
        words: the call's words, those that point into `memory` among them; behind them, in a cache
            line of its own, the counter of the team's barrier.
        address: of the words.
        counter: the position of that counter.
        memory: the working memory; none between calls that need much.
        gradients: of weights, where they are added to those of another call; likewise.
        weights: where the weights were that the words point to; None for nowhere yet.
    """

    __slots__ = ("address", "counter", "gradients", "memory", "weights", "words")

    def __init__(self, words: Words):
        size = len(words.values)
        self.words = (ctypes.c_int64 * (size + 2 * LINE_WORDS))(*words.values)
        self.address = ctypes.addressof(self.words)
        self.counter = size + -(self.address // 8 + size) % LINE_WORDS
        self.words[words.index["base.barrier"]] = self.address + 8 * self.counter
        self.memory: Tensor | None = None
        self.gradients: HeldGradients | None = None
        self.weights: Locations | None = None

    def run_beside(self, other: Frame, team: int) -> None:
        """Run this call's kernel, and another's beside it, on a team."""
        self.words[WORDS.index(BESIDE)] = other.address
        entry(team)(self.address)
        self.words[WORDS.index(BESIDE)] = 0

    def place_weights(
        self, weights: WeightWords, sources: Sequence[Tensor], copies: list[Tensor]
    ) -> None:
        """Point words to the weights, unless they are where the last call found them.

        Args:
            weights: the words.
            sources: the tensors that hold the weights.
            copies: takes copies that must live until the kernel has run.
        """
        if self.weights is None or self.weights != locate(sources):
            self.weights = weights.place(self.words, sources, copies)


class Frames:
    """The frames of calls of the same sizes; a thread takes one and gives it back.

    Args:
        words: with all numbers in place.
        region: the working memory.
        dtype: of its numbers.
        zeroed: parts of it that are zero when a call begins.
    """

    def __init__(
        self, words: Words, region: Region, dtype: torch.dtype, zeroed: Sequence[slice] = ()
    ):
        self._words, self._region, self._dtype, self._zeroed = words, region, dtype, zeroed
        self._spare: list[Frame] = []
        self._keeps = region.elements * dtype.itemsize <= SPARE_BYTES

    def take(self) -> Frame:
        """A frame that nobody else has, with its memory."""
        try:
            frame = self._spare.pop()
        except IndexError:  # another thread may take the last one at any moment
            frame = Frame(self._words)
        frame.words[frame.counter] = 0
        memory = frame.memory
        if memory is None:
            # not made in inference mode, in which the next call may not be
            with torch.inference_mode(False):
                memory = frame.memory = workspace.lease((self._region.elements,), self._dtype)
            self._region.place(frame.words, memory)
        for part in self._zeroed:
            memory[part].zero_()
        return frame

    def give(self, frame: Frame) -> None:
        """Let the next call have it."""
        if not self._keeps:
            frame.memory = frame.gradients = None
        self._spare.append(frame)
