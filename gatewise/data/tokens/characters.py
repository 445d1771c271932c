"""Characters as tokens."""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gatewise.data.tokens.tokenizer import UnknownTokenError

REPLACEMENT = "\ufffd"  # how the unknown token is written


class CharacterTokenizer:
    r"""One token for each character of the vocabulary, in the order of their code points.

    Args:
        characters: The vocabulary, each character once.
        unknown: Whether one more token, the last, stands for all other characters. Without it
            such characters are an error.

    Examples:
        >>> tokenizer = CharacterTokenizer("abc")
        >>> tokenizer.encode("cab")
        array([2, 0, 1])
    """

    kind = "characters"

    def __init__(self, characters: str, unknown: bool = False):
        if not characters or len(set(characters)) != len(characters):
            raise ValueError("a vocabulary needs at least one character, and each only once")
        self.characters = characters
        self.size = len(characters) + unknown
        self.unknown = len(characters) if unknown else None
        points = codes(characters)
        self.numbers = np.full(points.max() + 1, -1, np.int64)
        self.numbers[points] = np.arange(len(points))

    @classmethod
    def build(cls, pieces: Iterable[str], size: int | None = None) -> "CharacterTokenizer":
        """Collect the characters of a text.

        Args:
            pieces: The text.
            size: At most so many tokens: the most frequent characters and, if some are left
                out, one token for those. None takes all.
        """
        counts = count_characters(pieces)
        if size is None or len(counts) <= size:
            return cls("".join(sorted(counts)))
        frequent = sorted(counts, key=lambda character: (-counts[character], character))
        return cls("".join(sorted(frequent[: size - 1])), unknown=True)

    def encode(self, text: str) -> np.ndarray:
        """See `Tokenizer.encode`."""
        points = codes(text)
        inside = points < len(self.numbers)
        tokens = np.where(inside, self.numbers[np.where(inside, points, 0)], -1)
        missing = tokens < 0
        if self.unknown is None and missing.any():
            self.refuse(text, points[missing], int(missing.argmax()))
        return np.where(missing, -1 if self.unknown is None else self.unknown, tokens)

    def refuse(self, text: str, missing: np.ndarray, first: int) -> None:
        """Raise `UnknownTokenError`, naming the characters that are missing."""
        names = [describe(chr(point)) for point in dict.fromkeys(missing.tolist())]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise UnknownTokenError(
            f"the vocabulary of {len(self.characters)} characters lacks {shown} "
            f"(first at character {first + 1}, in {text[max(0, first - 10) : first + 10]!r}); "
            "leave it out, or train on a text that has it"
        )

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """See `Tokenizer.encode_pieces`."""
        return map(self.encode, pieces)

    def decoder(self, before: str = "") -> "CharacterDecoder":
        """See `Tokenizer.decoder`; what came before does not matter here."""
        return CharacterDecoder(self.characters + REPLACEMENT)

    def start(self) -> int:
        """Return the newline, or else the first character."""
        return max(self.characters.find("\n"), 0)

    def to_dict(self) -> dict[str, Any]:
        """See `Tokenizer.to_dict`."""
        return {
            "kind": self.kind,
            "characters": self.characters,
            "unknown": self.unknown is not None,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CharacterTokenizer":
        """See `tokenizer_from_dict`."""
        return cls(data["characters"], data["unknown"])


class CharacterDecoder:
    """One character for each token."""

    def __init__(self, characters: str):
        self.characters = characters

    def push(self, token: int) -> str:
        """Return the token's character."""
        return self.characters[token]

    def finish(self) -> str:
        """Nothing is ever left."""
        return ""


def codes(text: str) -> np.ndarray:
    """Return the code points of a text, `(n,)` in uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def count_characters(pieces: Iterable[str]) -> dict[str, int]:
    """Count each character."""
    counts: dict[str, int] = {}
    for piece in pieces:
        points, numbers = np.unique(codes(piece), return_counts=True)
        for point, number in zip(points.tolist(), numbers.tolist(), strict=True):
            counts[chr(point)] = counts.get(chr(point), 0) + number
    return counts


def describe(character: str) -> str:
    """Show a character with its code point and its name."""
    name = unicodedata.name(character, "unnamed")
    return f"{character!r} (U+{ord(character):04X} {name})"
