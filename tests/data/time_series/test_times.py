import numpy as np
import polars as pl
import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.times import read_times


def place(at):
    return f"file: row {at + 2}, column 'ds'"


def read(values, form=None, **kind):
    return read_times(pl.Series(values, **kind), place, form).values


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["2020-03-01", "2020-03-02"], "2020-03-01"),
        (["2020/03/01", "2020/03/02"], "2020-03-01"),
        (["01.03.2020", "02.03.2020"], "2020-03-01"),
        (["2020-03-01 05:00", "2020-03-01 06:00"], "2020-03-01T05"),
        (["2020-03-01 05:00:00", "2020-03-01 06:00:00"], "2020-03-01T05"),
        (["2020-03-01T05:00:00.250", "2020-03-01T06:00:00"], "2020-03-01T05:00:00.25"),
        (["2020-03-01T05:00:00Z", "2020-03-01T06:00:00Z"], "2020-03-01T05"),
        (["2020-03-01T05:00:00+02:00", "2020-03-01T06:00:00+02:00"], "2020-03-01T03"),
        (["2020-03-01T05:00+02:00", "2020-03-01T06:00Z"], "2020-03-01T03"),
        (["2020-03-01 05:00+0200", "2020-03-01 05:00-05:00"], "2020-03-01T03"),
        (["13/03/2020", "14/03/2020"], "2020-03-13"),
        (["3/13/2020 1:05 PM", "3/14/2020 12:30 AM"], "2020-03-13T13:05"),
        (["3/13/2020 11:05:30 AM", "3/13/2020 1:05:00 PM"], "2020-03-13T11:05:30"),
        (["Mar 1, 2020", "March 02, 2020"], "2020-03-01"),
        (["1 Mar 2020", "12 March 2020"], "2020-03-01"),
        (["01-Mar-2020 05:00", "02-Mar-2020 05:00"], "2020-03-01T05"),
        (["03/13/2020", "03/14/2020"], "2020-03-13"),
        (["2020-03", "2020-04"], "2020-03-01"),
        (["2020M3", "2020M4"], "2020-03-01"),
        (["2020Q2", "2020-Q3"], "2020-04-01"),
        (["20200301", "20200302"], "2020-03-01"),
        ([20200301, 20200302], "2020-03-01"),
        ([202003, 202004], "2020-03-01"),
        (["1958", "1959"], "1958-01-01"),
        ([1958.0, 1959.0], "1958-01-01"),
        ([1583020800, 1583024400], "2020-03-01"),
        ([1583020800000, 1583024400000], "2020-03-01"),
    ],
)
def test_times_are_read_however_they_are_written(written, meant):
    found = read(written)
    assert found.dtype == "datetime64[us]"
    assert found[0] == np.datetime64(meant)
    assert found[1] > found[0]


@pytest.mark.parametrize(
    ("written", "absolute"),
    [
        (["2020-03-01"], False),
        (["2020-03-01 05:00:00"], False),
        (["2020-03-01T05:00:00"], False),
        (["2020-03-01T05:00:00Z"], True),
        (["2020-03-01 05:00:00.5 +02:00"], True),
        (["2020-03-01T05:00-05:00"], True),
        (["1583020800"], True),
        (["20200301"], False),
    ],
)
def test_times_with_an_offset_are_moments_and_others_what_a_clock_shows(written, absolute):
    assert read_times(pl.Series(written), place).absolute is absolute


def test_small_whole_numbers_count_steps():
    assert read([1, 2, 5]).tolist() == [1, 2, 5]
    assert read(["1", "2", "5"]).tolist() == [1, 2, 5]


def test_typed_columns_are_taken_in_utc():
    column = pl.Series(["2020-03-01 01:00"]).str.to_datetime().dt.replace_time_zone("Europe/Berlin")
    assert read_times(column, place).values[0] == np.datetime64("2020-03-01T00")


def test_a_form_of_ones_own():
    found = read(["01-Mar-20 05:07"], "%d-%b-%y %H:%M")
    assert found[0] == np.datetime64("2020-03-01T05:07")


@pytest.mark.parametrize(
    ("written", "form", "message"),
    [
        (["2020-03-01", None], None, "row 3, column 'ds': no time"),
        (["2020-03-01", "soon"], None, "row 3, column 'ds': 'soon' is no time that can be read"),
        (["2020-03-01", "2020-02-30"], None, "row 3, column 'ds': '2020-02-30'"),
        (["01/02/2020", "03/04/2020"], None, "day/month or month/day"),
        (["2020-03-01"], "%d.%m.%Y", "does not follow %d.%m.%Y"),
        ([1.0, 2.5], None, "row 3, column 'ds': 2.5 is no time"),
        ([True, False], None, "no kind of time"),
    ],
)
def test_what_is_no_time_is_named(written, form, message):
    with pytest.raises(DataError) as error:
        read(written, form, strict=False)
    assert message in str(error.value)
