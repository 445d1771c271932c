import os

import pytest

from gatewise.data.whole_file import write_whole


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_whole(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_missing_folder_is_named_and_not_the_unfinished_file(tmp_path):
    for path in (tmp_path / "no" / "a.csv", tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            write_whole(path, b"new")
        assert str(caught.value) == f"{path}: not a file in a folder that exists"
    assert os.listdir(tmp_path) == []
