"""What cannot be read: each case has an error that names the file, the place and the mend."""

import gzip
import io
import json
import struct
import zipfile

import numpy as np
import polars as pl
import pytest
from scipy.io import savemat

from gatewise.data.labelled.dataset import Preparation, prepare_dataset
from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Roles
from gatewise.data.source import DataError

TS = "@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n"


def idx(shape, content=None, kind=8):
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
    return head + (bytes(int(np.prod(shape))) if content is None else content)


def npz(**arrays):
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def npy(array, pickled=False):
    held = io.BytesIO()
    np.save(held, array, allow_pickle=pickled)
    return held.getvalue()


def mat(**variables):
    held = io.BytesIO()
    savemat(held, variables)
    return held.getvalue()


def parquet():
    held = io.BytesIO()
    pl.DataFrame({"text": ["a", "b"], "label": [1, 2]}).write_parquet(held)
    return held.getvalue()


def zipped():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", "text,label\n")
    return held.getvalue()


RAGGED = np.array([np.zeros(2), np.zeros(3)], object)
WIDE = "a,b,c,label\n1,2,3,x\n4,?0.2,6,y\n"
LONG = "id,step,v,label\n1,1,0.5,x\n1,2,bad,x\n2,1,1,y\n2,2,2,y\n"
TEXTS = "text,label\ngood,1\nbad,0\n"

