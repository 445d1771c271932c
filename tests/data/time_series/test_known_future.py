import polars as pl
import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.covariates import find_encoding
from gatewise.data.time_series.known_future import leave_out_untold
from gatewise.data.time_series.series import read_series
from tests.frames import long_frame


def read(**known):
    """Series of four steps, with what is known of them and of what follows."""
    frame = long_frame(**{name: [1, 2, 3, 4, *[None] * (len(v) - 4)] for name, v in known.items()})
    values = [value for each in known.values() for value in each]
    return read_series(frame.with_columns(word=pl.Series(values)), known=("word",))


def names(series):
    return [each.name for each in series.series]


def test_a_series_is_left_out_where_a_step_to_forecast_is_not_told():
    encodings = [find_encoding("word", ["a", "b"])]
    series = read(A=[*"abab", "a", "b"], B=[*"abab", "a", None], C=[*"abab", "a"])
    left = leave_out_untold(series, encodings, 2)
    assert names(left) == ["A"]
    assert [said.partition(", but 2 steps")[0] for said in left.left_out] == [
        f"not forecast: covariate 'word' of series {name!r} has no value at 2020-01-06"
        for name in "BC"
    ]
    assert series.left_out == []


def test_an_empty_cell_counts_where_there_were_some_in_training():
    encodings = [find_encoding("word", ["party", None])]
    series = read(A=["party", None, None, None, None, None], B=["party", *[None] * 4])
    left = leave_out_untold(series, encodings, 2)
    assert names(left) == ["A"]  # the file has rows for both of its steps, and none for one of B's
    assert "'B' has no value at 2020-01-06" in left.left_out[0]


def test_nothing_to_forecast_is_an_error():
    encodings = [find_encoding("word", ["a", "b"])]
    with pytest.raises(DataError, match=r"of series 'A' has .*; no other of 2 series can be"):
        leave_out_untold(read(A=[*"abab"], B=[*"abab"]), encodings, 1)
