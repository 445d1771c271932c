"""Pretrained word vectors in text files, as GloVe, word2vec and fastText write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gatewise.data.source import DataError, PlainText, open_data_file


class WordVectors(NamedTuple):
    """The vectors of those words of a vocabulary that a file has.

    Attributes:
        rows: Their numbers in the vocabulary, `(N,)` in int64.
        values: `(N, E)` in float32.
    """

    rows: np.ndarray
    values: np.ndarray


def read_vectors(path: Path, words: Sequence[str], encoding: str | None = None) -> WordVectors:
    """Read the vectors of a vocabulary's words, line by line: files of any size can be read.

    A line is a word and its numbers with spaces between; a first line with two whole numbers, how
    many words and how many numbers, is left out.

    Args:
        path: The file, packed or not.
        words: The vocabulary, in the order of its numbers.
        encoding: Of the file; None finds it out.

    Raises:
        DataError: A line cannot be read, or no word is in the file.
    """
    wanted = {word: number for number, word in enumerate(words)}
    found: dict[int, np.ndarray] = {}
    width = None
    for number, line in enumerate(PlainText(open_data_file(path).path, encoding).lines(), 1):
        word, _, rest = line.rstrip().partition(" ")
        size = rest.count(" ") + 1
        if number == 1 and word.isdecimal() and rest.isdecimal():
            continue
        width = size if width is None else width
        if size > width:  # some words of GloVe have spaces in them
            pieces = line.rstrip().rsplit(" ", width)
            word, rest, size = pieces[0], " ".join(pieces[1:]), width
        if size != width or not rest:
            raise DataError(f"{path}: line {number} has {size} numbers, the first {width}")
        if word in wanted and wanted[word] not in found:
            found[wanted[word]] = read_values(rest, f"{path}: line {number}")
    if not found:
        raise DataError(f"{path}: has none of the vocabulary's {len(words):,} words")
    rows = np.array(sorted(found))
    return WordVectors(rows, np.stack([found[row] for row in rows]))


def read_values(text: str, place: str) -> np.ndarray:
    """Return the numbers of a line."""
    try:
        values = np.array(text.split(" "), np.float32)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
    if not np.isfinite(values).all():
        raise DataError(f"{place}: a number is not finite")
    return values
