"""What inputs become: texts as tokens, numbers as steps of channels."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from gatewise.data.source import DataError
from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import Tokenizer
from gatewise.data.tokens.words import WordTokenizer

LONGEST = {"words": 512, "bpe": 512, "characters": 1024}
"""Tokens that a text is cut to, so that one long text does not decide the cost of a batch."""
DEVIATION = 1e-8  # below it, relative to the mean, a channel counts as constant


class Features(Protocol):
    """Inputs as arrays.

    Attributes:
        kind: `"text"` or `"numbers"`.
        width: Channels C of `(T, C)`, or None for tokens `(T,)`.
    """

    kind: str

    @property
    def width(self) -> int | None: ...  # noqa: D102 - said above

    @property
    def dtype(self) -> np.dtype: ...  # noqa: D102 - of the arrays

    def encode(self, value: Any, place: str) -> np.ndarray:
        """Return an input as `(T,)` or `(T, C)`, one step at least.

        Raises:
            DataError: It does not fit what was learned from.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        ...


class TextFeatures:
    """Texts as tokens.

    Args:
        tokenizer: Text to tokens; one that refuses characters has no place here.
        lower: Whether capital letters count as small ones.
        longest: Tokens that a text is cut to.
    """

    kind = "text"
    width = None

    def __init__(self, tokenizer: Tokenizer, lower: bool, longest: int):
        self.tokenizer, self.lower, self.longest = tokenizer, lower, longest
        self.cut = 0  # texts that were longer

    @property
    def dtype(self) -> np.dtype:
        """The smallest type that holds every token."""
        return np.dtype(np.min_scalar_type(self.tokenizer.size - 1))

    def encode(self, value: str, place: str) -> np.ndarray:
        """See `Features.encode`; a text without tokens becomes one unknown token."""
        if not isinstance(value, str):
            raise DataError(f"{place}: a text is needed, not {type(value).__name__}")
        tokens = self.tokenizer.encode(value.lower() if self.lower else value)
        if len(tokens) > self.longest:
            self.cut += 1
            tokens = tokens[: self.longest]
        if len(tokens):
            return tokens
        unknown = self.tokenizer.unknown
        return np.array([self.tokenizer.start() if unknown is None else unknown])

    def to_dict(self) -> dict[str, Any]:
        """See `Features.to_dict`."""
        return {
            "kind": self.kind,
            "tokenizer": self.tokenizer.to_dict(),
            "lower": self.lower,
            "longest": self.longest,
        }


class NumberFeatures:
    """Steps of channels, each with its mean and spread in what is learned from.

    Args:
        channels: Their names.
        mean: Of each channel, missing values left out.
        deviation: Its standard deviation; 1 where it is constant.
        gaps: Whether values are missing; the model then sees which.
        small: Whether all are whole numbers from 0 to 255, stored as such.
    """

    kind = "numbers"

    def __init__(
        self,
        channels: Sequence[str],
        mean: Sequence[float],
        deviation: Sequence[float],
        gaps: bool,
        small: bool = False,
    ):
        if not len(channels) == len(mean) == len(deviation) > 0:
            raise ValueError("each channel has a mean and a deviation")
        self.channels, self.mean, self.deviation = list(channels), list(mean), list(deviation)
        self.gaps, self.small = gaps, small

    @property
    def width(self) -> int:
        """How many channels there are."""
        return len(self.channels)

    @property
    def dtype(self) -> np.dtype:
        """Of what is stored."""
        return np.dtype(np.uint8 if self.small else np.float32)

    def encode(self, value: Any, place: str) -> np.ndarray:
        """See `Features.encode`."""
        if isinstance(value, str):
            raise DataError(f"{place}: numbers are needed, not a text")
        if value.shape[1] != self.width:
            raise DataError(f"{place}: {value.shape[1]} channels, where {self.width} are needed")
        if not len(value):
            raise DataError(f"{place}: a sequence without steps")
        if not self.small:
            return value.astype(np.float32)
        whole = value.astype(np.uint8)
        if (whole != value).any():
            raise DataError(
                f"{place}: whole numbers from 0 to 255 are needed, as were learned from"
            )
        return whole

    def to_dict(self) -> dict[str, Any]:
        """See `Features.to_dict`."""
        names = ("kind", "channels", "mean", "deviation", "gaps", "small")
        return {name: getattr(self, name) for name in names}


