"""Text files made ready for training: split, tokenized, and stored as token files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.text import Passage, TextError, TextFile, joined
from gatewise.data.tokens.token_file import TokenFile, write_tokens
from gatewise.data.tokens.tokenizer import Tokenizer
from gatewise.data.tokens.words import WordTokenizer

SHORTEST = 100  # characters; a text below cannot teach anything
VALIDATION_FRACTION = 0.1
VALIDATION_CHARACTERS = 500_000  # more would not make the figure surer, only slower


@dataclass(frozen=True)
class Tokenization:
    """How a text becomes tokens.

    Attributes:
        kind: `"characters"`, `"words"` or `"bpe"`.
        vocabulary_size: At most so many tokens; None chooses: all characters, 10,000 words, and
            for byte pairs one for every 500 characters, between 512 and 8,000.
        minimum_count: Rarer words become `<unk>`.
    """

    kind: str = "characters"
    vocabulary_size: int | None = None
    minimum_count: int = 2

    def build(self, pieces: Iterable[str], characters: int) -> Tokenizer:
        """Collect the vocabulary of a text of so many characters."""
        if self.kind == "characters":
            return CharacterTokenizer.build(pieces, self.vocabulary_size)
        if self.kind == "words":
            return WordTokenizer.build(pieces, self.vocabulary_size or 10_000, self.minimum_count)
        if self.kind == "bpe":
            size = self.vocabulary_size or min(max(characters // 500, 512), 8_000)
            return BytePairTokenizer.build(pieces, size)
        raise ValueError(f"tokens are characters, words or bpe, not {self.kind!r}")


@dataclass(frozen=True)
class Corpus:
    """A text ready for training.

    Attributes:
        tokenizer: Text to tokens and back.
        training: The tokens to learn from.
        validation: The tokens to measure on.
    """

    tokenizer: Tokenizer
    training: TokenFile
    validation: TokenFile

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the token files' contents as JSON-ready values."""
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "training": self.training.to_dict(),
            "validation": self.validation.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path) -> "Corpus":
        """Rebuild from `to_dict`; the token files lie in `folder`."""
        return cls(
            tokenizer_from_dict(data["tokenizer"]),
            TokenFile.from_dict(data["training"], folder),
            TokenFile.from_dict(data["validation"], folder),
        )


def split_text(
    files: Sequence[TextFile], validation: Sequence[TextFile] = (), fraction: float | None = None
) -> tuple[Passage, Passage]:
    """Divide a text, in order, into what is learned from and what is measured on.

    Args:
        files: The text.
        validation: Other files to measure on; then `files` are all learned from.
        fraction: Else this last part of the text is measured on, cut where a word ends. None
            takes the last tenth, at most 500,000 characters.

    Raises:
        TextError: The text is too short.
    """
    characters = sum(map(len, joined(files)))
    if characters < SHORTEST:
        names = ", ".join(str(file.path) for file in files)
        raise TextError(
            f"{names}: {characters} characters are too short a text; "
            f"at least {SHORTEST} are needed, and a useful model takes 100,000"
        )
    if validation:
        return Passage(files), Passage(validation)
    if fraction is None:
        measured = min(round(VALIDATION_FRACTION * characters), VALIDATION_CHARACTERS)
    elif 0 < fraction < 1:
        measured = round(fraction * characters)
    else:
        raise ValueError(f"the validation fraction lies between 0 and 1, {fraction} does not")
    cut = word_end(files, characters - measured)
    return Passage(files, 0, cut), Passage(files, cut)


def word_end(files: Sequence[TextFile], position: int) -> int:
    """Return the first white space from a position on; the position itself if none is near."""
    ahead = "".join(Passage(files, position, position + 100).pieces())
    return next((position + k for k, sign in enumerate(ahead) if sign.isspace()), position)


def prepare_corpus(
    training: Passage,
    validation: Passage,
    tokenization: Tokenization,
    folder: Path,
    report: Callable[[str, float], None] = lambda stage, share: None,
) -> Corpus:
    """Make the vocabulary, and write the tokens of both texts as files.

    Only the set of characters is collected from both texts, so that a character that only the
    validation text holds is measured like any other; words and byte pairs come from the training
    text alone.

    Args:
        training: The text to learn from.
        validation: The text to measure on.
        tokenization: How it becomes tokens.
        folder: Where the token files go.
        report: Called with what is being done, and the share of it that is done.

    Raises:
        TextError: The text is too short.
    """
    characters = sum(map(len, training.pieces()))

    def watched(stage: str, *passages: Passage) -> Iterator[str]:
        done = 0
        for passage in passages:
            for piece in passage.pieces():
                done += len(piece)
                report(stage, min(1.0, done / characters))
                yield piece

    texts = (training, validation) if tokenization.kind == "characters" else (training,)
    tokenizer = tokenization.build(watched("collecting the vocabulary", *texts), characters)
    pieces = watched("encoding the text", training)
    corpus = Corpus(
        tokenizer,
        encode_text(pieces, tokenizer, folder / "training.tokens"),
        encode_text(validation.pieces(), tokenizer, folder / "validation.tokens"),
    )
    for name, tokens in (("training", corpus.training), ("validation", corpus.validation)):
        if tokens.count < 2:
            raise TextError(
                f"the {name} text has {tokens.count} tokens, too short; take a longer text"
                + (" or a larger --validation-fraction" if name == "validation" else "")
            )
    return corpus


def encode_text(pieces: Iterable[str], tokenizer: Tokenizer, path: Path) -> TokenFile:
    """Write the tokens of a text as they are found; the text is never held whole."""
    characters = 0

    def counted() -> Iterator[str]:
        nonlocal characters
        for piece in pieces:
            characters += len(piece)
            yield piece

    count, dtype = write_tokens(path, tokenizer.encode_pieces(counted()), tokenizer.size)
    return TokenFile(path, count, dtype, characters)
