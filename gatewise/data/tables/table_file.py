"""Open a table, whatever kind of file it is in: delimited text, Parquet, JSON lines, a frame."""

import csv
import itertools
import json
from typing import Any

import polars as pl

from gatewise.data.source import DataError, DataFile, PlainText, ending, open_data_file
from gatewise.data.tables.delimited import UNUSUAL, faulty_row, guess_header, guess_separator
from gatewise.data.tables.json_lines import JSON_LINES, faulty_json
from gatewise.data.tables.pandas_frame import from_pandas
from gatewise.data.tables.table import ROW, Table

DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat", "")
ENDINGS = (".csv", ".tsv", ".tab", ".parquet", ".pq", *JSON_LINES)


def is_frame(data: object) -> bool:
    """Say whether something is a frame of polars or pandas."""
    return isinstance(data, pl.DataFrame | pl.LazyFrame) or (
        type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns")
    )


def read_table(
    data: Any, encoding: str | None = None, header: bool | None = None, separator: str | None = None
) -> Table:
    """Open a table.

    Args:
        data: A file: CSV, TSV or another delimited text, Parquet, JSON lines, packed with gzip,
            bzip2 or xz or not; or a frame of polars or pandas.
        encoding: Of a text; None finds it out.
        header: Whether the first row names the columns; None guesses.
        separator: Between fields; None guesses.

    Raises:
        DataError: It cannot be read.
    """
    if is_frame(data):
        return frame_table(data)
    file = open_data_file(data)
    kind = ending(file.path)
    if kind in (".parquet", ".pq"):
        return parquet_table(file)
    if kind in JSON_LINES:
        return json_table(file, encoding)
    if kind in DELIMITED:
        return delimited_table(file, encoding, header, separator)
    raise DataError(
        f"{file.path}: a table is {', '.join(ENDINGS)}, packed with gzip or not; not {kind}"
    )


def frame_table(data: Any) -> Table:
    """Return a frame as a table; its rows count from 1."""
    if not isinstance(data, pl.DataFrame | pl.LazyFrame):
        try:
            data = from_pandas(data)
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise DataError(f"the pandas frame cannot be read: {error}") from error
    return Table("the frame", data.lazy().with_row_index(ROW, offset=1))


def parquet_table(file: DataFile) -> Table:
    """Return a Parquet file as a table; its rows count from 1."""
    try:
        frame = pl.scan_parquet(file.path, glob=False, row_index_name=ROW, row_index_offset=1)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        message = str(error).strip().splitlines()[0]
        raise DataError(f"{file.path}: not a whole Parquet file ({message})") from error
    return Table(str(file.path), frame, file)


def json_table(file: DataFile, encoding: str | None) -> Table:
    """Return a file with one JSON object on each line, or one list of them, as a table."""
    text = PlainText(file.path, encoding)
    with text.path.open(encoding="utf-8") as opened:
        listed = next((line for line in opened if line.strip()), "").lstrip().startswith("[")
    if listed:
        return listed_table(file, text)
    fault = faulty_json(text)
    if fault:
        raise DataError(f"{file.path}: {fault}")
    frame = pl.scan_ndjson(text.path, infer_schema_length=None, row_index_name=ROW)
    frame = frame.with_columns(pl.col(ROW) + 1)
    return Table(str(file.path), frame, text.file, guessed_encoding(text), text=text)


def listed_table(file: DataFile, text: PlainText) -> Table:
    """Return one JSON list of objects, held whole, as a table; its rows count from 1."""
    try:
        rows = json.loads(text.path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file.path}: not JSON: {error}") from error
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if not rows or wrong:
        fault = f"row {wrong[0]} is not an object" if wrong else "the list is empty"
        raise DataError(f"{file.path}: {fault}; a table is a list of objects, one for each row")
    try:
        frame = pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"{file.path}: its rows make no table ({first})") from error
    frame = frame.lazy().with_row_index(ROW, offset=1)
    return Table(str(file.path), frame, text.file, guessed_encoding(text))


def delimited_table(
    file: DataFile, encoding: str | None, header: bool | None, separator: str | None
) -> Table:
    """Return a delimited text as a table; the rows count from 1, the header with them."""
    text = PlainText(file.path, encoding)
    said = guessed_encoding(text)
    with text.path.open(encoding="utf-8", newline="") as opened:
        first = list(itertools.islice(opened, 200))
    if separator is None:
        separator = "\t" if ending(file.path) in (".tsv", ".tab") else guess_separator(first)
        if separator in UNUSUAL:
            said.append(f"fields are separated by {separator!r}")
    if len(separator) != 1:
        raise DataError(f"--separator {separator!r}: one character, such as ; or a tab")
    try:
        rows = [row for row in csv.reader(first, delimiter=separator) if row]
    except csv.Error as error:
        raise DataError(f"{file.path}: {faulty_row(text, separator) or error}") from error
    if not rows:
        raise DataError(f"{file.path}: has no row with anything in it")
    if header is None:
        header = guess_header(rows)
        said.append("the first row names the columns" if header else "no row names the columns")
    fault = faulty_row(text, separator)
    if fault:
        raise DataError(f"{file.path}: {fault}")
    frame = pl.scan_csv(
        text.path,
        has_header=header,
        separator=separator,
        infer_schema=False,
        row_index_name=ROW,
        row_index_offset=1 + header,
        glob=False,
        new_columns=None if header else [f"column_{k + 1}" for k in range(len(rows[0]))],
    )
    return Table(str(file.path), frame, text.file, said, separator == ";", text)


def guessed_encoding(text: PlainText) -> list[str]:
    """Say a guessed encoding."""
    if not text.file.guessed:
        return []
    return [f"read as {text.file.encoding}, a guess; --encoding names another"]
