"""Find out how a text file is encoded, and decode it piece by piece."""

import codecs
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 18  # bytes read at a time
SAMPLE = 1 << 16  # bytes that the guess looks at

OLD_PAGES = ("cp4", "cp7", "cp8", "mac_")  # of DOS and of the Macintosh
NEARLY_AS_CLEAN = 0.03  # of charset-normalizer's "chaos", from 0 to 1
NEARLY_AS_COHERENT = 0.05  # of its "coherence", likewise

MARKS = (
    # UTF-32 first: its little-endian mark begins with the one of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TextError(ValueError):
    """A text that cannot be used; the message names the file and the mend."""


def check_encoding(name: str) -> str:
    """Return Python's own name of a text encoding, or raise `TextError`."""
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise TextError(
            f"{name!r} is not a text encoding that Python knows; "
            "try utf-8, cp1252, latin-1, utf-16, shift_jis or gb18030"
        ) from error


def detect_encoding(path: Path) -> tuple[str, bool]:
    """Find the encoding of a file.

    A byte-order mark decides; then UTF-8, if every byte of the file agrees; then a guess.

    Args:
        path: A file that exists.

    Returns:
        The encoding, and whether it was guessed.

    Raises:
        TextError: The file is binary, is damaged UTF-8, or follows no known encoding.
    """
    with path.open("rb") as file:
        head = file.read(4)
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, False
    refuse_binary(path)
    offset = first_undecodable_byte(path, "utf-8")
    if offset is None:
        return "utf-8", False
    return guess_encoding(path, offset), True


def refuse_binary(path: Path) -> None:
    """Raise `TextError` if the file begins with what no text holds: zero or control bytes."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    zero = sample.find(0)
    if zero >= 0:
        raise TextError(
            f"{path}: not a text but a binary file (a zero byte at byte {zero}). "
            "If it is UTF-16 without a mark, say so: --encoding utf-16-le"
        )
    control = sum(byte < 32 and byte not in b"\t\n\v\f\r\b\x1b" for byte in sample)
    if control > len(sample) / 50:
        raise TextError(
            f"{path}: not a text but a binary file ({control} control bytes among the first "
            f"{len(sample)}). Give plain text; unpack a compressed file first"
        )


def first_undecodable_byte(path: Path, encoding: str) -> int | None:
    """Return the offset in bytes of the first byte that the encoding does not allow, or None."""
    try:
        for _ in decode_file(path, encoding):
            pass
    except UndecodableError as error:
        return error.offset
    return None


def guess_encoding(path: Path, offset: int) -> str:
    """Guess the encoding from the bytes around the first one that is not UTF-8."""
    with path.open("rb") as file:
        file.seek(max(0, offset - SAMPLE // 2))
        sample = file.read(SAMPLE)
    accepted = sum(ord(character) > 127 for character in sample.decode("utf-8", "ignore"))
    refused = sample.decode("utf-8", "replace").count("\ufffd")
    if accepted > refused:
        raise TextError(
            f"{path}: damaged UTF-8: byte {offset} (0x{byte_at(path, offset):02x}) cannot be read. "
            "Mend the file, or name its encoding with --encoding"
        )
    encoding = likeliest_encoding(sample)
    if encoding is None:
        raise TextError(
            f"{path}: byte {offset} (0x{byte_at(path, offset):02x}) is not UTF-8, and no other "
            "encoding fits: a binary file? If it is a text, name its encoding with --encoding"
        )
    return encoding


def likeliest_encoding(sample: bytes) -> str | None:
    """Ask charset-normalizer; of what it finds nearly as likely, take Western Europe's.

    In an English text a few bytes are all that tells encodings apart, and pages of DOS and of the
    Macintosh then win by chance; so those have to be clearly better.
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return None
    rivals = [each for each in matches if each.chaos <= best.chaos + NEARLY_AS_CLEAN]
    rivals = [each for each in rivals if not each.encoding.startswith(OLD_PAGES)]
    for each in rivals:
        behind = max(rival.coherence for rival in rivals) - each.coherence
        if "cp1252" in each.could_be_from_charset and behind <= NEARLY_AS_COHERENT:
            return "cp1252"
    return codecs.lookup(best.encoding).name


class UndecodableError(TextError):
    """A byte that the encoding does not allow; `offset` counts bytes from the file's start."""

    def __init__(self, path: Path, encoding: str, offset: int, reason: str):
        self.offset = offset
        super().__init__(
            f"{path}: byte {offset} (0x{byte_at(path, offset):02x}) cannot be read as {encoding} "
            f"({reason}). Mend the file, or name its encoding with --encoding"
        )


def byte_at(path: Path, offset: int) -> int:
    """Return one byte of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(1)[0]


def decode_file(path: Path, encoding: str) -> Iterator[str]:
    r"""Yield the text of a file in pieces, its byte-order mark left out.

    Line ends are left as they are; see `newlines_unified`.

    Raises:
        UndecodableError: A byte that the encoding does not allow.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, first = 0, True
    with path.open("rb") as file:
        while True:
            piece = file.read(PIECE)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                where = offset - held + error.start
                raise UndecodableError(path, encoding, where, error.reason) from error
            except UnicodeError as error:  # UTF-16 and UTF-32 without a mark
                raise UndecodableError(path, encoding, offset, str(error)) from error
            offset += len(piece)
            if text:
                yield text.removeprefix("\ufeff") if first else text
                first = False
            if not piece:
                return


def newlines_unified(pieces: Iterator[str]) -> Iterator[str]:
    r"""Yield the pieces with `\r\n` and `\r` written as `\n`, also where one is cut in two."""
    held = ""
    for piece in pieces:
        text = held + piece
        held = "\r" if text.endswith("\r") else ""
        text = text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n")
        if text:
            yield text
    if held:
        yield "\n"
