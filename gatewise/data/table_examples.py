"""Examples out of tables: a text in a row, a sequence in a row, or a row for each step."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from gatewise.data.column_name import last_name
from gatewise.data.examples import Block, Examples, Roles, as_sequence, blocks_of
from gatewise.data.intervals import NAME as INTERVAL
from gatewise.data.intervals import are_irregular, read_seconds
from gatewise.data.source import DataError
from gatewise.data.table import ROW, FrameContents, Table, read_table

LABELS = (
    "label",
    "labels",
    "class",
    "target",
    "category",
    "y",
    "sentiment",
    "intent",
    "rating",
    "stars",
    "rul",
    "activity",
)
TEXTS = (
    "text",
    "sentence",
    "review",
    "question",
    "title",
    "content",
    "document",
    "message",
    "comment",
    "utterance",
    "description",
    "headline",
    "tweet",
    "body",
    "name",
)
IDS = (
    "id",
    "unique_id",
    "sequence",
    "sequence_id",
    "series",
    "series_id",
    "case",
    "unit",
    "sample",
)
TIMES = ("time", "t", "ds", "step", "cycle", "timestamp", "date", "datetime")
NO_LABEL = ("", "nan", "null")  # words such as none and n/a may well be classes
LONG_NAME = 30  # characters; what is longer on average is a text
MANY = 3  # columns of numbers, beside which a column of short words names the row
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
    table = read_table(data, roles.encoding, roles.header, roles.separator)
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
    files = (FrameContents(table) if table.file is None else table.file,)
    return Examples(
        table.name, kind, read, label is not None, channels, files, tuple(said), "row", found
    )


def shorten(names: list[str]) -> str:
    """List columns, the middle of many left out."""
    return ", ".join(names) if len(names) <= 6 else f"{names[0]} … {names[-1]} ({len(names)})"


# Which column is what


def find_label(table: Table, roles: Roles, sample: pl.DataFrame, part: str) -> str | None:
    """Return the label's column, or None where there is none."""
    if roles.label is not None:
        known = [name for name in table.names if name.strip().lower() == roles.label.lower()]
        if part == "test" and not known and not roles.label.isdecimal():
            return None
        return table.find(roles.label, "--label")
    for name in LABELS:
        for column in table.names:
            if last_name(column) == name and column not in roles.input:
                return column
    free = [column for column in table.names if column not in roles.input]
    few = [column for column in free if has_few_values(table, column, sample)]
    ends = [column for column in (table.names[-1], table.names[0]) if column in few]
    if len(table.names) == 1 or not few:
        return None
    return ends[0] if ends else few[0] if len(few) == 1 else None


def has_few_values(table: Table, column: str, sample: pl.DataFrame) -> bool:
    """Say whether a column could hold classes: few different values, each several times."""
    if table.columns[column].is_nested():
        return False
    kinds, rows = sample[column].n_unique(), len(sample)
    return 2 <= kinds <= max(2, rows**0.5) and kinds < rows


def find_id(table: Table, roles: Roles, sample: pl.DataFrame, label: str | None) -> str | None:
    """Return the column that says which rows are one sequence, or None."""
    if roles.id is not None:
        return table.find(roles.id, "--id")
    if any(is_text(table, name, sample) for name in table.names if name != label):
        return None
    taken = (label, roles.time, *roles.input)
    several = [  # rows for each value
        column
        for column in table.names
        if column not in taken and sample[column].n_unique() * 2 <= len(sample)
    ]
    named = [column for column in several if column.strip().lower() in IDS]
    return next(iter(named or find_renewed(table, roles, sample, label, several)), None)


def find_renewed(
    table: Table, roles: Roles, sample: pl.DataFrame, label: str | None, columns: list[str]
) -> list[str]:
    """Return those of the columns that change exactly where times begin anew."""
    time = find_time(table, roles, label)
    if time is None:
        return []
    times = table.number(sample, time) if table.is_number(time, sample) else sample[time]
    anew = (times <= times.shift())[1:]
    if not anew.any():
        return []
    changes = {name: (sample[name] != sample[name].shift())[1:] for name in columns if name != time}
    return [name for name, change in changes.items() if change.equals(anew)]


