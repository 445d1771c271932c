"""A folder of tables, such as recordings of sensors: each file is a sequence, its rows the steps.

It is one table with two columns more, the name of the file and that of its folder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from gatewise.data.labelled.examples import Examples, Roles
from gatewise.data.labelled.table_examples import examples_of
from gatewise.data.source import DataError, DataFile
from gatewise.data.tables.notation import Example
from gatewise.data.tables.table import BLOCK, ROW, SAMPLE, FrameContents, Table
from gatewise.data.tables.table_file import read_table

FILE, FOLDER = "the file", "the folder"  # columns that no table has of its own
HELD = 256 * 2**20  # bytes of files that are read once and held; more are read again and again


class FolderTable(Table):
    """The rows of several tables, one after another; a message names the file.

    Args:
        name: How messages call the folder.
        tables: The files with their columns `FILE` and, if they have labels, `FOLDER`.
        said: What was guessed.
        whole: The rows of all of them, where they are held.
    """

    def __init__(
        self,
        name: str,
        tables: Sequence[Table],
        said: list[str],
        whole: pl.DataFrame | None = None,
    ):
        frames = [table.frame for table in tables] if whole is None else [whole.lazy()]
        comma = any(table.notations.comma for table in tables)
        super().__init__(name, pl.concat(frames, how="vertical_relaxed"), said=said, comma=comma)
        self.tables, self.whole = tables, whole

    @property
    def files(self) -> tuple[DataFile | FrameContents, ...]:
        """All the files."""
        return tuple(file for table in self.tables for file in table.files)

    def blocks(self, rows: int = BLOCK) -> Iterator[pl.DataFrame]:
        """Yield some rows of those that are held, else file after file."""
        if self.whole is not None:
            yield from self.whole.iter_slices(rows)
            return
        for table in self.tables:
            yield table.collect()

    def head(self, rows: int = SAMPLE) -> pl.DataFrame:
        """Return the first rows."""
        if self.whole is not None:
            return self.whole.head(rows)
        found = [self.tables[0].head(rows)]
        for table in self.tables[1:]:
            missing = rows - sum(map(len, found))
            if missing <= 0:
                break
            found.append(table.head(missing))
        return pl.concat(found, how="vertical_relaxed")

    def spread(self, rows: int = SAMPLE) -> pl.DataFrame:
        """Return the first rows of each file."""
        each = max(1, rows // len(self.tables))
        if self.whole is not None:
            return self.whole.filter(pl.int_range(pl.len()).over(FILE) < each)
        return pl.concat([table.head(each) for table in self.tables], how="vertical_relaxed")

    def in_order(self, id_column: str, time: str | None) -> "FolderTable":
        """Return the same with the rows of each file in the order of time."""
        if time is None:
            return self
        key = self.time_key(time)
        if self.whole is not None:
            whole = self.whole.sort(pl.col(FILE).rle_id(), key, ROW)
            return FolderTable(self.name, self.tables, self.said, whole)
        tables = [table.with_frame(table.frame.sort(key, ROW)) for table in self.tables]
        return FolderTable(self.name, tables, self.said)

    def place(self, block: pl.DataFrame, at: int, column: str) -> str:
        """Name a cell for a message, with its file."""
        return f"{self.name}/{block[FILE][at]}: row {block[ROW][at]}, column {column!r}"

    def place_of(self, example: Example, column: str) -> str:
        """Name a cell that numbers were told by, in the first file that has it there."""
        for block in self.blocks():
            same = (block[ROW] == example.row) & (block[column].str.strip_chars() == example.cell)
            if same.any():
                return self.place(block, int(same.arg_max() or 0), column)
        return super().place_of(example, column)


def read_tables(path: Path, files: Sequence[Path], roles: Roles, part: str = "train") -> Examples:
    """Open tables as sequences, each labelled with the folder that it is in.

    Args:
        path: The folder; files that lie in it itself have no such label.
        files: The tables.
        roles: `input`, `label`, `time`, `intervals`, `encoding`, `header`, `separator`.
        part: As `read_table_examples` has it.

    Raises:
        DataError: One cannot be read, has no rows, or has other columns than the first.
    """
    if roles.id not in (None, FILE):
        raise DataError(f"{path}: --id {roles.id}: in a folder of tables each file is a sequence")
    tables: list[Table] = []
    for file in files:
        header = roles.header
        if header is None and tables:
            header = tables[0].names[0] != "column_1"  # what the first row of all is
        table = read_table(file, roles.encoding, header, roles.separator)
        if not len(table.head(1)):
            raise DataError(f"{table.name}: has no rows")
        if tables and set(table.names) != set(tables[0].names):
            raise DataError(
                f"{table.name}: its columns are {', '.join(table.names[:20])}; those of "
                f"{tables[0].name} are {', '.join(tables[0].names[:20])}, and all files of a "
                "folder have the same"
            )
        tables.append(table)
    names = [file.relative_to(path).as_posix() for file in files]
    labelled = all("/" in name for name in names)
    known = [ROW, *tables[0].names, FILE, *([FOLDER] if labelled else [])]
    parts = [
        table.with_frame(
            table.frame.with_columns(
                pl.lit(name).alias(FILE), pl.lit(name.split("/")[0]).alias(FOLDER)
            ).select(known)
        )
        for table, name in zip(tables, names, strict=True)
    ]
    said = [f"each file is a sequence, {len(files):,} in all", *tables[0].said]
    held = sum(file.stat().st_size for file in files) <= HELD
    # thousands of open files at once would block each other
    whole = pl.concat([each.collect() for each in parts], how="vertical_relaxed") if held else None
    table = FolderTable(str(path), parts, said, whole)
    label = roles.label or (FOLDER if labelled else None)
    return examples_of(table, replace(roles, id=FILE, label=label), part)