CASES = {
    # name of the file: contents, roles, what the message says
    "empty.csv": (b"", {}, "the file is empty"),
    "missing.csv": (None, {}, "no such file"),
    "blank.csv": (b"\n\n\n", {}, "no row with anything"),
    "header.csv": (b"text,label\n", {}, "has no rows"),
    "wide.csv": (WIDE, {}, "row 3, column 'b': '?0.2' is no number"),
    "endless.csv": (WIDE.replace("?0.2", "inf"), {}, "row 3, column 'b': 'inf' is not finite"),
    "long.csv": (LONG, {"id": "id", "input": ("v",)}, "row 3, column 'v': 'bad' is no number"),
    "fields.csv": (b"text,label\na,1\nb,2,3\n", {}, "row 3 has 3 fields, the first row 2"),
    "quote.csv": (b'text,label\n"a,1\nb,2\n', {}, "is a quotation mark left open"),
    "unlabelled.csv": (TEXTS, {"label": "lable"}, "no such column (did you mean 'label'?)"),
    "typing.csv": (TEXTS, {"label": "lable", "input": ("text",)}, "did you mean 'label'"),
    "noinput.csv": (TEXTS, {"input": ("words",)}, "--input words: no such column"),
    "noid.csv": (TEXTS, {"id": "series"}, "--id series: no such column"),
    "onlylabel.csv": (b"label\na\nb\n", {}, "which column is the input"),
    "onenumber.parquet": ("one number", {}, "which is no sequence"),
    "separator.csv": (TEXTS, {"separator": ";;"}, "one character, such as ; or a tab"),
    "encoding.csv": (TEXTS, {"encoding": "klingon"}, "not a text encoding"),
    "wrong.csv": ("tëxt,label\na,1\n".encode(), {"encoding": "ascii"}, "cannot be read as ascii"),
    "binary.csv": (bytes(range(256)) * 4, {}, "not a text but a binary file"),
    "cut.csv.gz": (gzip.compress(TEXTS.encode() * 50)[:-20], {}, "cannot be unpacked"),
    "noise.csv.gz": (b"\x1f\x8b" + b"noise" * 9, {}, "cannot be unpacked"),
    "archive.csv": (zipped(), {}, "a zip archive; unpack it"),
    "idgap.csv": (LONG.replace("bad", "1").replace("\n2,1", "\n,1"), {"id": "id"}, "is empty"),
    "cut.parquet": (parquet()[:-9], {}, "not a whole Parquet file"),
    "text.parquet": (b"text,label\n", {}, "not a whole Parquet file"),
    "broken.jsonl": (b'{"text": "a", "label": 1}\n{"text": \n', {}, "row 2 is not JSON"),
    "number.jsonl": (b"12\n", {}, "row 1 is not a JSON object"),
    "list.json": (b"[1, 2]\n", {}, "row 1 is not an object"),
    "open.json": (b'[{"text": "a"}\n', {}, "not JSON"),
    "none.json": (b"[]\n", {}, "the list is empty"),
    "mixed.json": (b'[{"x": [1], "label": "a"}, {"x": "b", "label": 1}]', {}, "make no table"),
    "lists.jsonl": (b'{"x": [], "label": "a"}\n{"x": [1], "label": "b"}\n', {}, "an empty list"),
    "ragged.jsonl": (b'{"x": [[1, 2], [3]], "label": "a"}\n' * 2, {}, "steps of different lengths"),
    "blank.txt": (b" \n\n", {}, "no line with anything"),
    "labels.txt": (b"1 good\n0 bad\n1\n", {"label_place": "first"}, "line 3: '1' is a label"),
    "columns.txt": (b"1 good\n0 bad\n", {"input": ("text",)}, "plain text has no columns"),
    "opened.txt": (b"(3 (2 a) (2 b))\n(3 (2 a)\n", {}, "line 2: 1 brackets are never closed"),
    "closed.txt": (b"(3 (2 a) (2 b)))\n", {}, "line 1: a bracket closes that never opened"),
    "digit.txt": (b"(3 (2 a) (7 b))\n", {}, "line 1: a label is a digit from 0 to 4, not '7'"),
    "hollow.txt": (b"(3 (2 a) (2 ))\n", {}, "line 1: a phrase without words"),
    "outside.txt": (b"(3 (2 a) (2 b)) c\n", {}, "'c' stands outside of the tree"),
    "number.ts": (TS + "1,2:3,x4:a\n", {}, "line 5, channel 2, step 2: 'x4' is no number"),
    "channels.ts": (TS + "1,2:3,4:5,6:a\n", {}, "line 5: 3 channels, where the file has 2"),
    "class.ts": (TS + "1,2:3,4:c\n", {}, "line 5: the label 'c' is none of @classLabel: a b"),
    "steps.ts": (TS + "::a\n", {}, "line 5: a sequence without steps"),
    "nodata.ts": ("@dimensions 2\n", {}, "no line @data"),
    "nolines.ts": (TS, {}, "no line behind @data"),
    "early.ts": ("1,2:a\n" + TS, {}, "line 1: '1,2:a' stands before @data"),
    "dimension.ts": ("@dimensions two\n@data\n1:a\n", {}, "not a number of channels"),
    "infinite.ts": (TS + "1,inf:3,4:a\n", {}, "step 2: 'inf' is not finite"),
    "short-idx3-ubyte": (idx((2, 3, 3))[:-1], {}, "is it cut short"),
    "magic-idx3-ubyte": (b"\1\2\3\4" * 9, {}, "not an idx file"),
    "head-idx3-ubyte": (b"\0\0\x08\x03\0\0", {}, "ends within its header"),
    "flat-idx3-ubyte": (idx((4,)), {}, "not images (number, rows, columns)"),
    "none-idx3-ubyte": (idx((2, 3, 3)), {"label": "gone"}, "gone: no such file"),
    "pickled.npy": (npy(RAGGED, True), {}, "pickled objects, which are never loaded"),
    "pickled.npz": (npz(x=RAGGED, y=[0, 1]), {}, "pickled objects, which are never loaded"),
    "cut.npy": (npy(np.zeros((2, 3)))[:-5], {}, "not a whole NumPy file"),
    "cut.npz": (npz(x=np.zeros((2, 3)), y=[0, 1])[:-30], {}, "not a whole NumPy file"),
    "names.npz": (npz(a=np.zeros((2, 3)), b=[0, 1]), {}, "which array is the input"),
    "gone.npz": (npz(x=np.zeros((2, 3))), {"label": "z"}, "--label z: no such array"),
    "fewer.npz": (npz(x=np.zeros((2, 3)), y=[0, 1, 1]), {}, "3 labels for 2 sequences"),
    "shape.npz": (npz(x=np.zeros((2, 3)), y=np.zeros((2, 2))), {}, "labels are one a sequence"),
    "words.npz": (npz(x=np.array([["a", "b"]]), y=[1]), {}, "sequences are numbers"),
    "lengths.npz": (npz(x=np.zeros((2, 3)), lengths=[1, 9]), {}, "whole numbers from 1 to T"),
    "infinite.npz": (npz(x=np.array([[1, np.inf]]), y=[1]), {}, "a number that is not finite"),
    "noise.mat": (b"MATLAB" * 30, {}, "not a whole MATLAB file"),
    "hdf.mat": (b"MATLAB 7.3".ljust(124) + b"\0\2IM" + bytes(99), {}, "save it again with"),
    "names.mat": (mat(a=np.zeros((2, 3))), {}, "which array is the input"),
    "table.xlsx": (zipped(), {}, "files called .xlsx are not known"),
}


