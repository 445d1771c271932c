"""A long text in files, read piece by piece and never held whole."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatewise.data.encoding import (
    TextError,
    check_encoding,
    decode_file,
    detect_encoding,
    newlines_unified,
)
from gatewise.data.source import DataFile

__all__ = ["Passage", "TextError", "TextFile", "open_text_files", "pieces_at_words"]

LONGEST_PIECE = 1 << 22  # characters without any white space before a piece is cut regardless


@dataclass(frozen=True)
class TextFile(DataFile):
    """One file of text.

    Attributes:
        path: Where it lies.
        encoding: How it is read.
        guessed: Whether the encoding is a guess that the user should hear of.
    """

    encoding: str = "utf-8"

    def pieces(self) -> Iterator[str]:
        """Yield the text in pieces, line ends as newline characters.

        Raises:
            TextError: A byte cannot be decoded, or the text holds a zero character.
        """
        for piece in newlines_unified(decode_file(self.path, self.encoding)):
            if "\0" in piece:
                raise TextError(
                    f"{self.path}: not a text but a binary file (a zero character), "
                    f"or not in {self.encoding}: name its encoding with --encoding"
                )
            yield piece


def open_text_files(
    paths: Iterable[str | os.PathLike[str]], encoding: str | None = None
) -> list[TextFile]:
    """Check that the files can be read as text, and find their encodings.

    Args:
        paths: One file or several.
        encoding: How all of them are encoded; None finds it out for each.

    Raises:
        TextError: A file is missing, a folder, unreadable, empty, binary or undecodable.
    """
    named = None if encoding is None else check_encoding(encoding)
    files = []
    for path in map(Path, paths):
        try:
            refuse_unreadable(path)
            files.append(TextFile(path, named) if named else TextFile(path, *detect_encoding(path)))
        except OSError as error:
            raise TextError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not files:
        raise TextError("no text file is named")
    return files


def refuse_unreadable(path: Path) -> None:
    """Raise `TextError` for what is no file with something in it."""
    if path.is_dir():
        raise TextError(f"{path}: is a folder; name the text files in it, such as {path}/*.txt")
    if not path.exists():
        raise TextError(f"{path}: no such file")
    if not path.is_file():
        raise TextError(f"{path}: not a regular file; a text is read several times, so save it")
    if path.stat().st_size == 0:
        raise TextError(f"{path}: the file is empty")


@dataclass(frozen=True)
class Passage:
    """A stretch of the text that several files make together.

    Files follow one another in the order given; a newline is put between two where the first
    does not end with one.

    Attributes:
        files: The files.
        start: The first character, counted from 0 over all files.
        stop: The character behind the last; None is the end.
    """

    files: Sequence[TextFile]
    start: int = 0
    stop: int | None = None

    def pieces(self) -> Iterator[str]:
        """Yield the passage in pieces of any length."""
        position = 0
        for piece in joined(self.files):
            if self.stop is not None and position >= self.stop:
                return
            begin = max(self.start - position, 0)
            end = None if self.stop is None else self.stop - position
            wanted = piece[begin:end]
            position += len(piece)
            if wanted:
                yield wanted


def joined(files: Sequence[TextFile]) -> Iterator[str]:
    """Yield the text of all files, one after the other."""
    last = "\n"
    for file in files:
        if last != "\n":
            yield "\n"
        for piece in file.pieces():
            yield piece
            last = piece[-1]


def pieces_at_words(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the same text cut anew, so that each piece but the first begins with white space.

    A tokenizer that never joins a word with the white space behind it then sees the same tokens
    as in the whole text. Text without any white space is cut after four million characters.
    """
    held = ""
    for piece in pieces:
        held += piece
        cut = last_word_end(held)
        if cut == 0 and len(held) > LONGEST_PIECE:
            cut = len(held)
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def last_word_end(text: str) -> int:
    """Return the last position where white space follows a character that is none, or 0."""
    for position in range(len(text) - 1, 0, -1):
        if text[position].isspace() and not text[position - 1].isspace():
            return position
    return 0
