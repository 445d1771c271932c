import gzip
import json
import lzma

import polars as pl
import pytest

from gatewise.data.source import DataError, ending, open_unpacked
from gatewise.data.tables.delimited import guess_header, guess_separator
from gatewise.data.tables.table import ROW, FrameContents
from gatewise.data.tables.table_file import read_table


def table(folder, text, name="a.csv", **options):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, **options)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["text,label", "good,1"], True),
        (["good,1", "bad,0"], False),
        (["0,1,2,3", "5.5,6,7,8"], True),  # names that a program gave
        (["1,0.5,1.5,2", "2,3,4,5"], False),
        (["1,2,3", "4,5,6"], False),
        (["a,x", "b,y", "a,y"], False),  # a value that comes again is no name
        (["name,kind", "a,x", "b,y"], True),
    ],
)
def test_a_header_is_guessed(tmp_path, rows, expected):
    assert guess_header([row.split(",") for row in rows]) is expected
    said = table(tmp_path, "\n".join(rows)).said[0]
    assert said == ("the first row names the columns" if expected else "no row names the columns")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_separator_is_guessed(separator):
    lines = [separator.join(("a word; or, two", "b", "c")), separator.join(("1", "2", "3"))]
    lines = [line if separator not in ",;" else line.replace("; or, two", "") for line in lines]
    assert guess_separator(lines * 3) == separator


def test_rows_count_as_the_file_does(tmp_path):
    assert table(tmp_path, "a,b\n1,x\n2,y\n").head()[ROW].to_list() == [2, 3]
    assert table(tmp_path, "1,x\n2,x\n").head()[ROW].to_list() == [1, 2]
    assert table(tmp_path, '{"a": 1}\n{"a": 2}\n', "a.jsonl").head()[ROW].to_list() == [1, 2]
    assert read_table(pl.DataFrame({"a": [5]})).head()[ROW].to_list() == [1]


def test_numbers_with_gaps(tmp_path):
    made = table(tmp_path, "v,w\n1,a\nNA,b\n ?,c\n-2e3,d\nnull,e\n,f\n")
    block = made.collect()
    expected = [1.0, None, None, -2000.0, None, None]
    assert made.numbers(block, ["v"])["v"].to_list() == expected
    with pytest.raises(DataError, match=r"a\.csv: row 2, column 'w': 'a' is no number"):
        made.numbers(block, ["w"])
    dates = read_table(pl.DataFrame({"d": ["2020-01-01"]}).with_columns(pl.col("d").str.to_date()))
    with pytest.raises(DataError, match="column 'd' holds Date, not numbers"):
        dates.numbers(dates.collect(), ["d"])


def test_columns_are_found_by_name_and_number(tmp_path):
    made = table(tmp_path, "First,second,7\n1.5,2,3\n", header=True)
    assert made.find("first", "--x") == "First"
    assert made.find("2", "--x") == "second"
    assert made.find("7", "--x") == "7"
    with pytest.raises(DataError, match=r"--x secnd: no such column \(did you mean 'second'\?\)"):
        made.find("secnd", "--x")


@pytest.mark.parametrize(("packer", "suffix"), [(gzip, ".gz"), (lzma, ".xz")])
def test_packed_files(tmp_path, packer, suffix):
    made = table(tmp_path, packer.compress(b"a,b\n1,2\n3,4\n"), f"a.csv{suffix}", header=True)
    assert made.numbers(made.collect(), ["b"])["b"].to_list() == [2.0, 4.0]
    assert ending(tmp_path / f"A.CSV{suffix}") == ".csv"
    with open_unpacked(tmp_path / f"a.csv{suffix}") as file:
        assert file.read() == b"a,b\n1,2\n3,4\n"


def test_copies_go_with_the_table(tmp_path):
    made = table(tmp_path, gzip.compress(b"a,b\n1,2\n"), "a.csv.gz", header=True)
    copy = made.text.path
    assert copy.exists()
    del made
    assert not copy.exists()


def test_text_in_quotes_may_have_newlines(tmp_path):
    made = table(tmp_path, 'text,label\n"two\nlines, ""so""",1\nb,0\n')
    assert made.collect()["text"].to_list() == ['two\nlines, "so"', "b"]


def test_short_rows_have_missing_values(tmp_path):
    made = table(tmp_path, "a,b\n1.5,2\n3\n", header=True)
    assert made.numbers(made.collect(), ["b"])["b"].to_list() == [2.0, None]


def test_a_frame_is_known_by_its_contents():
    one, two = (pl.DataFrame({"a": [1, k]}) for k in (2, 3))
    contents = [FrameContents(read_table(each)).stamp() for each in (one, one.clone(), two)]
    assert contents[0] == contents[1] != contents[2]


ROWS = [
    {"id": 1, "data": {"text": "good", "by": {"age": 7}}, "label": {"kind": "a"}},
    {"id": 2, "data": None, "label": {"kind": "b"}},
]


@pytest.mark.parametrize("form", ["lines", "list", "parquet", "frame"])
def test_values_in_objects_are_columns_named_by_their_paths(tmp_path, form):
    frame = pl.DataFrame(ROWS)
    if form == "parquet":
        frame.write_parquet(tmp_path / "a.parquet")
    text = json.dumps(ROWS) if form == "list" else "\n".join(map(json.dumps, ROWS))
    (tmp_path / "a.jsonl").write_text(text)
    files = {"parquet": tmp_path / "a.parquet", "frame": frame}
    found = read_table(files.get(form, tmp_path / "a.jsonl"))
    assert found.names == ["id", "data.text", "data.by.age", "label.kind"]
    assert found.head().drop(ROW).rows() == [(1, "good", 7, "a"), (2, None, None, "b")]
    assert found.find("Data.Text", "--input") == "data.text"
    assert found.find("kind", "--label") == "label.kind"
    message = r"--input data.txt: no such .*mean 'data.text'\?\); .* id, data.text, data.by.age"
    with pytest.raises(DataError, match=message):
        found.find("data.txt", "--input")


def test_a_path_that_is_a_column_already_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"data": {"text": "a"}, "data.text": "b"}))
    with pytest.raises(DataError, match=r"a.jsonl: two columns are called 'data.text'"):
        read_table(tmp_path / "a.jsonl")


@pytest.mark.parametrize("separator", ["^", "~", ":"])
def test_an_unusual_separator_is_found_where_every_row_has_it(tmp_path, separator):
    rows = [
        ["what", "said"],
        ["lamp", "good, really; good"],
        ["a|b", '"it\nfell, twice"'],
        ["c", ","],
    ]
    path = tmp_path / "a.csv"
    path.write_text("".join(separator.join(row) + "\n" for row in rows * 3))
    table = read_table(path, header=True)
    assert table.names == ["what", "said"]
    assert f"fields are separated by {separator!r}" in table.said


def test_a_column_of_times_is_no_two_columns(tmp_path):
    (tmp_path / "a.csv").write_text("time,value\n12:30,1\n12:31,2\n")
    assert read_table(tmp_path / "a.csv").names == ["time", "value"]
    (tmp_path / "b.csv").write_text("time\n12:30\n12:31\n")
    assert read_table(tmp_path / "b.csv").names == ["time"]