def made(folder, name, content):
    path = folder / name
    if content == "one number":
        pl.DataFrame({"v": [1.5, 2.5, 3.0], "label": ["a", "b", "a"]}).write_parquet(path)
    elif content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def prepared(path, roles, out):
    return prepare_dataset(read_examples(path, roles), None, None, Preparation(), out)


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_read_is_an_error_with_its_place(tmp_path, name):
    content, roles, message = CASES[name]
    path = made(tmp_path, name, content)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(DataError) as caught:
        prepared(path, Roles(**roles), out)
    said = str(caught.value)
    assert message in said
    assert name in said or "gone" in said or "separator" in said or "klingon" in said
    assert "\n" not in said


def test_there_are_enough_cases():
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has no folders with texts"),
        (["a/x.txt", "b.txt"], "a label is either a folder or a file"),
        (["a/x.bin"], "has no folders with texts"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path, names, message):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("words")
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"label_place": "middle"}, "--label-place: 'middle' is none of first, last, none"),
        ({"tree_labels": "many"}, "--tree-labels: 'many' is none of binary, fine"),
        ({"scan": "columns"}, "--scan: 'columns' is none of pixels, rows"),
    ],
)
def test_roles_that_cannot_be(roles, message):
    with pytest.raises(DataError, match=message):
        Roles(**roles)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("good", "a"), ("bad", "a")], {}, "every label is 'a'; to learn a difference"),
        ([("good", ""), ("bad", "")], {}, "no example has a label"),
        ([(f"text {k}", f"l{k}") for k in range(30)], {}, "30 different labels in 30 examples"),
        ([("", "a"), (None, "b")], {"tokens": "words"}, "every text to learn from is empty"),
        ([("good", "1"), ("bad", "x")], {"target": "regression"}, "the label 'x' is no number"),
        ([("good", "1"), ("bad", "inf")], {"target": "regression"}, "'inf' is not finite"),
        ([("good", "1"), ("bad", "1")], {"target": "regression"}, "every label is the same"),
        (
            [("good", "1"), ("bad", "2")],
            {"target": "ordinal", "order": ("1", "3")},
            "not the classes of",
        ),
    ],
)
def test_labels_that_teach_nothing(tmp_path, rows, options, message):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows))
    with pytest.raises(DataError, match=message):
        prepare_dataset(read_examples(path), None, None, Preparation(**options), tmp_path)


def test_validation_data_of_another_kind(tmp_path):
    (tmp_path / "a.csv").write_text(TEXTS)
    (tmp_path / "b.npz").write_bytes(npz(x=np.zeros((2, 3)), y=[0, 1]))
    training, other = (read_examples(tmp_path / name) for name in ("a.csv", "b.npz"))
    with pytest.raises(DataError, match=r"b\.npz holds sequences of 1 channels, .*a\.csv texts"):
        prepare_dataset(training, other, None, Preparation(), tmp_path)


def test_a_label_that_was_never_learned(tmp_path):
    (tmp_path / "a.csv").write_text(TEXTS)
    (tmp_path / "b.csv").write_text("text,label\nso so,2\n")
    training = read_examples(tmp_path / "a.csv")
    other = read_examples(tmp_path / "b.csv", Roles(input=("text",), label="label"))
    with pytest.raises(DataError, match=r"b\.csv: row 2: the label '2' is none of those learned"):
        prepare_dataset(training, other, None, Preparation(), tmp_path)
