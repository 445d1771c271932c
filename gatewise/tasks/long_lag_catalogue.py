"""The long-lag tasks by name, each as its paper states it.

H&S is Hochreiter & Schmidhuber (1997), Long short-term memory, section 5.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from gatewise.tasks.long_lag import NO_TARGET, Batch, LongLagTask

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

MARKED_FIRST = 10  # H&S mark one of the first ten steps
COPIED, BLANK, RECALL = 10, 0, 9  # how many symbols are copied; the other two symbols
CODE = 8  # symbols that can be copied
TESTED_AT_ONCE = 200
SIGNAL = 3  # steps that carry the class of the two-sequence problem


def batch_of(x: Floats, last: Integers, target: NDArray) -> Batch:
    """Return arrays as a batch, with zeros after each sequence's end."""
    x[np.arange(len(x))[:, None] > last] = 0.0
    return Batch(torch.from_numpy(x), torch.from_numpy(last), torch.from_numpy(target))


def one_hot(symbols: Integers, count: int) -> Floats:
    """Return `(T, B)` symbols as `(T, B, count)` zeros with a one each."""
    return np.eye(count, dtype=np.float32)[symbols]


def draw_lasts(T: int, B: int, draw: Generator) -> Integers:
    """Return the last steps of sequences whose length is drawn from T to 1.1 T, ends included."""
    return draw.integers(T, T + T // 10, B, endpoint=True) - 1


def draw_marked(
    T: int, low: float, start: float, B: int, draw: Generator
) -> tuple[Floats, Integers, Floats]:
    """Return sequences of numbers and marks, their last steps, and the two marked numbers.

    Args:
        T: The shortest length.
        low: Numbers are drawn from here to 1.
        start: What stands for a marked number at the first step.
        B: How many.
        draw: Source of random numbers.
    """
    last, rows = draw_lasts(T, B, draw), np.arange(B)
    x = np.zeros((last.max() + 1, B, 2), np.float32)
    x[..., 0] = draw.uniform(low, 1.0, x.shape[:2])
    first = draw.integers(0, MARKED_FIRST, B)
    second = draw.integers(0, T // 2 - 1, B)
    second += second >= first  # one of the steps that are not marked yet
    x[0, :, 1] = x[last, rows, 1] = -1.0
    marks = np.stack([first, second])
    x[marks, rows, 1] = 1.0
    return x, last, np.where(marks == 0, start, x[marks, rows, 0]).astype(np.float32)


def adding(T: int) -> LongLagTask:
    """The adding problem: the sum of two marked numbers among T to 1.1 T (H&S, experiment 4).

    Numbers lie in ±1; one of the first 10 steps is marked, and another of the first T/2. The target
    is 0.5 + sum / 4, to 0.04.
    """

    def draw(B: int, source: Generator) -> Batch:
        x, last, values = draw_marked(T, -1.0, 0.0, B, source)
        return batch_of(x, last, 0.5 + values.sum(0) / 4)

    return LongLagTask("adding", T, 2, 1, "number", 0.04, draw, published=ADDING.get(T))


def multiplication(T: int) -> LongLagTask:
    """The multiplication problem: the product of two marked numbers (H&S, experiment 5).

    As adding, of numbers from 0 to 1. It counts as solved when at most 13 of 2,000 sequences are
    off by more than 0.04.
    """

    def draw(B: int, source: Generator) -> Batch:
        x, last, values = draw_marked(T, 0.0, 1.0, B, source)
        return batch_of(x, last, values.prod(0))

    published = 1_273_000 if T == 100 else None
    return LongLagTask(
        "multiplication", T, 2, 1, "number", 0.04, draw, mistakes=13, published=published
    )


def temporal_order(T: int, places: tuple[tuple[float, float], ...], published: int) -> LongLagTask:
    """Temporal order: which of X and Y came, in which order, among other symbols.

    H&S, experiment 6: a start symbol, symbols drawn from four, X or Y once at each place, and an
    end symbol after T to 1.1 T steps; the class is the sequence of X and Y.

    Args:
        T: The shortest length.
        places: From where to where X or Y stands, in shares of T.
        published: Sequences to success at T = 100.
    """
    a, x_symbol, start, end, symbols = 0, 4, 6, 7, 8

    def draw(B: int, source: Generator) -> Batch:
        last, rows = draw_lasts(T, B, source), np.arange(B)
        tokens = source.integers(a, x_symbol, (last.max() + 1, B))
        tokens[0], tokens[last, rows] = start, end
        target = np.zeros(B, np.int64)
        for low, high in places:
            which = source.integers(0, 2, B)
            at = source.integers(round(low * T), round(high * T), B, endpoint=True)
            tokens[at, rows] = x_symbol + which
            target = 2 * target + which
        return batch_of(one_hot(tokens, symbols), last, target)

    count = len(places)
    name = "temporal-order" if count == 2 else f"temporal-order-{count}"
    known = published if T == 100 else None
    return LongLagTask(name, T, symbols, 2**count, "class", 0.3, draw, published=known)


def lag(T: int, noisy: bool) -> LongLagTask:
    """Say the first of T symbols after the last (H&S, experiments 2a and 2b).

    The first is x or y. Noise-free, the T − 1 symbols in between are the same in every sequence,
    and each is to be said beforehand; noisy, they are drawn from T − 1 symbols, and only the end is
    asked for. All outputs are to be right within 0.25.
    """

    def draw(B: int, source: Generator) -> Batch:
        first = T - 1 + source.integers(0, 2, B)
        tokens = np.empty((T, B), np.int64)
        tokens[0] = first
        tokens[1:] = source.integers(0, T - 1, (T - 1, B)) if noisy else np.arange(T - 1)[:, None]
        target = np.full((T, B), NO_TARGET) if noisy else np.roll(tokens, -1, 0)
        target[-1] = first
        last = np.full(B, T - 1)
        return batch_of(one_hot(tokens, T + 1), last, first - (T - 1) if noisy else target)

    name, published = ("noisy-lag", 5_680) if noisy else ("noise-free-lag", 5_040)
    answer, outputs = ("class", 2) if noisy else ("symbols", T + 1)
    known = published if T == 100 else None
    return LongLagTask(name, T, T + 1, outputs, answer, 0.25, draw, published=known)


def two_sequences(T: int) -> LongLagTask:
    """The two-sequence problem: the class was told by the first 3 steps, the rest is noise.

    Bengio, Simard & Frasconi (1994), as in H&S, experiment 3a: ±1 in the first 3 steps, then
    Gaussian noise of variance 0.2, T to 1.1 T steps together.
    """

    def draw(B: int, source: Generator) -> Batch:
        last, target = draw_lasts(T, B, source), source.integers(0, 2, B)
        x = source.normal(0.0, 0.2**0.5, (last.max() + 1, B, 1)).astype(np.float32)
        x[:SIGNAL] = (1.0 - 2.0 * target)[:, None]
        return batch_of(x, last, target)

    published = {100: 27_380, 1000: 446_850}.get(T)
    return LongLagTask("two-sequences", T, 1, 2, "class", 0.5, draw, published=published)


def copy_memory(T: int) -> LongLagTask:
    """Copy memory: say ten symbols again after T steps.

    Arjovsky, Shah & Bengio (2016), section 4.1, in the form of Bai, Kolter & Koltun (2018): ten of
    eight symbols, T − 1 blanks, then a recall symbol eleven times, during whose last ten steps the
    symbols are asked for; before them, the blank. T + 20 steps together.
    """

    def draw(B: int, source: Generator) -> Batch:
        told = source.integers(1, CODE, (COPIED, B), endpoint=True)
        tokens = np.full((T + 2 * COPIED, B), BLANK)
        tokens[:COPIED], tokens[T + COPIED - 1 :] = told, RECALL
        target = np.full_like(tokens, BLANK)
        target[-COPIED:] = told
        last = np.full(B, len(tokens) - 1)
        return batch_of(one_hot(tokens, CODE + 2), last, target)

    return LongLagTask("copy", T, CODE + 2, CODE + 1, "symbols", None, draw)


def recall(T: int) -> LongLagTask:
    """Selective recall: the last word of a sentence, settled 5 to T words before; see `sentences`.

    *I live in France ... I speak fluent ___* and *Mady and Monica ... Mady said hi to ___*: the
    word between which others stand matters, the others do not.
    """
    from gatewise.tasks.memory import Vocabulary
    from gatewise.tasks.sentences import KINDS, NEAREST, vocabulary

    words, kinds = Vocabulary(vocabulary()), tuple(KINDS.values())

    def draw(B: int, source: Generator) -> Batch:
        chance = random.Random(int(source.integers(2**62)))
        distances = source.integers(NEAREST, T, B, endpoint=True)
        found = words.batch([kinds[k % len(kinds)](int(distances[k]), chance) for k in range(B)])
        x = one_hot(found.tokens.numpy(), len(words))
        return batch_of(x, found.last.numpy(), found.answers.numpy())

    return LongLagTask("recall", T, len(words), len(words), "class", None, draw)


def pixels(
    train: tuple[NDArray[np.uint8], Integers],
    test: tuple[NDArray[np.uint8], Integers],
    data: str = "",
) -> LongLagTask:
    """Images read pixel by pixel, such as MNIST's: the class after the last (Le et al. 2015).

    Args:
        train: Images, `(N, rows, columns)`, and their classes from 0 on.
        test: Likewise, to measure on.
        data: What identifies them.
    """
    steps = int(np.prod(train[0].shape[1:]))

    def batch(images: NDArray[np.uint8], classes: Integers) -> Batch:
        rows = images.reshape(len(images), steps, 1).swapaxes(0, 1)
        x = np.divide(rows, 255, dtype=np.float32)
        return batch_of(x, np.full(len(images), steps - 1), classes)

    def draw(B: int, source: Generator) -> Batch:
        chosen = source.integers(0, len(train[0]), B)
        return batch(train[0][chosen], train[1][chosen])

    def tests() -> Iterator[Batch]:
        for at in range(0, len(test[0]), TESTED_AT_ONCE):
            several = slice(at, at + TESTED_AT_ONCE)
            yield batch(test[0][several], test[1][several])

    classes = int(max(train[1].max(), test[1].max())) + 1
    return LongLagTask(
        "pixels", steps, 1, classes, "class", None, draw, tests, mistakes=None, data=data
    )


ADDING = {100: 74_000, 500: 209_000, 1000: 853_000}

TASKS: dict[str, Callable[[int], LongLagTask]] = {
    "adding": adding,
    "multiplication": multiplication,
    "temporal-order": partial(temporal_order, places=((0.1, 0.2), (0.5, 0.6)), published=31_390),
    "temporal-order-3": partial(
        temporal_order, places=((0.1, 0.2), (0.33, 0.43), (0.66, 0.76)), published=571_100
    ),
    "noise-free-lag": partial(lag, noisy=False),
    "noisy-lag": partial(lag, noisy=True),
    "two-sequences": two_sequences,
    "copy": copy_memory,
    "recall": recall,
}
"""What makes a task of a length, by name."""

SHORTEST = 20
"""The shortest length that every task can have."""
