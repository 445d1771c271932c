"""The kinds of tokenizer, and how a stored one is read."""

from typing import Any

from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.tokenizer import Tokenizer
from gatewise.data.tokens.words import WordTokenizer

KINDS = {"characters": CharacterTokenizer, "words": WordTokenizer, "bpe": BytePairTokenizer}


def tokenizer_from_dict(data: dict[str, Any]) -> Tokenizer:
    """Rebuild a tokenizer from `to_dict`.

    Raises:
        ValueError: The values do not describe a tokenizer.
    """
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown tokenizer {kind!r}; known: {', '.join(KINDS)}")
    try:
        return KINDS[kind].from_dict(data)
    except (KeyError, TypeError) as error:
        raise ValueError(f"incomplete {kind} tokenizer: {error}") from error
