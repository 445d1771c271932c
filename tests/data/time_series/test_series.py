import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.series import read_series

DATA = Path(__file__).parents[3] / "shared" / "data" / "series"
BERLIN = "Europe/Berlin"


@pytest.fixture
def write(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


LONG = """unique_id,ds,y,price,shop
A,2020-01-01,1,10,north
A,2020-01-02,2,11,north
A,2020-01-03,,12,north
A,2020-01-04,4,13,north
A,2020-01-05,,14,north
B,2020-01-03,7,20,south
B,2020-01-02,6,19,south
"""


def test_long_tables_become_series_on_one_grid(write):
    found = read_series(write(LONG), known=["price"], static=["shop"])
    a, b = found.series
    assert (a.name, b.name) == ("A", "B")
    assert a.values[:, 0].tolist() == [1, 2, 3, 4]  # the gap lies on a line
    assert a.missing[:, 0].tolist() == [False, False, True, False]
    assert a.known["price"] == ["10", "11", "12", "13", "14"]  # the last is the future's
    assert (a.static["shop"], b.static["shop"]) == ("north", "south")
    assert b.values[:, 0].tolist() == [6, 7]  # rows may come in any order
    assert b.start == a.start + 1
    assert (str(found.frequency), found.season) == ("day", 7)
    assert any("'unique_id'" in said for said in found.said)
    assert any("1 of 6 values were missing" in said for said in found.said)


def test_wide_tables_are_several_targets_of_one_series(write):
    text = "date,a,b\n2020-01-01 00:00:00,1,2\n2020-01-01 01:00:00,3,4\n2020-01-01 02:00:00,,6\n"
    found = read_series(write(text))
    assert found.columns.targets == ("a", "b")
    assert found.columns.id is None
    (one,) = found.series
    assert one.values.tolist() == [[1, 2], [3, 4], [3, 6]]  # beyond the end: the last value
    assert one.missing.tolist() == [[False, False], [False, False], [True, False]]


def test_a_plain_column_needs_no_time_and_no_name(write):
    found = read_series(write("1\n2\n3\n1\n2\n3\n1\n2\n3\n1\n2\n3\n1\n2\n3\n"))
    assert found.series[0].values[:4, 0].tolist() == [1, 2, 3, 1]
    assert found.season == 3
    assert found.frequency.unit == "step"


def test_a_row_for_each_series_is_read_as_the_m4_competition_has_it(write):
    text = '"V1","V2","V3","V4","V5"\n"M1",8000,8350,,8570\n"M2",2,3,"",""\n'
    found = read_series(write(text))
    assert [each.name for each in found.series] == ["M1", "M2"]
    assert found.series[0].values[:, 0].tolist() == [8000, 8350, 8460, 8570]
    assert found.series[0].missing[:, 0].tolist() == [False, False, True, False]
    assert found.series[1].values[:, 0].tolist() == [2, 3]
    with pytest.raises(DataError, match=r"row 2, column 'value': '\?0.2' is no number"):
        read_series(write(text.replace("8350", "?0.2")))


def test_gaps_in_time_are_filled_and_marked(write):
    found = read_series(write("ds,y\n2020-01-01,1\n2020-01-02,2\n2020-01-05,5\n2020-01-06,6\n"))
    assert found.series[0].values[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.series[0].missing[:, 0].tolist() == [False, False, True, True, False, False]


def test_irregular_times_are_averaged_onto_the_commonest_step(write):
    text = "ds,y\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 02:00,3\n2020-01-01 02:10,5\n"
    found = read_series(write(text))
    assert found.series[0].values[:, 0].tolist() == [1, 2, 4]
    assert any("no regular grid" in said for said in found.said)


def test_leading_gaps_are_no_part_of_a_series(write):
    found = read_series(write("ds,y\n2020-01-01,\n2020-01-02,2\n2020-01-03,3\n"))
    assert found.series[0].values[:, 0].tolist() == [2, 3]


def test_a_series_without_values_is_left_out_and_named(write):
    text = "id,ds,y\nA,2020-01-01,1\nA,2020-01-02,2\nB,2020-01-01,\nB,2020-01-02,\n"
    found = read_series(write(text))
    assert [each.name for each in found.series] == ["A"]
    assert found.left_out == ["series 'B' is left out: no value of y"]


def test_frames_gzip_parquet_and_json_lines_are_read_alike(write, tmp_path):
    frame = pl.DataFrame({"ds": ["2020-01-01", "2020-01-02"], "y": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    for data in (frame, *(tmp_path / f"a.{end}" for end in ("parquet", "jsonl", "csv.gz"))):
        found = read_series(data)
        assert found.series[0].values[:, 0].tolist() == [1, 2]
        assert str(found.frequency) == "day"


def local_hours(first, last):
    """Return what the clock shows in Berlin at each hour, without an offset, and a column of 1s."""
    hours = pl.datetime_range(first, last, "1h", time_zone="UTC", eager=True)
    clock = hours.dt.convert_time_zone(BERLIN).dt.replace_time_zone(None)
    written = clock.dt.to_string("%Y-%m-%d %H:%M")
    return pl.DataFrame({"ds": written, "y": pl.Series(np.arange(len(hours)), dtype=pl.Float64)})


@pytest.mark.parametrize("month", [3, 10])
@pytest.mark.parametrize("turned", [False, True])
def test_local_times_are_regular_where_daylight_saving_changes(month, turned):
    frame = local_hours(pl.datetime(2024, month, 20), pl.datetime(2024, month, 31, 20))
    frame = frame.reverse() if turned else frame
    found = read_series(frame, time_zone=BERLIN)
    (one,) = found.series
    assert one.values[:, 0].tolist() == list(range(len(frame)))
    assert not one.missing.any()
    assert (found.frequency.zone, found.season, found.frequency.count) == (BERLIN, 24, 3600)
    first = found.frequency.times(np.array([one.start]))[0]
    assert first == np.datetime64(f"2024-{month:02}-20T00:00")
    shift = found.frequency.clock(np.array([one.start]))[0] - first
    assert shift == np.timedelta64({3: 1, 10: 2}[month], "h")
    assert "times are those of Europe/Berlin, daylight saving included" in found.said


def test_an_hour_that_spring_leaves_out_is_noticed():
    frame = local_hours(pl.datetime(2024, 3, 28), pl.datetime(2024, 4, 2))
    hint = "no hour follows 2024-03-31T01:00, as where daylight saving begins"
    assert any(hint in said for said in read_series(frame).said)
    assert not any(hint in said for said in read_series(frame, time_zone=BERLIN).said)
    gap = local_hours(pl.datetime(2024, 2, 28), pl.datetime(2024, 3, 2)).filter(pl.col("y") != 40)
    assert not any("daylight saving" in said for said in read_series(gap).said)


def test_days_of_a_zone_follow_the_clock():
    midnights = pl.datetime_range(
        pl.datetime(2024, 3, 25), pl.datetime(2024, 4, 5), "1d", time_zone=BERLIN, eager=True
    )
    frame = pl.DataFrame({"ds": midnights, "y": pl.Series(range(12), dtype=pl.Float64)})
    for data, zone in ((frame, None), (frame.with_columns(pl.col("ds").cast(pl.String)), BERLIN)):
        found = read_series(data, time_zone=zone)
        assert str(found.frequency) == "day"
        assert not found.series[0].missing.any()
        start = np.array([found.series[0].start])
        assert found.frequency.times(start)[0] == np.datetime64("2024-03-25")


def test_the_zone_of_a_columns_type_is_kept():
    hours = pl.datetime_range(
        pl.datetime(2024, 10, 26), pl.datetime(2024, 10, 28), "1h", time_zone=BERLIN, eager=True
    )
    data = pl.DataFrame({"ds": hours, "y": pl.Series(range(len(hours)), dtype=pl.Float64)})
    pandas = pytest.importorskip("pandas")
    moments = pandas.date_range("2024-10-26", "2024-10-28", freq="h", tz=BERLIN)
    for frame in (data, pandas.DataFrame({"y": np.arange(len(moments))}, index=moments)):
        found = read_series(frame)
        assert found.frequency.zone == BERLIN
        assert not found.series[0].missing.any()
    assert read_series(data, time_zone="America/New_York").frequency.zone == "America/New_York"


def test_rows_of_an_hour_that_never_was_are_left_out_if_empty(write):
    rows = "".join(f"2024-03-31 {hour:02}:00,{hour}\n" for hour in range(6))
    with pytest.raises(DataError, match="row 4, column 'ds': there is no 2024-03-31T02:00:00 in"):
        read_series(write("ds,y\n" + rows), time_zone=BERLIN)
    found = read_series(write("ds,y\n" + rows.replace(",2\n", ",\n")), time_zone=BERLIN)
    assert found.series[0].values[:, 0].tolist() == [0, 1, 3, 4, 5]


def test_a_zone_for_numbered_rows_or_of_no_name_is_refused(write):
    data = write("1\n2\n3\n4\n")
    with pytest.raises(DataError, match="rows are numbered"):
        read_series(data, time_zone=BERLIN)
    with pytest.raises(DataError, match="no such zone"):
        read_series(write("ds,y\n2024-01-01,1\n2024-01-02,2\n"), time_zone="Berlin")


PANEL = """id,ds,y,promo
A,2020-01-01,1,0
A,2020-01-02,2,0
A,2020-01-03,3,1
B,2020-01-01,5,0
B,2020-01-02,6,0
B,2020-01-02,8,0
B,2020-01-03,7,1
C,2020-01-01,1,0
C,2020-01-02,4,0
"""


def test_a_series_with_a_repeated_time_is_left_out_and_named(write):
    found = read_series(write(PANEL))
    assert [each.name for each in found.series] == ["A", "C"]
    (reason,) = found.left_out
    assert reason.startswith("row 7: series 'B' has this time already in row 6: the series is left")


@pytest.mark.parametrize(("rule", "value"), [("mean", 7), ("sum", 14), ("last", 8)])
def test_a_rule_says_which_value_of_a_repeated_time_counts(write, rule, value):
    found = read_series(write(PANEL), repeated=rule)
    assert [each.name for each in found.series] == ["A", "B", "C"]
    assert found.series[1].values[:, 0].tolist() == [5, value, 7]
    assert f"1 row repeats the time of another row of the series: their {rule} counts" in found.said
    assert not found.left_out


def test_repeated_rows_that_agree_count_once(write):
    same = read_series(write(PANEL.replace("B,2020-01-02,8,0", "B,2020-01-02,6,0")))
    assert same.series[1].values[:, 0].tolist() == [5, 6, 7]
    assert any("they agree, and count once" in said for said in same.said)
    told = PANEL.replace("B,2020-01-02,6,0\nB,2020-01-02,8,0", "B,2020-01-02,6,\nB,2020-01-02,,1")
    filled = read_series(write(told), known=["promo"])  # each tells what the other does not
    assert filled.series[1].values[:, 0].tolist() == [5, 6, 7]
    assert filled.series[1].known["promo"] == ["0", "1", "1"]
    other = PANEL.replace("B,2020-01-02,8,0", "B,2020-01-02,6,1")
    assert len(read_series(write(other), known=["promo"]).left_out) == 1
    assert len(read_series(write(other), targets=["y"]).left_out) == 0


def test_repeats_in_half_of_the_series_are_a_wrong_id(write):
    twice = "".join(
        f"{shop},2020-01-0{day},{value}\n" for value in (1, 2) for shop in "AB" for day in (1, 2)
    )
    with pytest.raises(DataError, match="and so for 2 of 2 series; name the column that tells"):
        read_series(write("id,ds,y\n" + twice))
    with pytest.raises(DataError, match="--repeated first: is none of mean, sum, last"):
        read_series(write("id,ds,y\n" + twice), repeated="first")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ds,y\n2020-01-01,1\n2020-01-02,?0.2\n", {}, "row 3, column 'y': '?0.2' is no number"),
        ("ds,y\n2020-01-01,1\n2020-01-02,inf\n", {}, "row 3, column 'y': 'inf' is not finite"),
        ("ds,y\n2020-01-01,1\nsoon,2\n", {}, "row 3, column 'ds': 'soon' is no time"),
        ("ds,y\n2020-01-01,1\n2020-01-01,2\n", {}, "row 3: the series has this time already"),
        ("id,ds,y\nA,1,1\nA,2,2\nA,2,3\n", {}, "row 4: series 'A' has this time already in row 3"),
        (
            "ds,y\n"
            + "".join(f"2024-10-27 0{hour}:00,{k}\n" for k, hour in enumerate((0, 1, 2, 2, 3, 4))),
            {},
            "daylight saving ends, name the zone whose times these are, such as --time-zone",
        ),
        ("ds,y\n2020-01-01,1\n", {}, "at least two"),
        ("ds,y\n", {"time": "ds", "targets": ["y"]}, "has no rows"),
        ("ds,y\n2020-01-01,\n2020-01-02,\n", {}, "no series has a value"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", {"targets": ["z"]}, "--target z: no such column"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", {"time": "when"}, "--time when: no such column"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", {"frequency": "soon"}, "--frequency soon"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", {"season": 0}, "--season 0"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", {"known": ["y"], "targets": ["y"]}, "named twice"),
        ("ds,word\n2020-01-01,a\n2020-01-02,b\n", {}, "no column of numbers"),
        ("id,ds,y\nA,1,1\n,2,2\n", {}, "row 3, column 'id': names no series"),
        (
            "ds,y\n1700-01-01 00:00:00,1\n2020-01-01 00:00:00,2\n2020-01-01 00:00:01,2\n"
            "2020-01-01 00:00:02,3\n",
            {},
            "steps of a second",
        ),
    ],
)
def test_what_cannot_be_used_is_named(write, text, options, message):
    with pytest.raises(DataError) as error:
        read_series(write(text), **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "steps", "targets", "frequency"),
    [
        ("ETTh1.csv", 17420, 7, "hour"),
        ("airline-passengers.csv", 144, 1, "month"),
        ("co2.csv", 2284, 1, "week"),
        ("monthly-sunspots.csv", 2820, 1, "month"),
        ("daily-min-temperatures.csv", 3652, 1, "day"),
        ("exchange_rate.txt.gz", 7588, 8, "step"),
    ],
)
def test_public_series_are_read_without_a_word_from_the_user(name, steps, targets, frequency):
    if not (DATA / name).exists():
        pytest.skip(f"../shared/data/series/{name} is not here")
    found = read_series(DATA / name)
    (one,) = found.series
    assert one.values.shape == (steps, targets)
    assert not np.isnan(one.values).any()
    assert str(found.frequency) == frequency
