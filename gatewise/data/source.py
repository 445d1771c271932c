"""Files of data as they lie on disk: packed or not, in any encoding, and what identifies them."""

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gatewise.data.encoding import (
    TextError,
    check_encoding,
    decode_file,
    detect_encoding,
    newlines_unified,
)

PACKED: dict[bytes, Callable[..., Any]] = {
    # first bytes: what opens it
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
PACKED_ENDINGS = (".gz", ".bz2", ".xz")


class DataError(ValueError):
    """Data that cannot be used; the message names the file, the place in it, and the mend."""


@dataclass(frozen=True)
class DataFile:
    """One file of data.

    Attributes:
        path: Where it lies.
        encoding: How it is read, if it is a text.
        guessed: Whether the encoding is a guess that the user should hear of.
    """

    path: Path
    encoding: str | None = None
    guessed: bool = False

    def digest(self) -> str:
        """Return the SHA-256 of the file's bytes, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def stamp(self) -> dict[str, int]:
        """Return the file's size and time of change: equal stamps need no new digest."""
        status = os.stat(self.path)
        return {"size": status.st_size, "changed": status.st_mtime_ns}


def open_data_file(path: str | os.PathLike[str]) -> DataFile:
    """Check that a file is there and has something in it.

    Raises:
        DataError: It is missing, a folder, no regular file, unreadable or empty.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder, where a file is needed")
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; it is read several times, so save it")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return DataFile(path)


def ending(path: Path) -> str:
    """Return what a file's name ends with, lower-case, without the ending of packed files.

    Examples:
        >>> ending(Path("data/Train.CSV.gz"))
        '.csv'
    """
    name = path.name.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return Path(name).suffix


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file for reading bytes; what gzip, bzip2 or xz packed is unpacked on the way."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"PK\x03\x04") and ending(path) not in (".npz", ".xlsx"):
        raise DataError(f"{path}: a zip archive; unpack it and name the file in it")
    for mark, opener in PACKED.items():
        if head.startswith(mark):
            return opener(path, "rb")
    return path.open("rb")


def read_unpacked(path: Path) -> bytes:
    """Return all bytes of a file, unpacked.

    Raises:
        DataError: What packs it is damaged.
    """
    try:
        with open_unpacked(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a packed file that cannot be unpacked."""
    return DataError(f"{path}: damaged, cannot be unpacked ({error}); copy it again")


class PlainText:
    """A text file as plain UTF-8: the file itself, or a copy that is unpacked and decoded.

    A copy lies in a temporary folder, which goes with this object; so texts of any size can be
    read in pieces, whatever they are packed with.

    Args:
        path: The file, checked.
        encoding: Of the text; None finds it out.

    Attributes:
        file: The file, with its encoding.
        path: What to read.

    Raises:
        DataError: It is damaged, binary, or not in that encoding.
    """

    def __init__(self, path: Path, encoding: str | None = None):
        self.folder: Path | None = None
        try:
            named = None if encoding is None else check_encoding(encoding)
            raw = self.unpack(path)
            found, guessed = (named, False) if named else detect_encoding(raw)
            self.file = DataFile(path, found, guessed)
            self.path = raw if found == "utf-8" and not marked(raw) else self.decode(raw, found)
        except TextError as error:
            copy = "" if self.folder is None else str(self.folder / "unpacked")
            message = str(error).replace(copy, str(path)) if copy else str(error)
            raise DataError(message) from error

    def unpack(self, path: Path) -> Path:
        """Return where the unpacked bytes lie."""
        try:
            with open_unpacked(path) as packed:
                if not isinstance(packed, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile):
                    return path
                return self.write("unpacked", iter(lambda: packed.read(1 << 20), b""))
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise damaged(path, error) from error

    def decode(self, raw: Path, encoding: str) -> Path:
        """Return where the text lies in UTF-8."""
        pieces = newlines_unified(decode_file(raw, encoding))
        return self.write("decoded", (piece.encode() for piece in pieces))

    def write(self, name: str, pieces: Iterable[bytes]) -> Path:
        """Write a copy."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="gatewise-"))
            # a TemporaryDirectory would warn that nobody closed it
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        path = self.folder / name
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        return path

    def lines(self) -> Iterable[str]:
        """Yield the lines, without their ends."""
        with self.path.open(encoding="utf-8", newline=None) as file:
            for line in file:
                yield line.rstrip("\n")


def marked(path: Path) -> bool:
    """Say whether a file begins with a byte-order mark."""
    with path.open("rb") as file:
        return file.read(3) == b"\xef\xbb\xbf"
