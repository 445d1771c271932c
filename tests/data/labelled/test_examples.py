"""Every kind of file is read as what stands in it."""

import gzip
import json
import struct

import numpy as np
import polars as pl
import pytest
from scipy.io import savemat

from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Roles
from gatewise.data.source import DataError

ROWS = [("a fine film", "good"), ("a dull film", "bad"), ("a fine day", "good"), ("dull", "bad")]


def whole(data, part="train", **roles):
    """All inputs and labels, and the examples."""
    examples = read_examples(data, Roles(**roles), part)
    inputs, labels = [], []
    for block in examples.blocks():
        inputs += [each if isinstance(each, str) else each.tolist() for each in block.inputs]
        labels += block.labels or []
    return inputs, labels, examples


def delimited(separator, header=True):
    rows = [("text", "label"), *ROWS] if header else ROWS
    return "".join(separator.join(row) + "\n" for row in rows)


TABLES = {
    "rows.csv": delimited(",").encode(),
    "rows.tsv": delimited("\t").encode(),
    "rows.csv.gz": gzip.compress(delimited(",").encode()),
    "semicolons.csv": delimited(";").encode(),
    "headless.csv": delimited(",", header=False).encode(),
    "windows.csv": delimited(",").replace("\n", "\r\n").encode(),
    "marked.csv": b"\xef\xbb\xbf" + delimited(",").encode(),
    "rows.jsonl": "".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS).encode(),
    "rows.json": json.dumps([{"text": t, "label": y} for t, y in ROWS]).encode(),
    "first.txt": "".join(f"{y} {t}\n" for t, y in ROWS).encode(),
    "last.txt": "".join(f"{t}\t{y}\n" for t, y in ROWS * 6).encode(),
    "fast.txt": "".join(f"__label__{y} {t}\n" for t, y in ROWS).encode(),
}


@pytest.mark.parametrize("name", TABLES)
def test_texts_with_labels(tmp_path, name):
    (tmp_path / name).write_bytes(TABLES[name])
    roles = {"label_place": name.split(".")[0]} if name in ("first.txt", "last.txt") else {}
    inputs, labels, examples = whole(tmp_path / name, **roles)
    assert list(zip(inputs, labels, strict=True))[:4] == ROWS
    assert examples.kind == "text"
    assert examples.labelled


def test_frames_and_parquet(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pl.DataFrame(ROWS, schema=["text", "label"], orient="row")
    frame.write_parquet(tmp_path / "rows.parquet")
    found = pandas.DataFrame(ROWS, columns=["text", "label"])
    for data in (frame, frame.lazy(), found, tmp_path / "rows.parquet"):
        assert list(zip(*whole(data)[:2], strict=True)) == ROWS


def test_an_encoding_is_guessed_and_said(tmp_path):
    (tmp_path / "old.csv").write_bytes("text,label\nfür Übung,a\nschön,b\n".encode("latin-1"))
    inputs, _, examples = whole(tmp_path / "old.csv")
    assert inputs == ["für Übung", "schön"]
    assert any("read as cp1252, a guess" in each for each in examples.said)


def test_what_is_guessed_is_said_and_can_be_named(tmp_path):
    (tmp_path / "a.csv").write_text("topic,words,kind\nx,one two,1\ny,three four,0\nx,five,1\n")
    _, _, examples = whole(tmp_path / "a.csv")
    assert "input words; label kind" in " ".join(examples.said)
    inputs, labels, _ = whole(tmp_path / "a.csv", input=("topic", "words"), label="KIND")
    assert inputs[0] == "x\none two"
    assert labels == ["1", "0", "1"]
    _, labels, _ = whole(tmp_path / "a.csv", label="1", input=("words",))
    assert labels == ["x", "y", "x"]


def test_only_what_can_be_no_class_is_a_missing_label(tmp_path):
    cells = ["a", "NaN", "None", "", "null", "N/A", "-"]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"a word,{y}\n" for y in cells))
    assert whole(tmp_path / "a.csv")[1] == ["a", None, "None", None, None, "N/A", "-"]


def test_a_label_is_no_input():
    frame = pl.DataFrame({"stars": ["1", "2"] * 9, "text": ["a fine film", "a dull film"] * 9})
    with pytest.raises(DataError, match="'stars' is both input and label"):
        read_examples(frame, Roles(input=("text", "stars"), label="stars"))


def test_texts_that_have_a_repeated_id_are_texts(tmp_path):
    rows = [f"{k % 3},{k / 2},text number {k},{k % 2}" for k in range(12)]
    (tmp_path / "a.csv").write_text("\n".join(["series,score,text,label", *rows]))
    inputs, _, examples = whole(tmp_path / "a.csv")
    assert examples.kind == "text"
    assert inputs[1] == "text number 1"


