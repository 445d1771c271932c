"""Words, punctuation marks and newlines as tokens."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gatewise.data.tokens.text import pieces_at_words

UNKNOWN = "<unk>"

TOKEN = re.compile(
    r"""
    <\w+>                          # a mark such as <unk>, as prepared corpora have
    | \w+ (?: ['’.-] \w+ )*        # a word: letters, digits, _; inside also ' ’ . -
    | \n                           # a newline
    | [^\w\s]                      # any other sign by itself
    """,
    re.VERBOSE,
)


class WordTokenizer:
    r"""One token for each word, punctuation mark and newline; everything else is `<unk>`.

    A word is a run of letters, digits and underscores, with single apostrophes, hyphens and full
    stops inside it (`don't`, `well-known`, `3.14`). White space other than newlines separates
    tokens and is not kept: when written, tokens get a space between them, except beside signs
    that stood without one more often than with one where the vocabulary was collected.

    Args:
        words: The vocabulary, each token once, without `<unk>`, which is always the last.
        tight_before: Those that are written without a space before them.
        tight_after: Those that are written without a space after them.

    Examples:
        >>> tokenizer = WordTokenizer.build(["Yes, yes!\nNo."])
        >>> tokenizer.encode("No, yes!").tolist()
        [4, 2, 6, 1]
    """

    kind = "words"

    def __init__(
        self, words: list[str], tight_before: Iterable[str] = (), tight_after: Iterable[str] = ()
    ):
        if not words or len({*words, UNKNOWN}) != len(words) + 1:
            raise ValueError(f"a vocabulary needs at least one word, each only once, no {UNKNOWN}")
        self.words = [*words, UNKNOWN]
        self.size = len(self.words)
        self.numbers = {word: number for number, word in enumerate(self.words)}
        self.unknown: int = self.numbers[UNKNOWN]
        self.tight_before = frozenset(tight_before) | {"\n"}
        self.tight_after = frozenset(tight_after) | {"\n"}

    @classmethod
    def build(
        cls, pieces: Iterable[str], size: int | None = None, minimum_count: int = 1
    ) -> "WordTokenizer":
        """Collect the words of a text.

        Args:
            pieces: The text.
            size: At most so many tokens with `<unk>`: the most frequent. None takes all.
            minimum_count: Words that occur less often become `<unk>`.
        """
        counts: Counter[str] = Counter()
        spaced_before: Counter[str] = Counter()
        spaced_after: Counter[str] = Counter()
        for piece in pieces_at_words(pieces):
            count_words(piece, counts, spaced_before, spaced_after)
        frequent = [word for word, count in counts.items() if count >= minimum_count]
        frequent.sort(key=lambda word: (-counts[word], word))
        kept = [word for word in frequent if word != UNKNOWN][: None if size is None else size - 1]
        signs = [word for word in kept if not re.match(r"\w|<\w", word)]
        return cls(
            sorted(kept) or ["\n"],
            sorted(sign for sign in signs if 2 * spaced_before[sign] < counts[sign]),
            sorted(sign for sign in signs if 2 * spaced_after[sign] < counts[sign]),
        )

    def encode(self, text: str) -> np.ndarray:
        """See `Tokenizer.encode`; nothing is refused, the unknown is `<unk>`."""
        numbers, unknown = self.numbers, self.unknown
        found = (numbers.get(word, unknown) for word in TOKEN.findall(text))
        return np.fromiter(found, np.int64)

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """See `Tokenizer.encode_pieces`."""
        return map(self.encode, pieces_at_words(pieces))

    def decoder(self, before: str = "") -> "WordDecoder":
        """See `Tokenizer.decoder`."""
        # What ends with white space needs no more of it, as little as the beginning of a line.
        words = TOKEN.findall(before)
        spaced = not words or before[-1].isspace()
        return WordDecoder(self, "\n" if spaced else words[-1])

    def start(self) -> int:
        """Return the newline, or else the first word."""
        return self.numbers.get("\n", 0)

    def to_dict(self) -> dict[str, Any]:
        """See `Tokenizer.to_dict`."""
        return {
            "kind": self.kind,
            "words": self.words[:-1],
            "tight_before": sorted(self.tight_before),
            "tight_after": sorted(self.tight_after),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "WordTokenizer":
        """See `tokenizer_from_dict`."""
        return cls(data["words"], data["tight_before"], data["tight_after"])


class WordDecoder:
    """Puts spaces between words where they belong."""

    def __init__(self, tokenizer: WordTokenizer, last: str):
        self.tokenizer = tokenizer
        self.last = last

    def push(self, token: int) -> str:
        """Return the word, with a space before it where one belongs."""
        word = self.tokenizer.words[token]
        tokenizer = self.tokenizer
        tight = self.last in tokenizer.tight_after or word in tokenizer.tight_before
        self.last = word
        return word if tight else " " + word

    def finish(self) -> str:
        """Nothing is ever left."""
        return ""


def count_words(
    piece: str, counts: Counter[str], spaced_before: Counter[str], spaced_after: Counter[str]
) -> None:
    """Count the tokens of a piece, and how many have white space before and after them."""
    for match in TOKEN.finditer(piece):
        word, start, stop = match.group(), match.start(), match.end()
        counts[word] += 1
        spaced_before[word] += start > 0 and piece[start - 1].isspace()
        spaced_after[word] += stop == len(piece) or piece[stop].isspace()
