import polars as pl
import pytest

from gatewise.data.source import DataError
from gatewise.data.tables.table_file import read_table
from gatewise.data.time_series.series import read_series


def numbers(*cells, **others):
    """Return a column of texts as numbers, and what is said of it."""
    table = read_table(pl.DataFrame({"v": cells, **others}))
    return table.number(table.collect(), "v").to_list(), table.say_notations(["v"])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["49,607.67", "1,234", "5"], [49607.67, 1234, 5]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["1,234", "12.5"], [1234, 12.5]),  # the point tells what the comma is
        (["12,34,567.5", "1,00,000"], [1234567.5, 100000]),  # of India
        (["1.234,5", "1.234", "7"], [1234.5, 1234, 7]),
        (["1,5", "2", "0,125"], [1.5, 2, 0.125]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["1234,567", "1,234"], [1234.567, 1.234]),
        (["1.234.567", "12"], [1234567, 12]),
        (["1 234,5", "12 345,0"], [1234.5, 12345]),
        (["1\u202f234.5", "12\u00a0345.0"], [1234.5, 12345]),
        (["1'234.50", "12’345.00"], [1234.5, 12345]),
        (["12 %", "7.5%", ""], [12, 7.5, None]),
        (["$5", "$1,234.50", "-$2", "$-3", "n/a"], [5, 1234.5, -2, -3, None]),
        (["5 €", "1.234,50 €"], [5, 1234.5]),
        (["(1,234.5)", "2", "−3"], [-1234.5, 2, -3]),
        (["1,5e3", "-2e-1", "+1"], [1500, -0.2, 1]),
    ],
)
def test_what_can_be_meant_in_one_way_is_read(cells, expected):
    found, said = numbers(*cells)
    assert found == [None if each is None else pytest.approx(each) for each in expected]
    assert said[0].startswith("numbers of column 'v': ")


def test_what_is_read_is_said():
    assert numbers("49,607.67")[1] == ["numbers of column 'v': '49,607.67' is read as 49607.67"]
    assert numbers("5", "-2e3", "NA")[1] == []


def test_other_columns_of_the_table_tell_what_a_comma_is():
    assert numbers("1,234", other=["49,607.67"])[0] == [1234]
    assert numbers("1,234", other=["12.5"])[0] == [1234]
    assert numbers("1,234", other=["12,5"])[0] == [1.234]
    with pytest.raises(DataError, match=r"may be 1234 or 1\.234"):
        numbers("1,234", "5", price=["12,5", "1"], other=["12.5", "1"])


def test_semicolons_between_fields_go_with_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("v;w\n1,234;x\n2,345;y\n")
    table = read_table(tmp_path / "a.csv")
    assert table.number(table.collect(), "v").to_list() == [1.234, 2.345]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["5", "1,234"], "row 2, column 'v': '1,234' may be 1234 or 1.234, and no other number"),
        (["1.234 €"], "row 1, column 'v': '1.234 €' may be 1.234 or 1234, and no other"),
        (["1,5", "2", "12.5"], "row 3, column 'v': '12.5' has another decimal mark than '1,5'"),
        (["12 %", "0.12"], "row 2, column 'v': '0.12' has another unit than '12 %' in row 1"),
        (["$5", "5 €"], "row 2, column 'v': '5 €' has another unit than '$5' in row 1"),
        (["1,5", "two"], "row 2, column 'v': 'two' is no number"),
        (["1,234.5", "12,34.5"], "row 2, column 'v': '12,34.5' is no number"),
        (["$5", "(6"], "row 2, column 'v': '(6' is no number"),
        (["1,5", "1 2 3"], "row 2, column 'v': '1 2 3' is no number"),
    ],
)
def test_what_may_mean_this_or_that_is_refused(cells, message):
    with pytest.raises(DataError) as error:
        numbers(*cells)
    assert message in str(error.value)


def test_the_whole_column_tells_not_a_block_of_it():
    cells = ["1.234"] * 3 + ["1.234,5"]
    table = read_table(pl.DataFrame({"v": cells}))
    blocks = [table.number(block, "v") for block in table.blocks(2)]
    assert pl.concat(blocks).to_list() == [1234, 1234, 1234, 1234.5]


def test_series_and_covariates_are_read_so(tmp_path):
    rows = "".join(f'2020-01-{k:02},"1,0{k}.5","${k}",{k}%\n' for k in range(10, 20))
    (tmp_path / "a.csv").write_text("ds,y,price,share\n" + rows)
    found = read_series(tmp_path / "a.csv", known=["price"], static=["share"])
    assert found.columns.targets == ("y",)
    assert found.series[0].values[:2, 0].tolist() == [1010.5, 1011.5]
    assert found.series[0].known["price"][:2] == [10, 11]
    assert found.series[0].static["share"] == 10
    assert "numbers of column 'y' and 2 more: '1,010.5' is read as 1010.5" in found.said