def build_text_features(
    texts: Iterable[str],
    kind: str,
    size: int | None = None,
    minimum_count: int = 1,
    lower: bool = True,
    longest: int | None = None,
) -> TextFeatures:
    """Collect the vocabulary of texts.

    Args:
        texts: Those learned from; read once.
        kind: `"words"`, `"characters"` or `"bpe"`.
        size: At most so many tokens; None takes 30,000 words, all characters, and for byte pairs
            one for every 500 characters, between 512 and 8,000.
        minimum_count: Words that occur less often become `<unk>`.
        lower: Whether capital letters count as small ones.
        longest: Tokens that a text is cut to; None is the entry of `LONGEST`.

    Raises:
        DataError: All texts are empty.
    """
    cased = (text.lower() if lower else text for text in texts)
    tokenizer: Tokenizer
    if kind == "words":
        tokenizer = WordTokenizer.build(ended(cased), size or 30_000, minimum_count)
    elif kind == "characters":
        found = CharacterTokenizer.build(ended(cased), None if size is None else size - 1)
        tokenizer = CharacterTokenizer(found.characters, unknown=True)
    elif kind == "bpe":
        if size is None:
            held = list(cased)
            size, cased = min(max(sum(map(len, held)) // 500, 512), 8_000), iter(held)
        tokenizer = BytePairTokenizer.build(ended(cased), size)
    else:
        raise ValueError(f"tokens are words, characters or bpe, not {kind!r}")
    return TextFeatures(tokenizer, lower, longest or LONGEST[kind])


def ended(texts: Iterable[str]) -> Iterator[str]:
    """Yield each text with a space behind it, so that words of two texts never join.

    Raises:
        DataError: All are empty.
    """
    empty = True
    for text in texts:
        if text:
            empty = False
            yield text + " "
    if empty:
        raise DataError("every text to learn from is empty; is another column the input? --input")


def build_number_features(
    sequences: Iterable[np.ndarray], channels: Sequence[str], name: str
) -> NumberFeatures:
    """Measure the mean and the spread of each channel, `(T, C)` by `(T, C)`.

    Raises:
        DataError: A channel has no value at all.
    """
    count = total = squares = np.zeros(len(channels))
    gaps, small = False, True
    shift = np.full(len(channels), np.nan)  # the first value there is
    for each in sequences:
        small &= each.dtype == np.uint8
        values = each.astype(np.float64)
        present = ~np.isnan(values)
        gaps |= not present.all()
        if np.isnan(shift).any() and len(values):
            first = values[present.argmax(0), np.arange(len(channels))]
            shift = np.where(np.isnan(shift), first, shift)
        # sums of squares of what lies far from zero would lose their digits
        moved = np.where(present, values - shift, 0)
        count = count + present.sum(0)
        total, squares = total + moved.sum(0), squares + (moved**2).sum(0)
    empty = [channel for channel, number in zip(channels, count, strict=True) if not number]
    if empty:
        raise DataError(f"{name}: {empty[0]} has no value at all")
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation <= DEVIATION * abs(mean + shift)] = 1.0
    return NumberFeatures(
        channels, (mean + shift).tolist(), deviation.tolist(), bool(gaps), bool(small)
    )


def features_from_dict(data: dict[str, Any]) -> Features:
    """Rebuild features from `to_dict`.

    Raises:
        KeyError: Something is missing.
        ValueError: It describes none.
    """
    if data["kind"] == "text":
        return TextFeatures(tokenizer_from_dict(data["tokenizer"]), data["lower"], data["longest"])
    if data["kind"] != "numbers":
        raise ValueError(f"unknown features {data['kind']!r}")
    return NumberFeatures(
        data["channels"], data["mean"], data["deviation"], data["gaps"], data["small"]
    )
