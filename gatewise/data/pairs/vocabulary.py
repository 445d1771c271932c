"""The two vocabularies of a translator, and pairs as token numbers in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from gatewise.data.labelled.batches import Batches
from gatewise.data.labelled.ragged import Sequences
from gatewise.data.pairs.reader import Pairs
from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import Tokenizer, decode
from gatewise.data.tokens.words import WordTokenizer

KINDS = ("characters", "words", "bpe")
SMALLEST, LARGEST = 512, 8_000  # byte pairs
CHARACTERS_EACH = 1_000  # of text for one byte pair
SHORT = 2.0  # words; shorter texts are read as characters


@dataclass(frozen=True)
class PairsVocabulary:
    """How both sides become tokens, and how tokens become text.

    On each side one more token than the tokenizer's, the last, ends a text; the target's begins it
    too.

    Attributes:
        source: Of what is translated from.
        target: Of what is translated to; the same object where both share one.
        lower: Whether capital letters count as small ones.
    """

    source: Tokenizer
    target: Tokenizer
    lower: bool

    @property
    def shared(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.source is self.target

    def prepare(self, text: str) -> str:
        """Return a text as it is read and measured: single spaces, in small letters if need be."""
        text = " ".join(text.split())
        return text.lower() if self.lower else text

    def encode(self, text: str, side: str) -> np.ndarray:
        """Return the tokens of a text with the end behind them, `(n,)` in int64.

        Args:
            text: As the user wrote it.
            side: `"source"` or `"target"`.
        """
        tokenizer: Tokenizer = getattr(self, side)
        # byte pairs begin with the space before a word: the first is then as all others
        space = " " if tokenizer.kind == "bpe" else ""
        return np.append(tokenizer.encode(space + self.prepare(text)), tokenizer.size)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of target tokens up to the end."""
        kept = []
        for token in tokens:
            if token == self.target.size:
                break
            kept.append(int(token))
        return decode(self.target, kept).strip()

    def pieces(self, tokens: Iterable[int], side: str) -> list[str]:
        """Return the text of each token; that of the end is `</s>`."""
        tokenizer: Tokenizer = getattr(self, side)
        return [
            "</s>" if token == tokenizer.size else decode(tokenizer, [int(token)])
            for token in tokens
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        target = None if self.shared else self.target.to_dict()
        return {"source": self.source.to_dict(), "target": target, "lower": self.lower}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "PairsVocabulary":
        """Rebuild from `to_dict`.

        Raises:
            ValueError: The values do not describe tokenizers.
        """
        source = tokenizer_from_dict(data["source"])
        target = source if data["target"] is None else tokenizer_from_dict(data["target"])
        return cls(source, target, bool(data["lower"]))


def build_vocabulary(
    pairs: Pairs,
    kinds: tuple[str | None, str | None] = (None, None),
    size: int | None = None,
    shared: bool | None = None,
    lower: bool = False,
) -> PairsVocabulary:
    """Collect the vocabularies of pairs.

    Args:
        pairs: What is learned from.
        kinds: `"characters"`, `"words"` or `"bpe"` for each side; None is characters where texts
            have one or two words, else bpe.
        size: Tokens of each; None is all characters, words that occur twice, and a byte pair for
            every 1,000 characters, from 512 to 8,000.
        shared: One vocabulary for both sides; None is yes for byte pairs on both.
        lower: Whether capital letters count as small ones.

    Raises:
        ValueError: The sides are to share a vocabulary, but their kinds differ.
    """
    sides = [
        [text.lower() for text in side] if lower else list(side)
        for side in (pairs.sources, pairs.targets)
    ]
    source, target = (kind or guess_kind(side) for kind, side in zip(kinds, sides, strict=True))
    together = source == target == "bpe" if shared is None else shared
    if together and source != target:
        raise ValueError(f"one vocabulary cannot be of {source} and of {target}: --separate")
    if together:
        both = build_tokenizer([*sides[0], *sides[1]], source, size)
        return PairsVocabulary(both, both, lower)
    own = build_tokenizer(sides[0], source, size), build_tokenizer(sides[1], target, size)
    return PairsVocabulary(*own, lower)


def guess_kind(texts: Sequence[str]) -> str:
    """Return what texts are best read as."""
    words = sum(len(text.split()) for text in texts) / len(texts)
    return "characters" if words <= SHORT else "bpe"


def build_tokenizer(texts: Sequence[str], kind: str, size: int | None) -> Tokenizer:
    """Return a tokenizer of some texts; what it does not know is one token, or bytes."""
    pieces = [f" {text}\n" for text in texts]
    if kind == "bpe":
        usual = sum(map(len, texts)) // CHARACTERS_EACH
        return BytePairTokenizer.build(pieces, size or min(max(usual, SMALLEST), LARGEST))
    if kind == "words":
        return WordTokenizer.build(pieces, size, 2 if len(texts) >= 1_000 else 1)
    known = CharacterTokenizer.build(texts, size).characters
    return CharacterTokenizer(known, unknown=True)


class PairBatch(NamedTuple):
    """Some pairs, filled up to the longest with zeros.

    Attributes:
        sources: Tokens, `(S, B)` in int64, each with its end.
        source_lengths: `(B,)` in int64.
        targets: Tokens, `(T, B)` in int64, each with its end.
        target_lengths: `(B,)` in int64.
        numbers: Of the pairs, `(B,)` in int64.
        fresh: Always true: no state is carried from batch to batch.
        cursor: The place behind this batch: the epoch, and the batch within it.
    """

    sources: torch.Tensor
    source_lengths: torch.Tensor
    targets: torch.Tensor
    target_lengths: torch.Tensor
    numbers: torch.Tensor
    fresh: bool
    cursor: tuple[int, int]


class PairBatches(Batches):
    """Batches of pairs with about equally long sources; see `Batches`.

    Args:
        sources: Their tokens.
        targets: Their tokens.
        batch_size: B.
        seed: What the orders come from.
    """

    def __init__(self, sources: Sequences, targets: Sequences, batch_size: int, seed: int = 0):
        super().__init__(sources, np.arange(len(sources)), batch_size, seed)
        self.outputs = targets

    def batch(self, numbers: np.ndarray, cursor: tuple[int, int]) -> Any:
        """Return some pairs as one `PairBatch`."""
        sources, source_lengths = map(torch.from_numpy, self.inputs.padded(numbers))
        targets, target_lengths = map(torch.from_numpy, self.outputs.padded(numbers))
        own = torch.from_numpy(self.targets[numbers])
        return PairBatch(sources, source_lengths, targets, target_lengths, own, True, cursor)


def encode_pairs(
    vocabulary: PairsVocabulary, pairs: Pairs, longest: int | None = None
) -> tuple[Sequences, Sequences, np.ndarray]:
    """Return pairs as tokens.

    Args:
        vocabulary: Of both sides.
        pairs: What to encode.
        longest: Pairs with a side of more tokens are left out; None takes all.

    Returns:
        Sources, targets, and the numbers of the pairs that they come from.
    """
    kept, sides = [], ([], [])
    for number, texts in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        both = [
            vocabulary.encode(text, side)
            for text, side in zip(texts, ("source", "target"), strict=True)
        ]
        if longest is None or max(map(len, both)) <= longest + 1:
            kept.append(number)
            sides[0].append(both[0])
            sides[1].append(both[1])
    return as_sequences(sides[0]), as_sequences(sides[1]), np.array(kept, np.int64)


def as_sequences(several: Sequence[np.ndarray]) -> Sequences:
    """Return arrays `(n,)` of tokens, held in memory."""
    starts = np.cumsum([0, *map(len, several)])
    return Sequences(np.concatenate([np.zeros(0, np.int64), *several]), starts)
