"""Objects within objects: each value in them as a column named by its path, as `data.text`."""

import polars as pl

from gatewise.data.source import DataError


def unfold(frame: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """Return a frame with a column for each value of its objects, at the place of the object.

    Lists stay as they are. An object that a row lacks has no values there. `where` names the table
    in the message.

    Example:
        >>> rows = [{"id": 1, "data": {"text": "a", "by": {"age": 7}}}, {"id": 2, "data": None}]
        >>> frame = unfold(pl.LazyFrame(rows), "rows").collect()
        >>> frame.columns, frame.row(1)
        (['id', 'data.text', 'data.by.age'], (2, None, None))

    Raises:
        DataError: A path is the name of another column.
    """
    schema = frame.collect_schema()
    if not any(isinstance(kind, pl.Struct) for kind in schema.values()):
        return frame
    columns: list[pl.Expr] = []
    for name, kind in schema.items():
        columns += values_of(pl.col(name), name, kind)
    names = [column.meta.output_name() for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"{where}: two columns are called {name!r}, one by its path; rename one"
            )
    return frame.select(columns)


def values_of(column: pl.Expr, path: str, kind: pl.DataType) -> list[pl.Expr]:
    """Return the values within a column under their paths; the column itself if it is no object."""
    if not isinstance(kind, pl.Struct):
        return [column.alias(path)]
    found: list[pl.Expr] = []
    for field in kind.fields:
        inner = column.struct.field(field.name)
        found += values_of(inner, f"{path}.{field.name}", field.dtype)  # type: ignore[arg-type]
    return found
