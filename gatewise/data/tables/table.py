"""Tables: rows and named columns of any file or frame, read in blocks of rows."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from gatewise.data.source import DataError, DataFile, PlainText, ending
from gatewise.data.tables.column_name import find_name
from gatewise.data.tables.delimited import (
    faulty_row,
    reads_as_number,
)
from gatewise.data.tables.json_lines import JSON_LINES, faulty_json
from gatewise.data.tables.nested import unfold
from gatewise.data.tables.notation import AmbiguityError, Example, Notation, Notations

ROW = "\0row"  # a column of every block: the row's number as the file counts
MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")  # what stands for no value
BLOCK = 20_000  # rows held at a time
SAMPLE = 1_000  # rows that guesses look at


class Table:
    """Rows and named columns, never held whole unless `collect` is called.

    Attributes:
        name: How messages call it, such as the file's path.
        frame: The rows, with their numbers in the column `ROW`.
        columns: The other columns' names and polars types; of objects within objects, such as JSON
            has them, each value is a column of its own, called `data.text`.
        said: What was guessed, in sentences for the user.
        file: The file, if there is one.

    Args:
        name: See above.
        frame: See above.
        file: See above.
        said: See above.
        comma: See `Notations`.
        text: Kept as long as the table: the copy that is read.
        notations: Those of the table that this one was made of, with the same columns.
    """

    def __init__(
        self,
        name: str,
        frame: pl.LazyFrame,
        file: DataFile | None = None,
        said: Sequence[str] = (),
        comma: bool = False,
        text: PlainText | None = None,
        notations: Notations | None = None,
    ):
        self.name, self.file, self.said, self.text = name, file, list(said), text
        self.frame = self.guarded(unfold, frame, name)
        schema = self.guarded(self.frame.collect_schema)
        self.columns: dict[str, pl.DataType] = {k: v for k, v in schema.items() if k != ROW}
        texts = [k for k, v in self.columns.items() if v == pl.String]
        self.notations = notations or Notations(self.frame, texts, ROW, comma)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self.columns)

    @property
    def files(self) -> tuple["DataFile | FrameContents", ...]:
        """What identifies the contents: the file, or a digest where there is none."""
        return (FrameContents(self) if self.file is None else self.file,)

    def with_frame(self, frame: pl.LazyFrame) -> "Table":
        """Return the same table with other rows."""
        return Table(self.name, frame, self.file, self.said, False, self.text, self.notations)

    def guarded(self, read: Any, *arguments: Any, **options: Any) -> Any:
        """Call something that reads the file; what polars cannot read is a `DataError`."""
        try:
            return read(*arguments, **options)
        except (pl.exceptions.PolarsError, OSError, UnicodeError, BaseExceptionGroup) as error:
            raise DataError(f"{self.name}: {self.explain(error)}") from error

    def explain(self, error: BaseException) -> str:
        """Say where the file cannot be read."""
        if self.text is not None:
            kind = ending(Path(self.name))
            found = faulty_json(self.text) if kind in JSON_LINES else faulty_row(self.text)
            if found:
                return found
        return f"cannot be read: {str(error).strip().splitlines()[0]}"

    def blocks(self, rows: int = BLOCK) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, so many at a time, with their numbers in `ROW`.

        Raises:
            DataError: A row cannot be read.
        """
        batches = self.guarded(self.frame.collect_batches, chunk_size=rows, maintain_order=True)
        while True:
            block = self.guarded(next, batches, None)
            if block is None:
                return
            yield block

    def head(self, rows: int = SAMPLE) -> pl.DataFrame:
        """Return the first rows."""
        return self.guarded(self.frame.head(rows).collect)

    def spread(self, rows: int = SAMPLE) -> pl.DataFrame:
        """Return so many rows, or up to twice as many, evenly from the whole table."""
        total = self.guarded(self.frame.select(pl.len()).collect).item()
        every = self.frame.filter(pl.col(ROW) % max(1, total // rows) == 0)
        return self.guarded(every.collect, engine="streaming")

    def in_order(self, id_column: str, time: str | None) -> "Table":
        """Return the table with the rows of each sequence together, in the order of time."""
        keys = pl.col(id_column)
        found = self.guarded(
            self.frame.select((keys != keys.shift()).sum().alias("runs"), keys.n_unique()).collect
        )
        apart = found["runs"][0] + 1 != found[id_column][0]
        if not apart and time is None:
            return self
        order = [pl.col(ROW)] if time is None else [self.time_key(time), pl.col(ROW)]
        return self.with_frame(self.frame.sort(pl.col(ROW).min().over(id_column), *order))

    def time_key(self, time: str) -> pl.Expr:
        """Return what orders times: numbers by their size, dates as they are written."""
        column = pl.col(time)
        if self.columns[time] == pl.String and self.is_number(time, self.head()):
            return self.reading(time)
        return column

    def collect(self) -> pl.DataFrame:
        """Return all rows, with their numbers in `ROW`."""
        return self.guarded(self.frame.collect)

    def find(self, column: str, option: str) -> str:
        """Return a column's name as the table writes it; see `find_name`."""
        return find_name(self.names, column, option, self.name)

    def numbers(self, block: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
        """Return columns of a block as Float64; a missing value is null.

        Empty cells and NA, N/A, NaN, null, None, ? and - are missing values.

        Raises:
            DataError: A cell is no number; file, row and column are named.
        """
        return block.select([self.number(block, column) for column in columns])

    def number(self, block: pl.DataFrame, column: str) -> pl.Series:
        """Return one column of a block as Float64."""
        cells = block[column]
        if cells.dtype.is_numeric() or cells.dtype in (pl.Boolean, pl.Null):
            return cells.cast(pl.Float64).fill_nan(None)
        if cells.dtype in (pl.Categorical, pl.Enum):
            cells = cells.cast(pl.String)
        if cells.dtype != pl.String:
            raise DataError(f"{self.name}: column {column!r} holds {cells.dtype}, not numbers")
        text = cells.str.strip_chars()
        values = text.to_frame().select(self.reading(column)).to_series()
        missing = text.is_null() | text.str.to_lowercase().is_in(MISSING)
        wrong = (values.is_null() & ~missing).arg_true()
        if len(wrong):
            at = wrong[0]
            raise DataError(f"{self.place(block, at, column)}: {cells[at]!r} is no number")
        endless = values.is_infinite().fill_null(False).arg_true()
        if len(endless):
            at = endless[0]
            raise DataError(f"{self.place(block, at, column)}: {cells[at]!r} is not finite")
        return values.fill_nan(None)

    def reading(self, column: str) -> pl.Expr:
        """Return what reads a column of texts as Float64, null where a cell is no number."""
        notation = self.notation(column)
        if notation is not None:
            return notation.read(column)
        return pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)

    def notation(self, column: str) -> Notation | None:
        """Return how a column writes its numbers; None for plain ones.

        Raises:
            DataError: They may mean this or that.
        """
        try:
            return self.guarded(self.notations.of, column)
        except AmbiguityError as error:
            place = self.place_of(error.example, column)
            raise DataError(f"{place}: {error}") from error

    def say_notations(self, columns: Iterable[str]) -> list[str]:
        """Say how columns write their numbers, where they are not plain.

        Raises:
            DataError: They may mean this or that.
        """
        found: dict[str, tuple[list[str], Notation]] = {}
        for name in columns:
            notation = self.notation(name)
            if notation is not None:
                found.setdefault(notation.decimal, ([], notation))[0].append(name)
        return [
            f"numbers of column {names[0]!r}"
            + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")
            + f": {notation.example!r} is read as {notation.meaning:.15g}"
            for names, notation in found.values()
        ]

    def place(self, block: pl.DataFrame, at: int, column: str) -> str:
        """Name a cell for a message."""
        return f"{self.name}: row {block[ROW][at]}, column {column!r}"

    def place_of(self, example: Example, column: str) -> str:
        """Name a cell that numbers were told by, for a message."""
        return f"{self.name}: row {example.row}, column {column!r}"

    def places(self, block: pl.DataFrame, column: str) -> Callable[[int], str]:
        """Return what names a cell of a column for a message, by its place in the block."""
        return lambda at: self.place(block, at, column)

    def is_number(self, column: str, sample: pl.DataFrame) -> bool:
        """Say whether a column of the sample holds numbers, wholly or with gaps."""
        kind = self.columns[column]
        if kind != pl.String:
            return kind.is_numeric()
        cells = [cell.strip() for cell in sample[column] if cell is not None]
        present = [cell for cell in cells if cell.lower() not in MISSING]
        # some cells may be faults, which are then errors with their places
        wrong = [cell for cell in present if not reads_as_number(cell)]
        few = 5 if not all(any(map(str.isdigit, cell)) for cell in wrong) else 2
        return bool(present) and len(wrong) * few <= len(present)


def told_cells(column: pl.Series) -> pl.Series:
    """Return a column with null in every cell that tells nothing."""
    if column.dtype != pl.String:
        return column
    column = column.str.strip_chars()
    return column.set(column.str.to_lowercase().is_in(MISSING), None)


@dataclass(frozen=True)
class FrameContents:
    """What identifies a frame, as a `DataFile` identifies a file."""

    table: Table
    path: Path = Path("the frame")
    encoding: None = None
    guessed: bool = False

    def digest(self) -> str:
        """Return what identifies the contents, in hexadecimal."""
        return content_digest(self.table)

    def stamp(self) -> dict[str, int]:
        """Return the same as a number: a frame has no time of change."""
        return {"contents": int(self.digest()[:15], 16)}


def content_digest(table: Table) -> str:
    """Return what identifies the contents of a frame, in hexadecimal."""
    total = hashlib.sha256(json.dumps([(k, str(v)) for k, v in table.columns.items()]).encode())
    for block in table.blocks():
        total.update(block.hash_rows(seed=0).to_numpy().tobytes())
    return total.hexdigest()
