"""Batches of sequences that are about equally long."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from gatewise.data import processes
from gatewise.data.labelled.ragged import Sequences

BUCKET = 50  # batches that are put together and sorted by length


class Batch(NamedTuple):
    """Some sequences, filled up to the longest with zeros.

    Attributes:
        inputs: `(T, B)` in int64, or `(T, B, C)`.
        lengths: Steps of each, `(B,)` in int64.
        targets: `(B,)`.
        fresh: Always true: no state is carried from batch to batch.
        cursor: The place behind this batch: the epoch, and the batch within it.
    """

    inputs: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    fresh: bool
    cursor: tuple[int, int]


class Batches:
    """Batches of sequences; in training each epoch in another order.

    Sequences of about the same length come together: an epoch's random order is cut into stretches
    of 50 batches, each sorted by length and cut into batches, and the batches are shuffled. So
    little is computed behind the sequences' ends. Processes that train together learn from a part
    of each batch each.

    Args:
        inputs: The sequences.
        targets: Their numbers, `(N,)`.
        batch_size: B of each process; the last batch of an epoch may be smaller.
        seed: What the orders come from.
    """

    def __init__(self, inputs: Sequences, targets: np.ndarray, batch_size: int, seed: int = 0):
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.seed = batch_size, seed
        self.together = batch_size * processes.count()

    @property
    def per_epoch(self) -> int:
        """How many batches make an epoch."""
        return -(-len(self.inputs) // self.together)

    def training(self, cursor: tuple[int, int]) -> Iterator[Batch]:
        """Yield batches from a place on, for ever."""
        epoch, first = cursor
        while True:
            order = self.order(epoch)
            for number in range(first, len(order)):
                last = number + 1 == len(order)
                own = processes.own_part(order[number])
                yield self.batch(own, (epoch + 1, 0) if last else (epoch, number + 1))
            epoch, first = epoch + 1, 0

    def once(self) -> Iterator[Batch]:
        """Yield every sequence once, from the shortest to the longest."""
        order = np.argsort(self.inputs.lengths, kind="stable")
        for begin in range(0, len(order), self.batch_size):
            yield self.batch(order[begin : begin + self.batch_size], (0, 0))

    def order(self, epoch: int) -> list[np.ndarray]:
        """Return the numbers of the sequences of each batch of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        shuffled = random.permutation(len(self.inputs))
        batches = []
        for begin in range(0, len(shuffled), BUCKET * self.together):
            stretch = shuffled[begin : begin + BUCKET * self.together]
            stretch = stretch[np.argsort(self.inputs.lengths[stretch], kind="stable")]
            starts = range(0, len(stretch), self.together)
            batches += [stretch[at : at + self.together] for at in starts]
        return [batches[k] for k in random.permutation(len(batches))]

    def batch(self, numbers: np.ndarray, cursor: tuple[int, int]) -> Batch:
        """Return some sequences as one batch."""
        block, lengths = self.inputs.padded(numbers)
        if block.ndim == 2:
            block = block.astype(np.int64)
        return Batch(
            torch.from_numpy(block),
            torch.from_numpy(lengths),
            torch.from_numpy(self.targets[numbers]),
            True,
            cursor,
        )
