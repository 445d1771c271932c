import datetime

import numpy as np
import pytest

from gatewise.data.tables.table import ROW
from gatewise.data.tables.table_file import read_table
from gatewise.data.time_series.series import read_series

pandas = pytest.importorskip("pandas")


def cells(**columns):
    return read_table(pandas.DataFrame(columns)).head().drop(ROW)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["a", float("nan"), None], ["a", None, None]),
        (pandas.array([1, None, 3], dtype="Int64"), [1, None, 3]),
        (pandas.Categorical(["x", "y", None]), ["x", "y", None]),
        ([True, None, False], [True, None, False]),
        ([1, "b", 2.5], ["1", "b", "2.5"]),
        (pandas.Series([1, 2.5, None], dtype=object), [1.0, 2.5, None]),
        ([[1, 2], [3], None], [[1, 2], [3], None]),
        ([np.array([1.0, 2.0]), np.array([3.0]), None], [[1.0, 2.0], [3.0], None]),
        ([1.5, float("nan"), 2.0], [1.5, float("nan"), 2.0]),
    ],
)
def test_cells_of_every_kind(column, expected):
    found = cells(c=column)["c"].to_list()
    assert repr(found) == repr(expected)


def test_objects_in_cells_are_unfolded():
    found = cells(data=[{"text": "a"}, None])
    assert (found.columns, found["data.text"].to_list()) == (["data.text"], ["a", None])


def test_times_keep_their_zone_and_periods_begin():
    zone = pandas.date_range("2024-03-31 01:00", periods=3, freq="h", tz="Europe/Berlin")
    found = cells(zone=zone, month=pandas.period_range("2024-01", periods=3, freq="M"))
    hours = [time.hour for time in found["zone"]]
    assert hours == [1, 3, 4]  # of the clock
    assert found["month"][2] == datetime.datetime(2024, 3, 1)


def test_an_index_of_times_is_a_column_and_row_numbers_are_none():
    days = pandas.date_range("2024-01-01", periods=30)
    frame = pandas.DataFrame({"y": np.arange(30.0)}, index=days)
    assert read_series(frame).columns.time == "time"
    assert read_series(frame.rename_axis("day")).columns.time == "day"
    assert read_table(frame.assign(time=1)).names == ["y", "time"]  # the name is taken
    both = pandas.concat({"A": frame, "B": frame}, names=["shop", "day"])
    assert [each.name for each in read_series(both).series] == ["A", "B"]
    assert read_table(frame.reset_index(drop=True)).names == ["y"]
