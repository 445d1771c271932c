"""Tables with a series in each row, as those of the M4 competition: turned into long ones."""

import re

import polars as pl

from gatewise.data.tables.table import MISSING, ROW, Table

NUMBERED = re.compile(r"V\d+")
FEWEST = 4  # columns; a table with fewer is none of these


def lengthen(table: Table) -> Table:
    """Return a table with a row for each value, if this one has a row for each series.

    Columns are then called V1, V2 and so on: first the name of the series, then its values, empty
    behind the last.
    """
    names = table.names
    if len(names) < FEWEST or not all(NUMBERED.fullmatch(name) for name in names):
        return table
    steps = {name: number for number, name in enumerate(names[1:], 1)}
    value = pl.col("value")
    frame = (
        table.frame.rename({names[0]: "series"})
        .unpivot(index=[ROW, "series"], variable_name="step", value_name="value")
        .with_columns(pl.col("step").replace_strict(steps, return_dtype=pl.Int64))
    )
    if frame.collect_schema()["value"] == pl.String:
        frame = frame.filter(~value.str.strip_chars().str.to_lowercase().is_in(MISSING))
    frame = frame.filter(value.is_not_null())
    said = [*table.said, "each row is a series of its own"]
    return Table(table.name, frame, table.file, said, table.notations.comma, table.text)
