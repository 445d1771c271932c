"""Parallel streams over a long run of tokens, cut into windows for truncated backpropagation."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from gatewise.data import processes

IGNORED = -100  # a target that stands for none; torch's cross entropy leaves it out


class Cursor(NamedTuple):
    """A place in the training data: the epoch, and the window within it, both from 0."""

    epoch: int = 0
    window: int = 0


class Window(NamedTuple):
    """A window of every stream.

    Attributes:
        inputs: Tokens, `(T, B)` in int64.
        targets: The token after each, `(T, B)` in int64; `IGNORED` where there is none.
        fresh: Whether the streams begin here, so that the state must begin anew.
        cursor: The place behind this window.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    fresh: bool
    cursor: Cursor


class TrainingStreams:
    """B parallel streams over contiguous text, without end, epoch after epoch.

    The text is cut into B equal stretches; window k holds the k-th T tokens of each, so that a
    state carried from window to window reads on where it stopped. Each epoch begins a few tokens
    further in, drawn from the seed, so that the cuts and what is left over differ. Processes that
    train together have B streams each, one after the other.

    Args:
        tokens: All tokens, `(N,)`; a memory map is read window by window.
        batch_size: B.
        window: T, made shorter where the streams are.
        seed: What the shifts are drawn from.
    """

    def __init__(self, tokens: np.ndarray, batch_size: int, window: int, seed: int = 0):
        streams = batch_size * processes.count()
        if len(tokens) <= streams:
            raise ValueError(
                f"{len(tokens)} tokens are too few for {streams} streams; "
                "take a longer text or a smaller batch size"
            )
        self.tokens = tokens
        self.batch_size, self.streams = batch_size, streams
        self.window = min(window, (len(tokens) - 1) // streams)
        self.windows_per_epoch = (len(tokens) - 1) // (streams * self.window)
        self.seed = seed

    @property
    def tokens_per_window(self) -> int:
        """T · B, of all processes together."""
        return self.window * self.streams

    def windows(self, cursor: Cursor) -> Iterator[Window]:
        """Yield windows from a place on, for ever."""
        epoch, first = cursor
        begin = self.batch_size * processes.rank()
        own = slice(begin, begin + self.batch_size)
        while True:
            starts = self.starts(epoch)[own]
            for number in range(first, self.windows_per_epoch):
                at = starts + number * self.window
                rows = np.asarray(self.tokens[at + np.arange(self.window + 1)[:, None]], np.int64)
                block = torch.from_numpy(rows)
                last = number + 1 == self.windows_per_epoch
                behind = Cursor(epoch + 1, 0) if last else Cursor(epoch, number + 1)
                yield Window(block[:-1], block[1:], number == 0, behind)
            epoch, first = epoch + 1, 0

    def starts(self, epoch: int) -> np.ndarray:
        """Return where the streams of all processes begin in this epoch."""
        length = self.windows_per_epoch * self.window
        spare = len(self.tokens) - 1 - length * self.streams
        shift = np.random.default_rng([self.seed, epoch]).integers(spare + 1)
        return shift + length * np.arange(self.streams)


class ValidationStreams:
    """Every token of a text once, in as many parallel streams as stay long.

    Args:
        tokens: All tokens, `(N,)`, at least two.
        window: T.
        shortest: No stream is shorter, unless there is only one: where a stream begins, the model
            knows nothing of what came before, which counts against it.
        most: No more streams than this.
    """

    def __init__(self, tokens: np.ndarray, window: int = 256, shortest: int = 4096, most: int = 32):
        self.tokens = tokens
        self.targets = len(tokens) - 1
        self.streams = max(1, min(most, self.targets // shortest))
        self.length = -(-self.targets // self.streams)
        self.window = window

    def windows(self) -> Iterator[Window]:
        """Yield all windows; targets behind a stream's end are `IGNORED`."""
        starts = self.length * np.arange(self.streams)
        stops = np.minimum(starts + self.length, self.targets)
        for begin in range(0, self.length, self.window):
            steps = np.arange(begin, min(begin + self.window, self.length))[:, None]
            at = np.minimum(starts + steps, self.targets - 1)
            inputs = np.asarray(self.tokens[at], np.int64)
            targets = np.asarray(self.tokens[at + 1], np.int64)
            targets[starts + steps >= stops] = IGNORED
            behind = Cursor(0, begin // self.window + 1)
            yield Window(torch.from_numpy(inputs), torch.from_numpy(targets), begin == 0, behind)
