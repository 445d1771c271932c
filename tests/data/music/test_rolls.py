import gzip

import numpy as np
import pytest
from scipy.io import savemat

from gatewise.data.music.keys import KEYS
from gatewise.data.music.midi import write_midi
from gatewise.data.music.rolls import read_music
from gatewise.data.source import DataError


def rolls(*lengths, seed=0, keys=KEYS):
    draw = np.random.default_rng(seed)
    return [(draw.random((length, keys)) < 0.1).astype(np.uint8) for length in lengths]


def cells(pieces):
    """A MATLAB cell array."""
    made = np.empty((1, len(pieces)), object)
    made[0] = pieces
    return made


def test_matlab_cells_come_in_their_parts(tmp_path):
    path, pieces = tmp_path / "m.mat", rolls(3, 4, 5, 6, 7)
    savemat(path, {"traindata": cells(pieces[:2]), "validdata": cells(pieces[2:4])})
    music = read_music(path)
    assert [len(each) for each in (music.training, music.validation, music.test)] == [2, 2, 0]
    for found, expected in zip(music.pieces, pieces[:4], strict=True):
        assert np.array_equal(found, expected)
    assert music.said == ("training is traindata, validation is validdata",)


def test_arrays_that_are_filled_up_are_cut(tmp_path):
    filled = np.stack(rolls(6, 6))
    np.savez(
        tmp_path / "m.npz",
        x_train=filled,
        x_train_lengths=np.array([4, 6]),
        test=filled[:1],
    )
    music = read_music(tmp_path / "m.npz")
    assert [len(each) for each in music.training] == [4, 6]
    assert [len(each) for each in music.test] == [6]


def test_loudness_and_all_numbers_of_midi_are_read(tmp_path):
    wide = np.zeros((5, 128), np.float32)
    wide[2, 60] = 0.4
    np.save(tmp_path / "m.npy", wide)
    [roll] = read_music(tmp_path / "m.npy").training
    assert roll.dtype == np.uint8
    assert np.argwhere(roll).tolist() == [[2, 39]]


def test_midi_comes_from_files_and_folders(tmp_path):
    for number, roll in enumerate(rolls(9, 12, 15)):
        roll[[0, -1], 4] = 1
        folder = tmp_path / ("test" if number == 2 else "train")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.mid").write_bytes(write_midi(roll, 4))
    music = read_music(tmp_path)
    assert [len(each) for each in music.training] == [9, 12]
    assert [len(each) for each in music.test] == [15]
    assert len(music.files) == 3
    assert music.steps_per_beat == 4
    assert len(read_music(tmp_path / "train" / "0.mid", 2).pieces[0]) in (5, 6)
    packed = tmp_path / "0.mid.gz"
    packed.write_bytes(gzip.compress((tmp_path / "train" / "0.mid").read_bytes()))
    assert np.array_equal(read_music(packed).pieces[0], music.training[0])


def test_a_tenth_is_held_back_where_the_data_has_no_part(tmp_path):
    np.save(tmp_path / "m.npy", np.stack(rolls(*[4] * 20)))
    music = read_music(tmp_path / "m.npy")
    one, same, other = music.divided(1), music.divided(1), music.divided(2)
    assert [len(one.training), len(one.validation)] == [18, 2]
    assert np.array_equal(one.validation, same.validation)
    assert not np.array_equal(one.validation, other.validation)


def npz(path, **arrays):
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def npy(path, array):
    np.save(path.with_suffix(".npy"), array)
    return path.with_suffix(".npy")


def written(path, name, content):
    (path.parent / name).write_bytes(content)
    return path.parent / name


def with_value(value):
    array = np.zeros((2, 5, KEYS))
    array[1, 3, 7] = value
    return array


WIDE = np.zeros((5, 128), np.uint8)
WIDE[3, 20] = 1
GOOD = np.zeros((5, 9, KEYS), np.uint8)
FAULTS = {
    "missing": (lambda path: path, "no such file"),
    "empty file": (lambda path: written(path, "e.mat", b""), "the file is empty"),
    "other kind": (
        lambda path: written(path, "a.wav", b"RIFF"),
        r"a.wav: music is read from .mat, .npz, .npy, .mid, .midi and folders of MIDI files",
    ),
    "damaged": (lambda path: written(path, "a.mat", b"MATLAB 5.0" * 30), "not a whole MATLAB file"),
    "damaged arrays": (lambda path: written(path, "a.npz", b"PK\3\4 no"), "not a whole NumPy file"),
    "pickled": (lambda path: npy(path, np.array([GOOD[0], None], object)), "pickled objects"),
    "no part": (
        lambda path: npz(path, a=GOOD, b=GOOD),
        r"which array is music to learn from\? It holds a \(5, 9, 88\), b \(5, 9, 88\)",
    ),
    "shape": (lambda path: npy(path, np.zeros(7)), r"has the shape \(7,\); rolls are \(T, 88\)"),
    "columns": (
        lambda path: npy(path, np.zeros((4, 9, 60))),
        r"piece 1 holds float64 \(9, 60\); a roll is numbers \(T, 88\)",
    ),
    "words": (lambda path: npy(path, np.full((4, 88), "x")), "piece 1 holds <U1"),
    "below zero": (
        lambda path: npy(path, with_value(-1)),
        "piece 2, step 4, column 8: -1.0; a key is held",
    ),
    "no number": (lambda path: npy(path, with_value(np.nan)), "piece 2, step 4, column 8: nan"),
    "outside": (lambda path: npy(path, WIDE), "step 4: a note that a piano lacks"),
    "one step": (lambda path: npy(path, GOOD[:, :1]), "piece 1 has 1 steps; music has at least 2"),
    "none": (lambda path: npy(path, GOOD[:0]), "holds no music"),
    "lengths": (
        lambda path: npz(path, train=GOOD, train_lengths=np.array([9, 9, 9, 9, 10])),
        "train: lengths are whole numbers from 1 to 9, one for each of 5 pieces",
    ),
    "too few lengths": (
        lambda path: npz(path, train=GOOD, train_lengths=np.array([9, 9])),
        "one for each of 5 pieces",
    ),
    "too few pieces": (lambda path: npy(path, GOOD[:3]), "3 pieces to learn from; at least 5"),
    "no MIDI": (lambda path: path.parent, "no MIDI files in it"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_music_is_an_error_with_its_place(tmp_path, name):
    make, message = FAULTS[name]
    path = make(tmp_path / "bad")
    with pytest.raises(DataError, match=message) as caught:
        read_music(path).divided(0)
    assert str(path) in str(caught.value)
