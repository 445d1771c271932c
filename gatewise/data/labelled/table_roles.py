"""Which column of a table is what: the label, the id and the time of a sequence, the input."""

import polars as pl

from gatewise.data.labelled.examples import Roles
from gatewise.data.labelled.intervals import are_irregular
from gatewise.data.source import DataError
from gatewise.data.tables.column_name import last_name
from gatewise.data.tables.table import Table

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
    "run",
    "recording",
    "trial",
    "episode",
)
TIMES = ("time", "t", "ds", "step", "cycle", "timestamp", "date", "datetime")
LONG_NAME = 30  # characters; what is longer on average is a text
MANY = 3  # columns of numbers, beside which a column of short words names the row


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
    spread = table.spread()  # of rows that are sorted by their labels, the first have one alone
    few = [column for column in free if has_few_values(table, column, spread)]
    if len(few) > 1 or roles.id is not None:
        key = find_id(table, roles, sample, None)  # what tells sequences apart is no label
        few = [column for column in few if column != key]
        if key is not None:
            values = sample.group_by(key).agg(pl.col(few).n_unique())
            few = [column for column in few if values[column].max() == 1] or few
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
    if named:
        return named[0]
    renewed = find_renewed(table, roles, sample, label, several)
    return max(renewed, key=lambda column: sample[column].n_unique(), default=None)


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
        ordered = table.in_order(id_column, time)
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