def find_time(table: Table, roles: Roles, label: str | None) -> str | None:
    """Return the column that orders the rows of a sequence, or None."""
    if roles.time is not None:
        return table.find(roles.time, "--time")
    free = [name for name in table.names if name != label and name not in roles.input]
    return next((name for name in free if name.strip().lower() in TIMES), None)


def find_intervals(table: Table, roles: Roles, id_column: str | None, time: str | None) -> bool:
    """Say whether the time since the step before is a channel."""
    if id_column is None or time is None:
        if roles.intervals:
            raise DataError(
                f"{table.name}: --intervals needs a row for each step, with --id and --time"
            )
        return False
    if roles.intervals is None:
        ordered = in_order(table, id_column, time)
        return time not in roles.input and are_irregular(ordered, id_column, time)
    return roles.intervals


def find_inputs(table: Table, roles: Roles, sample: pl.DataFrame, taken: list[str]) -> list[str]:
    """Return the input's columns."""
    if roles.input:
        return [table.find(name, "--input") for name in roles.input]
    free = [name for name in table.names if name not in taken]
    lists = [name for name in free if nested(table, name)]
    numbers = [name for name in free if table.is_number(name, sample)]
    if roles.id or (len(taken) > 1 and numbers):
        found = numbers
    elif lists:
        found = lists[:1]
    else:
        texts = [name for name in free if table.columns[name] == pl.String and name not in numbers]
        called = [name for name in texts if last_name(name) in TEXTS]
        longest = sorted(texts, key=lambda name: -mean_length(sample[name]))
        worded = [each for each in longest if len(numbers) < MANY or is_text(table, each, sample)]
        found = called[:1] or worded[:1] or numbers
    if not found:
        raise DataError(
            f"{table.name}: which column is the input? Name it with --input; the columns are "
            f"{', '.join(table.names[:20])}"
        )
    return found


def nested(table: Table, column: str) -> bool:
    """Say whether a column holds a list in each row."""
    return isinstance(table.columns[column], pl.List | pl.Array)


def is_text(table: Table, column: str, sample: pl.DataFrame) -> bool:
    """Say whether a column holds texts, and not numbers, times or names of things."""
    if table.columns[column] != pl.String or table.is_number(column, sample):
        return False
    return last_name(column) in TEXTS or mean_length(sample[column]) > LONG_NAME


def mean_length(column: pl.Series) -> float:
    """Return how many characters a text column has in a row."""
    return float(column.str.len_chars().mean() or 0)  # type: ignore[arg-type]


# Rows to examples


def reader(table: Table, sample: pl.DataFrame, roles: Roles, label: str | None) -> tuple[Any, ...]:
    """Return the kind of input, what yields its blocks, and how that is said."""
    inputs = list(roles.input)
    if roles.id:
        ordered = in_order(table, roles.id, roles.time)
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


def in_order(table: Table, id_column: str, time: str | None) -> Table:
    """Return the table with the rows of each sequence together, in the order of time."""
    keys = pl.col(id_column)
    found = table.guarded(
        table.frame.select((keys != keys.shift()).sum().alias("runs"), keys.n_unique()).collect
    )
    apart = found["runs"][0] + 1 != found[id_column][0]
    if not apart and time is None:
        return table
    order = [pl.col(ROW)] if time is None else [time_key(table, time), pl.col(ROW)]
    first = pl.col(ROW).min().over(id_column)
    frame = table.frame.sort(first, *order)
    return Table(table.name, frame, table.file, table.said, False, table.text, table.notations)


def time_key(table: Table, time: str) -> pl.Expr:
    """Return what orders times: numbers by their size, dates as they are written."""
    column = pl.col(time)
    if table.columns[time] == pl.String and table.is_number(time, table.head()):
        return table.reading(time)
    return column


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
