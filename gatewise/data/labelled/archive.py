"""Time-series archives (`.ts`) as UEA and UCR have them: sequences of channels with a label."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewise.data.labelled.examples import Block, Examples, Roles, blocks_of
from gatewise.data.source import DataError, PlainText, open_data_file
from gatewise.data.tables.table_file import guessed_encoding


@dataclass(frozen=True)
class Header:
    """What the lines with `@` say.

    Attributes:
        lines: How many lines come before the data.
        channels: Numbers of a step; None is found out.
        target: `"classlabel"`, `"targetlabel"` (a number), or None.
        classes: The labels, where they are listed.
        timed: Whether every value has its time before it.
    """

    lines: int
    channels: int | None
    target: str | None
    classes: frozenset[str]
    timed: bool


def read_archive(path: Path, roles: Roles, part: str = "train") -> Examples:
    """Open a `.ts` file; channels are divided by colons, the label comes last.

    Channels of one example that end at different steps are filled up with missing values; so is
    `?`. The times of the steps, where the file has them, are left out.

    Args:
        path: The file.
        roles: `encoding`.
        part: Has no meaning here.

    Raises:
        DataError: It cannot be read; the line and the channel are named.
    """
    text = PlainText(open_data_file(path).path, roles.encoding)
    header = read_header(text.lines(), path)
    first = next(data_lines(text.lines(), header), None)
    if first is None:
        raise DataError(f"{path}: has no line behind @data")
    channels = header.channels or len(first[1].split(":")) - (header.target is not None)

    def examples() -> Iterator[tuple[np.ndarray, str | None, int]]:
        for number, line in data_lines(text.lines(), header):
            yield (*read_example(line, header, channels, f"{path}: line {number}"), number)

    def read() -> Iterator[Block]:
        return blocks_of(examples(), 500)

    said = guessed_encoding(text)
    if header.timed:
        said.append("the times of the steps are left out")
    names = tuple(f"channel {k + 1}" for k in range(channels))
    return Examples(
        str(path),
        "numbers",
        read,
        header.target is not None,
        names,
        (text.file,),
        tuple(said),
        "line",
        roles,
    )


def read_header(lines: Iterable[str], path: Path) -> Header:
    """Read what comes before the data.

    Raises:
        DataError: There is no @data, or a line cannot be understood.
    """
    said: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        words = line.strip().split()
        if not words or words[0].startswith("#"):
            continue
        if not words[0].startswith("@"):
            raise DataError(f"{path}: line {number}: {words[0][:40]!r} stands before @data")
        name = words[0][1:].lower()
        if name == "data":
            return header_of(said, number, path)
        said[name] = words[1:]
    raise DataError(f"{path}: has no line @data; is it a time-series archive?")


def header_of(said: dict[str, list[str]], lines: int, path: Path) -> Header:
    """Return the header of what was said."""

    def true(name: str) -> bool:
        return said.get(name, ["false"])[:1] == ["true"] or said.get(name, [""])[:1] == ["True"]

    channels = None
    for name in ("dimensions", "dimension"):
        if name in said:
            word = "".join(said[name])
            if not word.isdecimal() or int(word) == 0:
                raise DataError(f"{path}: @{name} {word}: not a number of channels")
            channels = int(word)
    if channels is None and true("univariate"):
        channels = 1
    target = next((name for name in ("classlabel", "targetlabel") if true(name)), None)
    classes = frozenset(said.get("classlabel", [])[1:])
    return Header(lines, channels, target, classes, true("timestamps"))


def data_lines(lines: Iterable[str], header: Header) -> Iterator[tuple[int, str]]:
    """Yield the lines behind the header with their numbers."""
    for number, line in enumerate(lines, 1):
        if number > header.lines and line.strip() and not line.startswith("#"):
            yield number, line.strip()


def read_example(
    line: str, header: Header, channels: int, place: str
) -> tuple[np.ndarray, str | None]:
    """Return a line's sequence, `(T, C)` in float32, and its label."""
    cut = divide_timed(line) if header.timed else line.split(":")
    label = cut.pop().strip() if header.target else None
    if len(cut) != channels:
        raise DataError(f"{place}: {len(cut)} channels, where the file has {channels}")
    if header.classes and label not in header.classes:
        known = " ".join(sorted(header.classes)[:10])
        raise DataError(f"{place}: the label {label!r} is none of @classLabel: {known}")
    columns = [
        read_channel(each, header.timed, f"{place}, channel {k}") for k, each in enumerate(cut, 1)
    ]
    longest = max(map(len, columns))
    if longest == 0:
        raise DataError(f"{place}: a sequence without steps")
    values = np.full((longest, channels), np.nan, np.float32)
    for k, column in enumerate(columns):
        values[: len(column), k] = column
    return values, label


def divide_timed(line: str) -> list[str]:
    """Cut a line at the colons outside of parentheses: times may have colons too."""
    parts, depth, begin = [], 0, 0
    for at, sign in enumerate(line):
        depth += (sign == "(") - (sign == ")")
        if sign == ":" and depth == 0:
            parts.append(line[begin:at])
            begin = at + 1
    return [*parts, line[begin:]]


def read_channel(text: str, timed: bool, place: str) -> list[float]:
    """Return the numbers of one channel; `?` and nothing are missing values."""
    words = text.split(",") if text.strip() else []
    if timed:
        words = [each.rpartition(",")[2] for each in text.strip().strip("()").split("),(")]
    values = []
    for step, word in enumerate(words, 1):
        try:
            value = float("nan") if word.strip() in ("?", "") else float(word)
        except ValueError:
            raise DataError(f"{place}, step {step}: {word.strip()!r} is no number") from None
        if abs(value) == float("inf"):
            raise DataError(f"{place}, step {step}: {word.strip()!r} is not finite")
        values.append(value)
    return values
