"""Bracketed trees with a label for every phrase, as the Stanford Sentiment Treebank writes them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gatewise.data.labelled.examples import Block, Examples, Roles
from gatewise.data.source import DataError, PlainText

BRACKETS: dict[str, str] = {
    **{"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
}
FINE = ("very negative", "negative", "neutral", "positive", "very positive")
BINARY = {"0": "negative", "1": "negative", "3": "positive", "4": "positive"}
PIECE = re.compile(r"\(|\)|[^\s()]+")
BLOCK = 1_000  # sentences


class Phrase(NamedTuple):
    """A phrase of a sentence; the sentence itself is the first."""

    label: str
    text: str


def looks_like_tree(line: str) -> bool:
    """Say whether a line is a bracketed tree with a digit as its label."""
    return re.match(r"\(\d \(|\(\d [^()]+\)$", line.strip()) is not None


def read_trees(text: PlainText, roles: Roles, part: str) -> Examples:
    """Open a file with a tree on each line.

    The labels 0 to 4 become five words, or two: neutral ones are then left out. Where they are
    learned from, the phrases are examples too, each different one of a sentence once; only whole
    sentences are measured on.

    Args:
        text: The file.
        roles: `tree_labels` and `phrases`.
        part: `"train"`, or `"test"` for sentences alone.
    """
    path, phrases = text.file.path, roles.phrases and part == "train"
    binary = roles.tree_labels == "binary"

    def read() -> Iterator[Block]:
        block: tuple[list[Any], ...] = ([], [], [], [], [])
        for number, line in enumerate(text.lines(), 1):
            if not line.strip():
                continue
            found = read_tree(line, f"{path}: line {number}")
            for k, phrase in enumerate(dict.fromkeys(found) if phrases else found[:1]):
                label = BINARY.get(phrase.label) if binary else FINE[int(phrase.label)]
                if label is not None:
                    made: tuple[Any, ...] = (phrase.text, label, number, number, k == 0)
                    for column, value in zip(block, made, strict=True):
                        column.append(value)
            if number % BLOCK == 0:
                yield Block(*block)
                block = ([], [], [], [], [])
        yield Block(*block)

    meant = "positive or negative, neutral ones left out" if binary else "five classes"
    said = (
        f"each line is a tree; {'its phrases are' if phrases else 'the sentence is'} labelled: "
        f"{meant}",
    )
    return Examples(str(path), "text", read, True, (), (text.file,), said, "line", roles)


def read_tree(line: str, place: str) -> list[Phrase]:
    """Return the phrases of a tree, the whole sentence first.

    Examples:
        >>> [phrase.text for phrase in read_tree("(3 (2 It) (4 (2 is) (4 lovely)))", "line 1")]
        ['It is lovely', 'It', 'is lovely', 'is', 'lovely']

    Raises:
        DataError: The brackets do not fit, or a label is no digit from 0 to 4.
    """
    words: list[str] = []
    opened: list[tuple[str, int, int]] = []  # label, first word, place among the phrases
    spans: list[tuple[str, int, int]] = []
    pieces = iter(PIECE.findall(line))
    for piece in pieces:
        if piece == "(":
            label = next(pieces, "")
            if label not in ("0", "1", "2", "3", "4"):
                raise DataError(f"{place}: a label is a digit from 0 to 4, not {label!r}")
            opened.append((label, len(words), len(spans)))
            spans.append(("", 0, 0))
        elif piece == ")":
            if not opened:
                raise DataError(f"{place}: a bracket closes that never opened")
            label, first, at = opened.pop()
            if first == len(words):
                raise DataError(f"{place}: a phrase without words")
            spans[at] = (label, first, len(words))
        elif not opened:
            raise DataError(f"{place}: {piece!r} stands outside of the tree")
        else:
            words.append(BRACKETS.get(piece) or piece.replace("\\/", "/"))
    if opened:
        raise DataError(f"{place}: {len(opened)} brackets are never closed")
    return [Phrase(label, " ".join(words[first:last])) for label, first, last in spans]
