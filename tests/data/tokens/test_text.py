import os

import pytest

from gatewise.data.tokens import text as module
from gatewise.data.tokens.text import Passage, TextError, open_text_files, pieces_at_words

STORY = "One two\tthree.\n\nFour  five\n" * 30


def files(folder, *contents):
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.txt")
        paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return paths


def test_files_follow_one_another_each_on_its_own_line(tmp_path):
    opened = open_text_files(files(tmp_path, "a\r\nb", "c\n", "\ufeffd"))
    assert "".join(Passage(opened).pieces()) == "a\nb\nc\nd"


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (3, 9), (5, None), (0, 7), (7, 99)])
def test_a_passage_is_a_slice_of_all_the_text(tmp_path, monkeypatch, start, stop):
    monkeypatch.setattr("gatewise.data.encoding.PIECE", 3)
    opened = open_text_files(files(tmp_path, "ab\ncde", "f\r\nghi"))
    assert "".join(Passage(opened, start, stop).pieces()) == "ab\ncde\nf\nghi"[start:stop]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_pieces_at_words_keep_the_text_and_begin_with_white_space(size):
    cut = [STORY[at : at + size] for at in range(0, len(STORY), size)]
    pieces = list(pieces_at_words(cut))
    assert "".join(pieces) == STORY
    assert all(piece[0].isspace() for piece in pieces[1:])
    assert all(not piece[-1].isspace() for piece in pieces[:-1])


def test_text_without_white_space_is_cut_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PIECE", 10)
    pieces = list(pieces_at_words(["abcd"] * 8))
    assert "".join(pieces) == "abcd" * 8
    assert max(map(len, pieces)) <= 14


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.txt").touch()
    for name, message in [
        ("missing.txt", "no such file"),
        ("folder", "is a folder"),
        ("empty.txt", "the file is empty"),
    ]:
        with pytest.raises(TextError, match=f"{name}: {message}"):
            open_text_files([tmp_path / name])
    with pytest.raises(TextError, match="no text file is named"):
        open_text_files([])


def test_a_pipe_is_no_file_to_read_twice(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TextError, match="not a regular file"):
        open_text_files([tmp_path / "pipe"])


def test_a_wrong_encoding_by_name_is_found_with_its_byte(tmp_path):
    (path,) = files(tmp_path, b"caf\xe9 au lait")
    (opened,) = open_text_files([path], "utf-8")
    with pytest.raises(TextError, match=r"0\.txt: byte 3 \(0xe9\) cannot be read as utf-8"):
        list(opened.pieces())


def test_zero_characters_mean_the_encoding_is_wrong(tmp_path):
    (path,) = files(tmp_path, "wide".encode("utf-16-le"))
    (opened,) = open_text_files([path], "latin-1")
    with pytest.raises(TextError, match="zero character"):
        list(opened.pieces())
    (opened,) = open_text_files([path], "UTF-16-LE")
    assert list(opened.pieces()) == ["wide"]


def test_only_guesses_are_marked_as_such(tmp_path):
    paths = files(tmp_path, "é", b"d\xe9j\xe0 vu, cr\xe8me br\xfbl\xe9e")
    assert [file.guessed for file in open_text_files(paths)] == [False, True]
    assert [file.guessed for file in open_text_files(paths, "latin-1")] == [False, False]
