"""How columns write their numbers, such as 49,607.67 or 1.234,5 or 12 % or $5."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import polars as pl

SPACES = r"[ '’\u00a0\u202f]"  # between groups of three digits
UNITS = r"[$€£¥]"
MINUS = r"[+\-−]?"
BODY = (
    rf"\d{{1,3}}(?:{SPACES}\d{{3}})+(?:[.,]\d*)?|\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?:\.\d*)?"
    r"|\d{1,3}(?:\.\d{3})+(?:,\d*)?|\d*[.,]\d+|\d+\.?"
)
WRITTEN = (
    rf"^(?P<open>\()?\s*(?P<sign>{MINUS})\s*(?P<before>{UNITS}?)\s*(?P<inner>{MINUS})\s*"
    rf"(?P<body>{BODY})(?P<power>[eE][+-]?\d+)?\s*(?P<after>{UNITS}|%)?\s*(?P<close>\))?$"
)
MARKED = r"[^\d.eE+\-\s]|\S\s+\S|\..*\."  # more than digits, a point and a power
POINT = r"^[+-]?\d+\.(\d{1,2}|\d{4,})$"  # surely a decimal point
OTHER = {".": ",", ",": "."}
GROUPED = {  # by the decimal mark: digits as that notation has them
    ".": rf"^(?:\d{{1,3}}(?:{SPACES}\d{{3}})+|\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}|\d+)?(?:\.\d*)?$",
    ",": rf"^(?:\d{{1,3}}(?:{SPACES}\d{{3}})+|\d{{1,3}}(?:\.\d{{3}})+|\d+)?(?:,\d*)?$",
}


class Example(NamedTuple):
    """A cell, and its row as the file counts."""

    cell: str
    row: int


class Evidence(NamedTuple):
    """What the cells of a column tell about how it writes numbers.

    Attributes:
        marked: The first cell that is no plain number.
        decimals: By decimal mark, the first cell that can only be read with it.
        open: The first cell that can be read with either mark.
        units: By unit, `""` for none, the first cell that has it.
    """

    marked: Example
    decimals: dict[str, Example]
    open: Example | None
    units: dict[str, Example]


class Notation(NamedTuple):
    """How a column writes its numbers.

    Attributes:
        decimal: The decimal mark.
        example: A cell.
    """

    decimal: str
    example: str

    def read(self, column: str) -> pl.Expr:
        """Return what reads a column of texts as Float64; null where a cell is no such number."""
        text = pl.col(column).str.strip_chars()
        body, power = (text.str.extract(WRITTEN, number) for number in (5, 6))
        grouping = OTHER[self.decimal]
        digits = body.str.replace_all(rf"{SPACES}|[{grouping}]", "").str.replace(",", ".")
        number = (digits + power.fill_null("")).cast(pl.Float64, strict=False)
        bracket = text.str.starts_with("(")
        negative = bracket | text.str.contains(r"^[^\d]*[-−]")
        fits = body.str.contains(GROUPED[self.decimal]) & (bracket == text.str.ends_with(")"))
        return pl.when(fits).then(pl.when(negative).then(-number).otherwise(number)).alias(column)

    @property
    def meaning(self) -> float:
        """The example's number."""
        return pl.DataFrame({"cell": [self.example]}).select(self.read("cell")).item()


class AmbiguityError(ValueError):
    """Numbers of a column may mean this or that; `example` is the first such cell."""

    def __init__(self, example: Example, message: str):
        super().__init__(message)
        self.example = example


