"""Sequences to learn to generate: divided, cut, and turned into symbols or standardised numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.data.labelled.examples import Examples
from gatewise.data.source import DataError
from gatewise.data.tokens.characters import CharacterTokenizer

FEWEST = 10  # sequences
END = "\n"  # of a text: the one character that no line has
SHARE, MOST_HELD = 0.1, 1_000  # of them are held back to measure on


@dataclass(frozen=True)
class SequenceSet:
    """Sequences, some of them held back.

    Attributes:
        training: Texts, or numbers `(T, C)` in float32, as they are.
        held: Those to measure on.
        channels: Names of the numbers; none for texts.
        said: What was guessed, in sentences for the user.
    """

    training: list[Any]
    held: list[Any]
    channels: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether they are texts."""
        return not self.channels

    @property
    def tokenizer(self) -> CharacterTokenizer:
        """The end of a text as token 0, then all characters of the texts."""
        characters = {character for text in self.training + self.held for character in text}
        return CharacterTokenizer(END + "".join(sorted(characters)))

    def scale(self) -> tuple[list[float], list[float]]:
        """Return the mean and the standard deviation of each channel."""
        steps = np.concatenate(self.training).astype(np.float64)
        spread = steps.std(0)
        return steps.mean(0).tolist(), np.where(spread > 0, spread, 1.0).tolist()


def gather_sequences(examples: Examples, length: int | None, seed: int) -> SequenceSet:
    """Read all sequences, and hold some back.

    Args:
        examples: Where from; labels have no meaning here.
        length: Longer sequences are cut into pieces of so many steps; None cuts none.
        seed: Decides which are held back.

    Raises:
        DataError: They are too few, have gaps, or nothing in them.
    """
    found = list(read_pieces(examples, length))
    if len(found) < FEWEST:
        raise DataError(
            f"{examples.name}: {len(found)} sequences; at least {FEWEST} are needed. One long "
            "sequence is cut into pieces by --length"
        )
    order = np.random.default_rng(seed).permutation(len(found))
    held = max(1, min(round(SHARE * len(found)), MOST_HELD))
    mixed = [found[k] for k in order]
    return SequenceSet(mixed[held:], mixed[:held], examples.channels, examples.said)


def read_pieces(examples: Examples, length: int | None) -> Iterator[Any]:
    """Yield the sequences, cut; what is left of one counts if it is at least half a piece."""
    for block in examples.blocks():
        for given, row in zip(block.inputs, block.rows, strict=True):
            sequence = given
            if examples.kind == "numbers":
                check_numbers(given, examples.place(row))
                sequence = np.asarray(given, np.float32)
            elif END in given:
                raise DataError(f"{examples.place(row)}: has an end of line in it; take it out")
            size = length or max(1, len(sequence))
            for at in range(0, len(sequence), size):
                piece = sequence[at : at + size]
                if at == 0 or 2 * len(piece) >= size:
                    yield piece


def check_numbers(sequence: Any, place: str) -> None:
    """Raise `DataError` where a number is missing."""
    gaps = np.isnan(np.asarray(sequence, np.float64)).any(1)
    if gaps.any():
        raise DataError(
            f"{place}, step {int(gaps.argmax()) + 1}: a number is missing; fill it in, or leave "
            "the sequence out"
        )
