"""What a tokenizer is: text to token numbers and back."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np


class Decoder(Protocol):
    """Turns tokens into text one at a time, never in broken characters."""

    def push(self, token: int) -> str:
        """Return the text that this token completes; it may be empty."""
        ...

    def finish(self) -> str:
        """Return what is left when no more tokens come."""
        ...


class Tokenizer(Protocol):
    """Text to token numbers and back.

    Attributes:
        kind: `"characters"`, `"words"` or `"bpe"`.
        size: How many tokens there are.
        unknown: The token that stands for everything outside the vocabulary, or None.
    """

    @property
    def kind(self) -> str: ...  # noqa: D102 - said above

    @property
    def size(self) -> int: ...  # noqa: D102 - said above

    @property
    def unknown(self) -> int | None: ...  # noqa: D102 - said above

    def encode(self, text: str) -> np.ndarray:
        """Return the tokens of a text, `(n,)` in int64.

        Raises:
            UnknownTokenError: The text holds what the vocabulary does not.
        """
        ...

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """Yield the tokens of a text that comes in pieces cut anywhere."""
        ...

    def decoder(self, before: str = "") -> Decoder:
        """Return a decoder for what follows a text."""
        ...

    def start(self) -> int:
        """Return the token to begin with where there is no prompt."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        ...


class UnknownTokenError(ValueError):
    """A text holds characters that the vocabulary does not."""


def decode(tokenizer: Tokenizer, tokens: Iterable[int]) -> str:
    """Return the text of tokens."""
    decoder = tokenizer.decoder()
    return "".join(decoder.push(int(token)) for token in tokens) + decoder.finish()