def test_rows_that_are_steps(tmp_path):
    text = "id,time,v,w,label\n" + "".join(
        f"{k},{t},{10 * k + t},{t / 2},{'ab'[k]}\n" for k in (0, 1) for t in (0, 1, 2)
    )
    (tmp_path / "long.csv").write_text(text)
    inputs, labels, examples = whole(tmp_path / "long.csv")
    assert inputs[1] == [[10.0, 0.0], [11.0, 0.5], [12.0, 1.0]]
    assert labels == ["a", "b"]
    assert examples.channels == ("v", "w")


def test_what_changes_where_steps_begin_anew_says_which_rows_are_one_sequence():
    lengths = {"w1": 3, "w2": 11, "w3": 10}
    steps = [(window, t) for window, length in lengths.items() for t in range(length)]
    rows = [(name, str(t), t / 4, -t, f"run {name}", name in ("w1", "w2")) for name, t in steps]
    names = ["window", "step", "x", "y", "activity", "indoors"]
    frame = pl.DataFrame(rows, schema=names, orient="row").rename({"y": "z"})
    inputs, labels, examples = whole(frame.drop("activity"), label="indoors")
    assert "sequences by window; ordered by step" in " ".join(examples.said)
    assert (len(inputs), labels) == (3, ["true", "true", "false"])
    assert examples.channels == ("x", "z")
    assert whole(frame)[1] == ["run w1", "run w2", "run w3"]
    single = frame.filter(pl.col("window") == "w2")  # no time begins anew
    assert whole(single, label="indoors")[2].roles.id is None


@pytest.mark.parametrize(
    "names", [["run", "time", "x", "z", "state"], ["trip", "state", "time", "x", "z"]]
)
def test_a_label_is_found_though_rows_are_sorted_by_it(names):
    """Of 1,800 rows the first thousand have one label alone, and each run has one."""
    steps = [(f"{state}{k}", state, t) for state in "abc" for k in range(30) for t in range(20)]
    rows = [
        {"run": run, "trip": run, "state": state, "time": t, "x": t / 3, "z": -t}
        for run, state, t in steps
    ]
    frame = pl.DataFrame(rows).select(names)
    inputs, labels, examples = whole(frame)
    assert examples.roles.id == names[0]
    assert (len(inputs), labels) == (90, ["a"] * 30 + ["b"] * 30 + ["c"] * 30)
    texts = pl.DataFrame({"n": range(2_000), "what": ["it"] * 2_000, "tag": ["b", "a"] * 1_000})
    assert whole(texts.sort("tag"))[2].roles.label == "tag"


def test_steps_come_together_and_in_order(tmp_path):
    rows = [("b", 10, 3.0, 0), ("a", 2, 1.0, 0), ("b", 9, 2.0, 1), ("a", 1, 0.0, 1)]
    frame = pl.DataFrame(rows, schema=["unit", "cycle", "v", "life"], orient="row")
    inputs, labels, _ = whole(frame, id="unit", time="cycle", label="life", input=("v",))
    assert inputs == [[[2.0], [3.0]], [[0.0], [1.0]]]
    assert labels == ["0", "0"]  # of the last row
    written = frame.with_columns(pl.col("cycle").cast(pl.String))
    assert whole(written, id="unit", time="cycle", label="life", input=("v",))[0] == inputs


def test_rows_that_are_sequences(tmp_path):
    (tmp_path / "ucr.tsv").write_text("1\t0.5\t1.5\t2\n2\t3\t?\t4\n1\t5\t6\t\n2\t1\t1\t1\n")
    inputs, labels, examples = whole(tmp_path / "ucr.tsv", label="1")
    assert inputs[0] == [[0.5], [1.5], [2.0]]
    assert np.isnan(inputs[1][1][0])
    assert inputs[2] == [[5.0], [6.0]]  # nothing is missing behind its end
    assert labels == ["1", "2", "1", "2"]
    assert "no row names the columns" in examples.said


def test_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("a;b;label\n1,5;2;x\n2,5;3,25;y\n")
    assert whole(tmp_path / "a.csv")[0] == [[[1.5], [2.0]], [[2.5], [3.25]]]