class Notations:
    """How the columns of a table write their numbers, found by looking at all rows once.

    Args:
        frame: The table.
        columns: Those of texts.
        row: The column with the number of each row.
        comma: Whether a mark that can be either is a decimal comma where no column tells.
    """

    def __init__(self, frame: pl.LazyFrame, columns: Sequence[str], row: str, comma: bool):
        self.frame, self.columns, self.row, self.comma = frame, columns, row, comma
        self.found: dict[str, Notation] = {}

    def of(self, column: str) -> Notation | None:
        """Return how a column writes its numbers; None for plain ones, and for words.

        Raises:
            AmbiguityError: It can be read in two ways.
        """
        if column not in self.evidence:
            return None
        if column not in self.found:
            self.found[column] = self._decide(self.evidence[column])
        return self.found[column]

    @cached_property
    def evidence(self) -> dict[str, Evidence]:
        """What the columns with numbers that are not plain tell."""
        text = {name: pl.col(name).str.strip_chars() for name in self.columns}
        marked = {
            name: cells.str.contains(MARKED) & cells.str.contains(WRITTEN)
            for name, cells in text.items()
        }
        aims = [each.any().alias(f"m{k}") for k, each in enumerate(marked.values())]
        aims += [
            each.str.contains(POINT).any().alias(f"p{k}") for k, each in enumerate(text.values())
        ]
        seen = self.frame.select(aims).collect().row(0, named=True) if aims else {}
        self.point = any(seen[f"p{k}"] for k in range(len(text)))
        return {
            name: weigh(self._shapes(text[name], marked[name]))
            for k, name in enumerate(text)
            if seen[f"m{k}"]
        }

    def _shapes(self, text: pl.Expr, marked: pl.Expr) -> Iterator[tuple[str, bool, Example]]:
        """Yield how numbers of a column look, whether they are marked, and the first of each.

        A nine stands for a digit, Z for a zero that no digit can stand before.
        """
        shape = text.str.replace(r"^(\D*)0([.,])", "${1}Z${2}").str.replace_all(r"\d", "9")
        found = (
            self.frame.filter(text.str.contains(WRITTEN))
            .select(shape.alias("shape"), text.alias("cell"), marked.alias("marked"), self.row)
            .group_by("shape")
            .agg(pl.all().sort_by(self.row).first())
            .sort(self.row)
            .collect()
        )
        for shape_of, cell, own, row in found.iter_rows():
            yield shape_of, own, Example(cell, row)

    def _decide(self, evidence: Evidence) -> Notation:
        refuse_contradiction(evidence)
        if evidence.decimals or evidence.open is None:
            return Notation(next(iter(evidence.decimals), "."), evidence.marked.cell)
        others = {mark for each in self.evidence.values() for mark in each.decimals}
        others |= {"."} if self.point else set()
        if len(others) != 1 and self.comma:
            others = {","}
        if len(others) != 1:
            cell = evidence.open.cell
            meanings = [Notation(mark, cell).meaning for mark in ".,"]
            one, other = (f"{each:.15g}" for each in meanings)
            raise AmbiguityError(
                evidence.open,
                f"{cell!r} may be {one} or {other}, and no other number tells which; write numbers "
                "with a decimal point and nothing between thousands",
            )
        return Notation(others.pop(), evidence.open.cell)


def weigh(shapes: Iterator[tuple[str, bool, Example]]) -> Evidence:
    """Return what the shapes of a column's numbers tell."""
    decimals: dict[str, Example] = {}
    units: dict[str, Example] = {}
    first: Example | None = None
    unsure: Example | None = None
    for shape, marked, example in shapes:
        match = re.fullmatch(WRITTEN.replace(r"\d", "[9Z]"), shape)
        assert match is not None
        unit = match["before"] or match["after"] or ""
        units.setdefault(unit, example)
        first = first or (example if marked else None)
        mark = decimal_mark(re.sub(SPACES, "", match["body"]))
        if mark:
            decimals.setdefault(mark, example)
        elif mark == "" and (marked or unit):
            unsure = unsure or example
    assert first is not None
    return Evidence(first, decimals, unsure, units)


def decimal_mark(body: str) -> str | None:
    """Return the decimal mark of digits; "" where it may be either, None where there is no mark.

    Example:
        >>> [decimal_mark(each) for each in ("9,999.99", "9.999,9", "9,9", "Z,999", "9,999", "999")]
        ['.', ',', ',', ',', '', None]
    """
    points, commas = body.count("."), body.count(",")
    if points and commas:
        return max(".,", key=body.rfind)
    if points + commas == 0:
        return None
    mark = "." if points else ","
    if points + commas > 1:
        return OTHER[mark]
    whole, _, part = body.partition(mark)
    grouped = len(part) == 3 and 1 <= len(whole) <= 3 and "Z" not in whole
    return "" if grouped else mark


def refuse_contradiction(evidence: Evidence) -> None:
    """Raise `AmbiguityError` where two cells of a column cannot be of one notation."""
    if len(evidence.decimals) > 1:
        one, other = sorted(evidence.decimals.values(), key=lambda each: each.row)
        raise AmbiguityError(
            other,
            f"{other.cell!r} has another decimal mark than {one.cell!r} in row {one.row}; write "
            "all numbers alike",
        )
    units = {unit: each for unit, each in evidence.units.items() if unit or "%" in evidence.units}
    if len(units) > 1:
        one, other = sorted(units.values(), key=lambda each: each.row)[:2]
        raise AmbiguityError(
            other,
            f"{other.cell!r} has another unit than {one.cell!r} in row {one.row}; write all "
            "numbers alike",
        )
