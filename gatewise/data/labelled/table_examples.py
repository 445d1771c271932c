"""Examples out of tables: a text in a row, a sequence in a row, or a row for each step."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from gatewise.data.labelled.examples import Block, Examples, Roles, as_sequence, blocks_of
from gatewise.data.labelled.intervals import NAME as INTERVAL
from gatewise.data.labelled.intervals import read_seconds
from gatewise.data.labelled.table_roles import (
    find_id,
    find_inputs,
    find_intervals,
    find_label,
    find_time,
    nested,
)
from gatewise.data.source import DataError
from gatewise.data.tables.table import ROW, Table
from gatewise.data.tables.table_file import read_table

NO_LABEL = ("", "nan", "null")  # words such as none and n/a may well be classes
ENOUGH = 100_000  # numbers in a block of wide rows


def read_table_examples(data: Any, roles: Roles, part: str = "train") -> Examples:
    """Open a table as examples; columns that are not named are found by their names and contents.

    With a text column, each row is a text. With a column of lists, each row is a sequence. With an
    id column, the rows of one id are the steps of one sequence, in the order of the time column,
    and its label is that of its last row; where the times between steps differ, they are a channel.
    Else the numbers of a row are the steps of one channel.

    Args:
        data: What `read_table` takes.
        roles: `input`, `label`, `id`, `time`, `intervals`, `encoding`, `header`, `separator`.
        part: In `"test"` the column of the label need not be there.

    Raises:
        DataError: It cannot be read, or a role cannot be found.
    """
    return examples_of(read_table(data, roles.encoding, roles.header, roles.separator), roles, part)


def examples_of(table: Table, roles: Roles, part: str = "train") -> Examples:
    """Take a table as examples; see `read_table_examples`."""
    sample = table.head()
    if not len(sample):
        raise DataError(f"{table.name}: has no rows")
    for name in roles.input:
        table.find(name, "--input")
    label = find_label(table, roles, sample, part)
    id_column = find_id(table, roles, sample, label)
    time = find_time(table, roles, label) if id_column else None
    taken = [column for column in (label, id_column, time) if column]
    inputs = find_inputs(table, roles, sample, taken)
    if label in inputs:
        raise DataError(
            f"{table.name}: column {label!r} is both input and label, so the answer would be given "
            "away; name other columns with --input or --label"
        )
    intervals = find_intervals(table, roles, id_column, time)
    found = replace(
        roles,
        input=tuple(inputs),
        label=label or roles.label,
        id=id_column,
        time=time,
        intervals=intervals,
    )
    kind, read, meant = reader(table, sample, found, label)
    said = [*table.said, *(table.say_notations(inputs) if kind == "numbers" else [])]
    guessed = (roles.input, roles.label, roles.id) != (found.input, found.label, found.id)
    if guessed:
        said.append(
            f"{meant}: input {shorten(inputs)}; "
            + (f"label {label}; " if label else "no label; ")
            + (f"sequences by {id_column}; " if id_column else "")
            + (f"ordered by {time}; " if time else "")
            + "--input, --label, --id and --time say otherwise"
        )
    if intervals and roles.intervals is None:
        said.append(
            f"the steps come at irregular intervals, so the {INTERVAL} is a channel too; "
            "--no-intervals leaves it out"
        )
    channels = () if kind == "text" else (*inputs, *([INTERVAL] if intervals else []))
    if kind == "numbers" and not id_column:
        width = next(read()).inputs[0].shape[1]
        channels = tuple(f"channel {k + 1}" for k in range(width))
    return Examples(
        table.name, kind, read, label is not None, channels, table.files, tuple(said), "row", found
    )


def shorten(names: list[str]) -> str:
    """List columns, the middle of many left out."""
    return ", ".join(names) if len(names) <= 6 else f"{names[0]} … {names[-1]} ({len(names)})"


# Rows to examples


def reader(table: Table, sample: pl.DataFrame, roles: Roles, label: str | None) -> tuple[Any, ...]:
    """Return the kind of input, what yields its blocks, and how that is said."""
    inputs = list(roles.input)
    if roles.id:
        ordered = table.in_order(roles.id, roles.time)
        return (
            "numbers",
            lambda: blocks_of(long_examples(ordered, roles, label), 500),
            "each row is a step",
        )
    if nested(table, inputs[0]):
        if len(inputs) > 1:
            raise DataError(f"{table.name}: of columns with lists, --input takes one")
        return "numbers", lambda: list_blocks(table, inputs[0], label), "each list is a sequence"
    if all(table.is_number(name, sample) for name in inputs) and len(inputs) > 1:
        return (
            "numbers",
            lambda: wide_blocks(table, inputs, label),
            "each row is a sequence of one channel",
        )
    if table.is_number(inputs[0], sample) and table.columns[inputs[0]] != pl.String:
        raise DataError(
            f"{table.name}: column {inputs[0]!r} has one number a row, which is no sequence; name "
            "the column that says which rows belong together with --id, or more columns"
        )
    return "text", lambda: text_blocks(table, inputs, label), "each row is a text"


def text_blocks(table: Table, inputs: list[str], label: str | None) -> Iterator[Block]:
    """Yield texts; several columns are joined by a newline."""
    for block in table.blocks():
        texts = block.select(
            pl.concat_str(
                [pl.col(name).cast(pl.String).fill_null("") for name in inputs], separator="\n"
            )
        ).to_series()
        yield Block(texts.to_list(), labels_of(block, label), block[ROW].to_list())


def wide_blocks(table: Table, inputs: list[str], label: str | None) -> Iterator[Block]:
    """Yield rows of numbers as sequences of one channel, missing ones at their ends cut off."""
    for block in table.blocks(max(100, ENOUGH // len(inputs))):
        values = table.numbers(block, inputs).to_numpy().astype(np.float32)
        sequences = []
        for row, number in zip(values, block[ROW].to_list(), strict=True):
            present = np.flatnonzero(~np.isnan(row))
            if not len(present):
                raise DataError(f"{table.name}: row {number} has no numbers")
            sequences.append(row[: present[-1] + 1, None])
        yield Block(sequences, labels_of(block, label), block[ROW].to_list())


def list_blocks(table: Table, column: str, label: str | None) -> Iterator[Block]:
    """Yield lists of numbers `(T,)`, or of lists `(T, C)`, as sequences."""
    channels = None
    for block in table.blocks(1_000):
        sequences = []
        for values, number in zip(block[column].to_list(), block[ROW].to_list(), strict=True):
            place = f"{table.name}: row {number}, column {column!r}"
            if not values:
                raise DataError(f"{place}: an empty list")
            sequences.append(as_sequence([np.nan if v is None else v for v in values], place))
            channels = channels or sequences[0].shape[1]
            if sequences[-1].shape[1] != channels:
                raise DataError(f"{place}: {sequences[-1].shape[1]} channels, not {channels}")
        yield Block(sequences, labels_of(block, label), block[ROW].to_list())


def long_examples(
    table: Table, roles: Roles, label: str | None
) -> Iterator[tuple[np.ndarray, str | None, int, Any]]:
    """Yield sequences out of rows that are steps: label and number of the last row, and the id."""
    assert roles.id is not None
    held: list[np.ndarray] = []
    last: tuple[str | None, int, Any] | None = None  # label, row, id
    before = 0.0  # the time of the last row
    for block in table.blocks():
        values = table.numbers(block, roles.input).to_numpy().astype(np.float32)
        names = labels_of(block, label) or [None] * len(block)
        ids, rows = block[roles.id].to_list(), block[ROW].to_list()
        starts = [k for k in range(len(ids)) if k == 0 or ids[k] != ids[k - 1]]
        times = read_seconds(table, block, roles.time or "") if roles.intervals else None
        for begin, end in pairwise([*starts, len(ids)]):
            if ids[begin] is None:
                raise DataError(f"{table.place(block, begin, roles.id)}: is empty")
            if last is not None and last[2] != ids[begin]:
                yield np.concatenate(held), *last
                held = []
            steps = values[begin:end]
            if times is not None:
                first = before if held else times[begin]
                since = np.diff(times[begin:end], prepend=first).astype(np.float32)
                steps, before = np.column_stack([steps, since]), times[end - 1]
            held.append(steps)
            last = names[end - 1], rows[end - 1], ids[begin]
    if last is not None:
        yield np.concatenate(held), *last


def labels_of(block: pl.DataFrame, label: str | None) -> list[str | None] | None:
    """Return labels as words; numbers without a needless decimal point."""
    if label is None:
        return None
    cells = block[label]
    if cells.dtype.is_float():
        return [None if cell is None or np.isnan(cell) else f"{cell:.9g}" for cell in cells]
    words = cells.cast(pl.String).str.strip_chars()
    missing = words.str.to_lowercase().is_in(NO_LABEL)
    return words.set(missing, None).to_list()