def test_lists_in_rows(tmp_path):
    rows = [{"x": [[1, 2], [3, 4]], "label": "a"}, {"x": [[5, None]], "label": "b"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    inputs, _, examples = whole(tmp_path / "a.jsonl")
    assert inputs[0] == [[1.0, 2.0], [3.0, 4.0]]
    assert np.isnan(inputs[1][0][1])
    assert len(examples.channels) == 2


def test_plain_texts_without_labels(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"this is line number {k} of it\n" for k in range(40)))
    inputs, labels, examples = whole(tmp_path / "a.txt")
    assert len(inputs) == 40
    assert labels == []
    assert not examples.labelled


TREES = "(3 (2 It) (4 (2 's) (4 lovely)))\n(2 (2 A) (2 film))\n(0 (1 Bad) (2 -LRB-))\n"


def test_trees(tmp_path):
    (tmp_path / "trees.txt").write_text(TREES)
    inputs, labels, examples = whole(tmp_path / "trees.txt")
    assert list(zip(inputs, labels, strict=True)) == [
        ("It 's lovely", "positive"),
        ("'s lovely", "positive"),
        ("lovely", "positive"),
        ("Bad (", "negative"),
        ("Bad", "negative"),
    ]
    block = next(examples.blocks())
    assert list(block.groups) == [1, 1, 1, 3, 3]
    assert list(block.measured) == [True, False, False, True, False]
    assert whole(tmp_path / "trees.txt", "test")[0] == ["It 's lovely", "Bad ("]
    assert whole(tmp_path / "trees.txt", phrases=False)[0] == ["It 's lovely", "Bad ("]
    fine = whole(tmp_path / "trees.txt", "test", tree_labels="fine")[1]
    assert fine == ["positive", "neutral", "very negative"]


def test_folders(tmp_path):
    for name, text in (("good/1.txt", "fine\nfilm"), ("good/2.txt", "fine"), ("bad/1.txt", "dull")):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "a" / name).write_text(text)
    (tmp_path / "a" / ".hidden").write_text("x")
    assert whole(tmp_path / "a")[:2] == (["dull", "fine\nfilm", "fine"], ["bad", "good", "good"])
    assert places(tmp_path / "a") == ["bad/1.txt", "good/1.txt", "good/2.txt"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "Czech.txt").write_text("Abl\n\nAdsit\n")
    (tmp_path / "b" / "Greek.txt").write_text("Chrysanthopoulos\n")
    assert whole(tmp_path / "b")[1] == ["Czech", "Czech", "Greek"]
    assert places(tmp_path / "b") == ["Czech.txt:1", "Czech.txt:3", "Greek.txt:1"]


def places(path):
    return list(next(read_examples(path, Roles()).blocks()).ids or ())


def test_archives(tmp_path):
    head = "#c\n@problemName a\n@dimensions 2\n@classLabel true a b\n@data\n"
    (tmp_path / "a.ts").write_text(head + "1,2,3:4,?,6:a\n7:8,9:b\n")
    inputs, labels, _ = whole(tmp_path / "a.ts")
    assert inputs[0][0] == [1.0, 4.0]
    assert np.isnan(inputs[0][1][1])
    assert np.isnan(inputs[1][1][0])  # a channel that ends earlier
    assert labels == ["a", "b"]
    timed = "@timestamps true\n@univariate true\n@targetlabel true\n@data\n"
    (tmp_path / "b.ts").write_text(timed + "(2004-10-01 01:00:00,5),(2004-10-01 02:00:00,6):1.5\n")
    inputs, labels, examples = whole(tmp_path / "b.ts")
    assert inputs == [[[5.0], [6.0]]]
    assert labels == ["1.5"]
    assert "the times of the steps are left out" in examples.said


def test_images(tmp_path):
    pixels = bytes(range(12))
    images = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 2, 3) + pixels
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 2) + bytes([7, 3])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    assert not read_examples(path).labelled
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    inputs, found, _ = whole(path)
    assert np.array(inputs).shape == (2, 6, 1)
    assert found == ["7", "3"]
    rows = whole(path, scan="rows")[0]
    assert rows[1] == [[6, 7, 8], [9, 10, 11]]
    assert next(read_examples(path).blocks()).inputs[0].dtype == np.uint8


def test_arrays(tmp_path):
    x, y = np.arange(12.0).reshape(2, 3, 2), np.array([1.0, 0.0])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    assert whole(tmp_path / "a.npz")[:2] == (x.tolist(), ["1", "0"])
    assert whole(tmp_path / "a.npz", "test")[:2] == (x[:1].tolist(), ["1"])
    np.savez(tmp_path / "b.npz", x=x, y=["a", "b"], lengths=[1, 3])
    inputs, labels, _ = whole(tmp_path / "b.npz")
    assert inputs == [x[0, :1].tolist(), x[1].tolist()]
    assert labels == ["a", "b"]
    turned = whole(tmp_path / "a.npz", channels_first=True)[0]
    assert turned == x.transpose(0, 2, 1).tolist()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    assert not read_examples(tmp_path / "x.npy").labelled
    assert whole(tmp_path / "x.npy", label=str(tmp_path / "y.npy"))[1] == ["1", "0"]


def test_matlab_cells(tmp_path):
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.ones((3, 2)), np.zeros((1, 2))
    savemat(tmp_path / "a.mat", {"data": cells, "labels": np.array([[1], [2]])})
    inputs, labels, _ = whole(tmp_path / "a.mat")
    assert [np.shape(each) for each in inputs] == [(3, 2), (1, 2)]
    assert labels == ["1", "2"]


