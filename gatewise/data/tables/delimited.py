"""Delimited text such as CSV: its separator, its header, and its first faulty row."""

import csv
import itertools
import re
from collections.abc import Sequence

from gatewise.data.source import PlainText
from gatewise.data.tables.notation import WRITTEN

USUAL, UNUSUAL = ",\t;|", "^~:"  # separators
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\s*[+-]?(inf|nan)\s*", re.I)


def reads_as_number(cell: str) -> bool:
    """Say whether a cell is a number, in whatever notation.

    Example:
        >>> [reads_as_number(each) for each in ("-2e3", "49,607.67", "12 %", "12 apples")]
        [True, True, True, False]
    """
    return bool(NUMBER.fullmatch(cell) or re.fullmatch(WRITTEN, cell.strip()))


def guess_separator(lines: Sequence[str]) -> str:
    """Return the separator that cuts the most lines into the same number of fields.

    One that is not usual is taken only where it cuts every line so and no usual one does.
    """

    def widths(separator: str) -> list[int]:
        try:
            found = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            return []
        return found[:-1] if len(found) > 2 else found  # the last row may go on behind the lines

    def agreement(separator: str) -> tuple[int, int]:
        found = widths(separator)
        most = max(set(found), key=found.count, default=1)
        return (found.count(most), most) if most > 1 else (0, 0)

    def agree(separator: str) -> bool:
        found = widths(separator)
        return len(found) > 1 and found[0] > 1 and len(set(found)) == 1

    usual = max(USUAL, key=agreement)
    return usual if agree(usual) else next(filter(agree, UNUSUAL), usual)


def guess_header(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row names the columns."""
    first, rest = rows[0], rows[1:]
    numbered = [int(cell) for cell in first if cell.strip().isdecimal()]
    named = [cell for cell in first if cell.strip()]
    if len(named) > 2 and numbered == list(range(len(named))):
        return True  # 0, 1, 2: names that a program gave
    if any(reads_as_number(cell) for cell in first if cell.strip()):
        return False
    # a value that comes again in its column is no name
    return not any(
        cell.strip() and any(len(row) > k and row[k] == cell for row in rest)
        for k, cell in enumerate(first)
    )


def faulty_row(text: PlainText, separator: str | None = None) -> str | None:
    """Return what is wrong with the first row that no table can have, or None."""
    with text.path.open(encoding="utf-8", newline="") as file:
        if separator is None:
            separator = guess_separator(list(itertools.islice(file, 200)))
            file.seek(0)
        reader = csv.reader(file, delimiter=separator, strict=True)
        width = None
        try:
            for number, row in enumerate(reader, 1):
                if width is None:
                    width = len(row)
                elif len(row) > width:
                    cut = f"; they were cut at {separator!r}" if width == 1 else ""
                    return f"row {number} has {len(row)} fields, the first row {width}{cut}"
        except csv.Error as error:
            return f"line {reader.line_num}: {error}; is a quotation mark left open?"
    return None
