"""Pairs of texts: two files line by line, a table with two columns, or a list."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewise.data.source import DataError, DataFile, PlainText, ending, open_data_file
from gatewise.data.tables.column_name import find_name, last_name
from gatewise.data.tables.table import ROW, SAMPLE, Table
from gatewise.data.tables.table_file import guessed_encoding, is_frame, read_table

PLAIN_TABLES = (".tsv", ".tab", ".txt", "")  # columns between tabs, quotation marks are signs
SOURCES = ("source", "src", "input", "question", "from", "word", "spelling")
LANGUAGES = ("english", "german", "deutsch", "french", "spanish", "italian", "portuguese", "dutch")
LANGUAGES += ("polish", "russian", "turkish", "arabic", "hindi", "chinese", "japanese", "korean")
TARGETS = ("target", "tgt", "trg", "output", "answer", "to", "translation", "pronunciation")


@dataclass(frozen=True)
class PairRoles:
    """What the user said about pairs; None is found out.

    Attributes:
        source: The column that is translated from, by name or by number from 1.
        target: The column that is translated to.
        encoding: Of all texts.
        header: Whether a table's first row names the columns.
        skip_empty: Whether pairs with an empty side are left out; else they are an error.
    """

    source: str | None = None
    target: str | None = None
    encoding: str | None = None
    header: bool | None = None
    skip_empty: bool = False


@dataclass(frozen=True)
class Pairs:
    """Texts with their translations, held whole.

    Attributes:
        name: How messages call them.
        sources: What is translated from; white space at the ends is cut off.
        targets: What is translated to, as many.
        files: What was read.
        said: What was guessed, in sentences for the user.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    files: tuple[Any, ...] = ()
    said: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def chosen(self, numbers: Iterable[int]) -> "Pairs":
        """Return some of the pairs, by number from 0."""
        kept = [int(k) for k in numbers]
        sources, targets = ([side[k] for k in kept] for side in (self.sources, self.targets))
        return Pairs(self.name, tuple(sources), tuple(targets), self.files, self.said)