def test_lists():
    inputs, labels, examples = whole(["one", "two"])
    assert (inputs, labels, examples.labelled) == (["one", "two"], [], False)
    examples = read_examples([np.zeros((3, 2)), np.ones((1, 2))])
    assert (examples.kind, len(examples.channels)) == ("numbers", 2)


def test_a_large_table_comes_in_blocks(tmp_path):
    count = 45_000
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"t{k},{k % 2}\n" for k in range(count))
    )
    blocks = list(read_examples(tmp_path / "a.csv").blocks())
    assert len(blocks) > 1
    assert sum(len(block.inputs) for block in blocks) == count
    rows = [row for block in blocks for row in block.rows]
    assert rows == list(range(2, count + 2))


@pytest.mark.parametrize("name", ["lengths", "offsets"])
@pytest.mark.parametrize("channels", [(), (2,)])
def test_arrays_that_stand_one_behind_another(tmp_path, name, channels):
    sequences = [np.random.rand(steps, *channels).astype(np.float32) for steps in (3, 1, 4)]
    ends = {"lengths": [3, 1, 4], "offsets": [0, 3, 4, 8]}[name]
    arrays = {"values": np.concatenate(sequences), name: np.array(ends), "y": np.array([0, 1, 0])}
    np.savez(tmp_path / "a.npz", **arrays)
    inputs, labels, _ = whole(tmp_path / "a.npz")
    assert labels == ["0", "1", "0"]
    for found, wanted in zip(inputs, sequences, strict=True):
        np.testing.assert_array_equal(found, wanted.reshape(len(wanted), -1))


def test_irregular_times_are_a_channel(tmp_path):
    rows = [("a", 0.0, 5.0), ("b", 2.0, 7.0), ("a", 3.5, 6.0), ("a", 1.0, 1.0), ("b", 9.0, 8.0)]
    frame = pl.DataFrame(rows, schema=["id", "time", "v"], orient="row").with_columns(
        label=pl.lit("x")
    )
    examples = read_examples(frame)
    assert examples.channels == ("v", "time since the step before")
    assert examples.roles.intervals
    assert any("irregular intervals" in each for each in examples.said)
    inputs = [each.tolist() for block in examples.blocks() for each in block.inputs]
    assert inputs == [[[5, 0], [1, 1], [6, 2.5]], [[7, 0], [8, 7]]]
    assert read_examples(frame, Roles(intervals=False)).channels == ("v",)
    days = pl.Series(["2024-01-01", "2024-02-01", "2024-03-15", "2024-02-01", "2024-03-31"])
    written = next(read_examples(frame.with_columns(time=days)).blocks())
    assert written.inputs[1][:, 1].tolist() == [0, 59 * 86_400]  # in seconds


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"],
        [0.0, 0.1, 0.2, 0.3, 0.4],
        ["10:00", "soon", "later", "then", "now"],
    ],
)
def test_regular_times_are_no_channel(times):
    frame = pl.DataFrame({"id": ["a"] * 5 + ["b"] * 5, "time": times * 2, "v": range(10)})
    assert read_examples(frame.with_columns(label=pl.lit("x"))).channels == ("v",)
    with pytest.raises(DataError, match="--intervals needs"):
        read_examples(pl.DataFrame({"text": ["a b"] * 3}), Roles(intervals=True))


def test_a_column_between_others_is_the_label_where_it_alone_has_few_values(tmp_path):
    rows = [{"words": f"it is {k}", "kind": "ab"[k % 2], "score": k / 7} for k in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    inputs, labels, _ = whole(tmp_path / "a.jsonl")
    assert inputs[3] == "it is 3"
    assert labels[:3] == ["a", "b", "a"]


@pytest.mark.parametrize("roles", [{}, {"input": ("data.text",), "label": "data.meta.label"}])
def test_texts_and_labels_may_stand_in_objects(tmp_path, roles):
    rows = [
        {"key": "k", "data": {"text": f"it is {k}", "meta": {"label": "ab"[k % 2]}}}
        for k in range(20)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    inputs, labels, _ = whole(tmp_path / "a.jsonl", **roles)
    assert inputs[3] == "it is 3"
    assert labels[:3] == ["a", "b", "a"]


def test_the_name_of_a_row_of_numbers_is_no_input():
    numbers = {f"d{k}": np.arange(6.0) + k for k in range(3)}
    names = {"account": [f"A{k}" for k in range(6)]}
    frame = pl.DataFrame({**names, **numbers, "fraud": [0, 1] * 3})
    assert read_examples(frame).roles.input == ("d0", "d1", "d2")
