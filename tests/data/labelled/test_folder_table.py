"""Folders of tables: each file is a sequence, labelled with its folder."""

import pytest

from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Roles
from gatewise.data.source import DataError


def write_recordings(folder):
    """Two recordings of one machine and one of another, the steps of the first out of order."""
    rows = {
        "ok/1.csv": "time,speed,heat\n2,0.2,20\n1,0.1,19\n10,0.3,21\n",
        "ok/later/2.csv": "time,speed,heat\n1,5,18\n2,6,17\n3,7,16\n",
        "worn/1.csv": "heat,time,speed\n30,1,9\n,2,8\n",
    }
    for name, text in rows.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "README.md").write_text("what was measured, and where")
    return folder


def whole(path, part="train", **roles):
    examples = read_examples(path, Roles(**roles), part)
    blocks = list(examples.blocks())
    inputs = [each.tolist() for block in blocks for each in block.inputs]
    labels = [label for block in blocks for label in block.labels or ()]
    return inputs, labels, [each for block in blocks for each in block.ids or ()], examples


def test_each_file_is_a_sequence_labelled_with_its_folder(tmp_path):
    inputs, labels, places, examples = whole(write_recordings(tmp_path), intervals=False)
    assert examples.channels == ("speed", "heat")
    assert labels == ["ok", "ok", "worn"]
    assert places == ["ok/1.csv", "ok/later/2.csv", "worn/1.csv"]
    assert [step[1] for step in inputs[0]] == [19.0, 20.0, 21.0]  # in the order of time
    assert [step[0] for step in inputs[2]] == [9.0, 8.0]
    assert len(examples.files) == 3


def test_new_files_are_read_alike_without_labels(tmp_path):
    *_, examples = whole(write_recordings(tmp_path), intervals=False)
    for place in (tmp_path / "worn", tmp_path / "worn" / "1.csv"):
        found = read_examples(place, examples.roles, "test")
        assert not found.labelled
        assert [list(block.ids) for block in found.blocks()] == [["1.csv"]]


def test_irregular_times_are_a_channel(tmp_path):
    inputs, *_, examples = whole(write_recordings(tmp_path))
    assert examples.channels[-1] == "time since the step before"
    assert [step[2] for step in inputs[0]] == [0.0, 1.0, 8.0]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "worn/2.csv",
            "time,speed,heat\n1,2,3\n2,x2,4\n3,3,3\n",
            r"worn/2.csv: row 3.*'speed'.*x2",
        ),
        ("worn/2.csv", "time,speed\n1,2\n", r"2.csv: its columns are time, speed; those of .*heat"),
        ("worn/2.csv", "time,speed,heat\n", r"2.csv: has no rows"),
    ],
)
def test_a_fault_is_told_with_its_file(tmp_path, name, text, told):
    (write_recordings(tmp_path) / name).write_text(text)
    with pytest.raises(DataError, match=told):
        whole(tmp_path)


def test_a_column_of_a_file_is_no_id(tmp_path):
    with pytest.raises(DataError, match="each file is a sequence"):
        whole(write_recordings(tmp_path), id="time")


def test_small_files_are_read_once_and_held(tmp_path, monkeypatch):
    folder = write_recordings(tmp_path)
    monkeypatch.setattr("gatewise.data.labelled.folder_table.HELD", 0, raising=False)
    expected = whole(folder)[:3]
    monkeypatch.undo()
    examples = read_examples(folder)
    for file in folder.rglob("*.csv"):
        file.unlink()
    block = next(examples.blocks())
    assert str([each.tolist() for each in block.inputs]) == str(expected[0])  # with a missing value
    assert [list(block.labels), list(block.ids)] == list(expected[1:])


def test_a_number_that_may_mean_two_things_is_named_with_its_file(tmp_path):
    for name, cell in {"ok/1.csv": "2", "worn/1.csv": '"1,234"', "worn/2.csv": '"1,234"'}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"time,speed\n1,1\n2,{cell}\n")
    told = r"worn/1\.csv: row 3, column 'speed': '1,234' may be 1234 or 1\.234"
    with pytest.raises(DataError, match=told):
        whole(tmp_path)