@dataclass(frozen=True)
class ListContents:
    """What identifies a list of pairs, as a `DataFile` identifies a file."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    path: Path = Path("the list")
    encoding: None = None

    def digest(self) -> str:
        """Return what identifies the contents, in hexadecimal."""
        return hashlib.sha256(json.dumps([self.sources, self.targets]).encode()).hexdigest()

    def stamp(self) -> dict[str, int]:
        """Return the same as a number: a list has no time of change."""
        return {"contents": int(self.digest()[:15], 16)}


def read_pairs(data: Any, targets: Any = None, roles: PairRoles | None = None) -> Pairs:
    """Read pairs, whatever they are in.

    Args:
        data: With `targets`, a text file whose lines are translated from. Without, a table: CSV,
            TSV, Parquet, JSON lines, text with a tab between two columns, a frame of polars or
            pandas; or a list of pairs of texts. Files may be packed with gzip, bzip2 or xz.
        targets: A text file with the translation of each line.
        roles: Which column is what.

    Raises:
        DataError: They cannot be read, the files differ in length, or a side is empty.

    Example:
        >>> read_pairs([("drei Hunde", "three dogs")]).targets
        ('three dogs',)
    """
    roles = roles or PairRoles()
    if targets is not None:
        return read_two_files(data, targets, roles)
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if ending(path) in PLAIN_TABLES:
            return read_columns(open_data_file(path), roles)
        return read_two_columns(open_table(path, roles), roles)
    if is_frame(data):
        return read_two_columns(read_table(data), roles)
    return read_list(data, roles)


def read_two_files(sources: Any, targets: Any, roles: PairRoles) -> Pairs:
    """Read two texts line by line."""
    if roles.source or roles.target:
        raise DataError("--source and --target name columns of one table, but two files are given")
    texts = [PlainText(open_data_file(each).path, roles.encoding) for each in (sources, targets)]
    counts = [sum(1 for _ in text.lines()) for text in texts]
    if counts[0] != counts[1]:
        raise DataError(
            f"{sources} has {counts[0]:,} lines, {targets} {counts[1]:,}: line k of one file must "
            "be the translation of line k of the other"
        )
    rows = zip(texts[0].lines(), texts[1].lines(), strict=True)
    numbered = ((number, *row) for number, row in enumerate(rows, 1))
    said = [f"{text.file.path}: {each}" for text in texts for each in guessed_encoding(text)]
    name = f"{sources} and {targets}"
    return gather(name, numbered, [text.file for text in texts], said, roles, "line")


def read_columns(file: DataFile, roles: PairRoles) -> Pairs:
    """Read a text with columns between tabs, in which quotation marks mean nothing."""
    text = PlainText(file.path, roles.encoding)
    said = guessed_encoding(text)
    rows = [(number, line.split("\t")) for number, line in enumerate(text.lines(), 1)]
    rows = [row for row in rows if any(cell.strip() for cell in row[1])]
    if not rows:
        raise DataError(f"{file.path}: has no line with anything on it")
    first = rows[0][1]
    if len(first) < 2:
        raise DataError(
            f"{file.path}: line {rows[0][0]} has no tab: give two files, line by line, or one with "
            "a tab (or .csv, .parquet, .jsonl) between two columns"
        )
    header = has_names(first, [cells for _, cells in rows[1:SAMPLE]], roles)
    names = first if header else [str(k + 1) for k in range(len(first))]
    texts = [name for name, cell in zip(names, rows[-1][1], strict=False) if not is_number(cell)]
    found = find_columns(names, texts, roles, str(file.path))
    source, target = (names.index(each) for each in found)
    said += say_header(header, roles)
    rows = rows[1:] if header else rows
    if len(first) > 2:
        said.append(f"column {names[source]} is translated to column {names[target]}")
    for number, cells in rows:
        if len(cells) <= max(source, target):
            raise DataError(
                f"{file.path}: line {number} has {len(cells)} columns, not {len(first)}, between "
                "its tabs"
            )
    numbered = ((number, cells[source], cells[target]) for number, cells in rows)
    return gather(str(file.path), numbered, [text.file], said, roles, "line")


def open_table(path: Path, roles: PairRoles) -> Table:
    """Open a table; whether its first row names the columns is found out from the row itself."""
    header = roles.header
    if header is None and ending(path) == ".csv":
        sample = read_table(path, roles.encoding, False).head().drop(ROW)
        first, *rest = [[str(cell or "") for cell in row] for row in sample.rows()]
        header = has_names(first, rest, roles)
    table = read_table(path, roles.encoding, header)
    table.said += say_header(bool(header), roles) if ending(path) == ".csv" else []
    return table


def read_two_columns(table: Table, roles: PairRoles) -> Pairs:
    """Read two columns of a table."""
    names, sample = table.names, table.head()
    texts = [name for name in names if not table.is_number(name, sample)]
    # data sets of translations are often stored as {"domain": …, "translation": {…}}
    texts.sort(key=lambda name: "." not in name)
    source, target = find_columns(names, texts, roles, table.name)
    said = list(table.said)
    if len(names) > 2:
        said.append(f"column {source} is translated to column {target}")

    def rows() -> Iterator[tuple[int, Any, Any]]:
        for block in table.blocks():
            yield from zip(block[ROW], block[source], block[target], strict=True)

    return gather(table.name, rows(), table.files, said, roles, "row")


def read_list(data: Any, roles: PairRoles) -> Pairs:
    """Read a list of pairs."""
    try:
        rows = [(number, source, target) for number, (source, target) in enumerate(data, 1)]
    except (TypeError, ValueError) as error:
        raise DataError(
            "pairs are a file, a frame, or a list of pairs of texts such as [('drei', 'three')]"
        ) from error
    pairs = gather("the list", iter(rows), [], [], roles, "pair")
    contents = ListContents(pairs.sources, pairs.targets)
    return Pairs(pairs.name, pairs.sources, pairs.targets, (contents,), pairs.said)


def has_names(cells: Sequence[str], rest: Sequence[Sequence[str]], roles: PairRoles) -> bool:
    """Say whether a first row names the columns.

    It does where the user named one of its cells; or where all are single words and one of them is
    a usual name or a language, such as de or pt-BR, or has no digit where all below it have one.
    """
    if roles.header is not None:
        return roles.header
    shown = [cell.strip() for cell in cells]
    if any(each in shown and not each.isdecimal() for each in (roles.source, roles.target) if each):
        return True
    known = {*SOURCES, *TARGETS, *LANGUAGES}
    codes = sum(re.fullmatch(r"[a-z]{2}([-_][A-Za-z]{2,4})?", cell) is not None for cell in shown)
    words = all(len(cell.split()) == 1 for cell in shown)
    usual = codes == 2 or any(cell.lower() in known for cell in shown)
    return words and (usual or any(above_numbers(cell, k, rest) for k, cell in enumerate(shown)))


def above_numbers(cell: str, column: int, rest: Sequence[Sequence[str]]) -> bool:
    """Say whether a first cell has no digit, and each below it one."""
    below = [row[column] for row in rest if len(row) > column]
    return bool(below) and not has_digit(cell) and all(map(has_digit, below))


def has_digit(cell: str) -> bool:
    """Say whether a cell has a digit, as dates and amounts have."""
    return any(map(str.isdecimal, cell))


def say_header(header: bool, roles: PairRoles) -> list[str]:
    """Say what was guessed of the first row."""
    if roles.header is not None:
        return []
    guess = "the first row names the columns" if header else "no row names the columns"
    return [f"{guess}; --{'no-' if header else ''}header says otherwise"]


def is_number(cell: str) -> bool:
    """Say whether a cell is a whole number, such as that of a sentence."""
    return cell.strip().isdecimal()


def find_columns(
    names: Sequence[str], texts: Sequence[str], roles: PairRoles, name: str
) -> tuple[str, str]:
    """Return the names of the two columns: those given, those of known names, or the first two.

    Args:
        names: Of all columns.
        texts: Of those that hold no numbers; the others are left aside where these suffice.
        roles: What the user said.
        name: Of the table, for messages.
    """
    if len(names) < 2:
        raise DataError(
            f"{name}: has one column ({', '.join(names)}); pairs are two columns, or two files"
        )
    found = []
    for wanted, option, known in (
        (roles.source, "--source", SOURCES),
        (roles.target, "--target", TARGETS),
    ):
        if wanted is None:
            found.append(next((each for each in names if last_name(each) in known), None))
        else:
            found.append(find_name(names, wanted, option, name))
    others = [each for each in texts if each not in found]
    if len(others) < found.count(None):  # numbers are what is translated, then
        others = [each for each in names if each not in found]
    source, target = (each if each is not None else others.pop(0) for each in found)
    if source == target:
        raise DataError(f"{name}: --source and --target are the same column, {source}")
    return source, target


def gather(
    name: str,
    rows: Iterator[tuple[int, Any, Any]],
    files: Sequence[Any],
    said: Sequence[str],
    roles: PairRoles,
    unit: str,
) -> Pairs:
    """Collect rows of a number and two texts; pairs that are empty on both sides are left out."""
    sides: tuple[list[str], list[str]] = ([], [])
    skipped = 0
    for number, *texts in rows:
        for text in texts:
            if text is not None and not isinstance(text, str):
                raise DataError(f"{name}: {unit} {number}: {text!r} is no text")
        whole = [" ".join((text or "").split()) for text in texts]
        if not all(whole):
            if any(whole) and not roles.skip_empty:
                side = "source" if not whole[0] else "target"
                raise DataError(
                    f"{name}: {unit} {number}: the {side} is empty; mend it, or leave such pairs "
                    "out with --skip-empty"
                )
            skipped += 1
            continue
        for side, text in zip(sides, whole, strict=True):
            side.append(text)
    if not sides[0]:
        raise DataError(f"{name}: has no pairs")
    notes = [*said, f"{skipped:,} empty pairs are left out"] if skipped else said
    return Pairs(name, tuple(sides[0]), tuple(sides[1]), tuple(files), tuple(notes))
