"""Music as piano rolls: out of arrays, MATLAB files and MIDI, in parts to learn from and test."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gatewise.data.labelled.arrays import load_arrays, show
from gatewise.data.music.keys import KEYS, LOWEST, Roll
from gatewise.data.music.midi import ENDINGS, read_midi
from gatewise.data.source import DataError, DataFile, ending, open_data_file

PARTS = {
    "training": ("train",),  # and what begins so
    "validation": ("valid", "val", "dev"),
    "test": ("test",),
}
ARRAYS = (".mat", ".npz", ".npy")
NUMBERS = 128  # of MIDI
SHARE = 0.1  # held back, where the data has no part of its own to measure on
FEWEST = 5  # pieces to learn from


@dataclass(frozen=True)
class Music:
    """Pieces of music.

    Attributes:
        name: How messages call it.
        training: Rolls `(T, 88)`, of at least two steps each.
        validation: Rolls to measure on while training.
        test: Rolls to measure on once at the end; none where the data has no such part.
        files: What was read.
        said: What was guessed or left out, in sentences for the user.
        steps_per_beat: Steps in a quarter note, as far as is known; None for arrays.
    """

    name: str
    training: tuple[Roll, ...]
    validation: tuple[Roll, ...] = ()
    test: tuple[Roll, ...] = ()
    files: tuple[DataFile, ...] = ()
    said: tuple[str, ...] = ()
    steps_per_beat: int | None = None

    @property
    def pieces(self) -> tuple[Roll, ...]:
        """All pieces, whatever part they are in."""
        return self.training + self.validation + self.test

    def divided(self, seed: int) -> "Music":
        """Return the music with a validation part, held back at random where it has none.

        Raises:
            DataError: There are too few pieces.
        """
        if len(self.training) < FEWEST:
            raise DataError(
                f"{self.name}: {len(self.training)} pieces to learn from; at least {FEWEST} are "
                "needed. Cut a long one into several files or arrays"
            )
        if self.validation:
            return self
        order = np.random.default_rng(seed).permutation(len(self.training))
        held = max(1, round(SHARE * len(order)))
        mixed = [self.training[k] for k in order]
        return replace(self, training=tuple(mixed[held:]), validation=tuple(mixed[:held]))


def read_music(data: str | os.PathLike[str], steps_per_beat: int = 4) -> Music:
    """Read music.

    Args:
        data: A `.mat`, `.npz` or `.npy` file with rolls `(T, 88)`, or `(T, 128)` for every number
            of MIDI; a MIDI file; or a folder of MIDI files. Arrays called `train`, `valid` and
            `test`, and folders of these names, are such parts.
        steps_per_beat: Of MIDI, how many steps a quarter note has.

    Raises:
        DataError: It cannot be read; the message names the file and the place in it.
    """
    path = Path(data)
    if path.is_dir():
        return read_folder(path, steps_per_beat)
    file = open_data_file(path)
    kind = ending(path)
    if kind in ENDINGS:
        roll, lost = read_midi(path, steps_per_beat)
        check_length(roll, str(path))
        return Music(
            str(path), (roll,), files=(file,), said=tell_lost(lost), steps_per_beat=steps_per_beat
        )
    if kind in ARRAYS:
        return read_arrays(file)
    raise DataError(
        f"{path}: music is read from {', '.join((*ARRAYS, *ENDINGS))} and folders of MIDI files"
    )


def read_folder(path: Path, steps_per_beat: int) -> Music:
    """Read the MIDI files of a folder and of those in it, in order."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and ending(file) in ENDINGS)
    if not files:
        raise DataError(f"{path}: no MIDI files in it ({', '.join(ENDINGS)})")
    parts: dict[str, list[Roll]] = {part: [] for part in PARTS}
    lost = 0
    for file in files:
        roll, outside = read_midi(open_data_file(file).path, steps_per_beat)
        check_length(roll, str(file))
        lost += outside
        parts[part_of(file.relative_to(path).parts[0]) or "training"].append(roll)
    read = {part: tuple(rolls) for part, rolls in parts.items()}
    sources = tuple(DataFile(file) for file in files)
    return Music(
        str(path),
        read["training"],
        read["validation"],
        read["test"],
        files=sources,
        said=tell_lost(lost),
        steps_per_beat=steps_per_beat,
    )


def read_arrays(file: DataFile) -> Music:
    """Read the arrays of a file.

    Raises:
        DataError: None of them holds music, or one holds what is none.
    """
    arrays = load_arrays(file.path)
    parts = find_parts(arrays, file.path)
    said = []
    if len(arrays) > 1:
        said.append(", ".join(f"{part} is {name}" for part, name in parts.items()))
    rolls = [rolls_of(arrays, parts[part], file.path) if part in parts else () for part in PARTS]
    return Music(str(file.path), *rolls, files=(file,), said=tuple(said))


def find_parts(arrays: Mapping[str, np.ndarray], path: Path) -> dict[str, str]:
    """Return which array is which part; a single one is to learn from."""
    names = [name for name in arrays if "len" not in name.lower()]
    if len(names) == 1:
        return {"training": names[0]}
    parts = {part: name for name in names if (part := part_of(name)) is not None}
    if "training" not in parts:
        raise DataError(
            f"{path}: which array is music to learn from? It holds {show(arrays)}; call it train, "
            "and others valid and test"
        )
    return {part: parts[part] for part in PARTS if part in parts}


def part_of(name: str) -> str | None:
    """Return the part that an array or a folder is called after, or None."""
    words = name.lower().replace("-", "_").split("_")
    for part, marks in PARTS.items():
        if any(word.startswith(marks) for word in words):
            return part
    return None


def rolls_of(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> tuple[Roll, ...]:
    """Return the pieces of an array: a cell array of `(T, 88)`, `(N, T, 88)`, or one `(T, 88)`.

    Raises:
        DataError: It has other shapes, or values that are no keys.
    """
    array, place = arrays[name], f"{path}: {name}" if name else str(path)
    if array.dtype == object:
        pieces = list(array.reshape(-1))
    elif array.ndim == 2:
        pieces = [array]
    elif array.ndim == 3:
        pieces = cut_filled(array, lengths_of(arrays, name), place)
    else:
        raise DataError(
            f"{place} has the shape {array.shape}; rolls are (T, {KEYS}), or (N, T, {KEYS}) with "
            "lengths"
        )
    if not pieces:
        raise DataError(f"{place} holds no music")
    return tuple(as_roll(piece, f"{place}, piece {k + 1}") for k, piece in enumerate(pieces))


def lengths_of(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    """Return the array of lengths that belongs to an array of pieces."""
    fitting = [each for each in arrays if "len" in each.lower() and part_of(each) == part_of(name)]
    return arrays[fitting[0]].reshape(-1) if fitting else None


def cut_filled(array: np.ndarray, lengths: np.ndarray | None, place: str) -> Sequence[np.ndarray]:
    """Return the pieces of `(N, T, K)` without what fills them up."""
    if lengths is None:
        return list(array)
    fits = len(lengths) == len(array) and lengths.dtype.kind in "ui"
    if not fits or (len(lengths) and not 1 <= lengths.min() <= lengths.max() <= array.shape[1]):
        raise DataError(
            f"{place}: lengths are whole numbers from 1 to {array.shape[1]}, one for each of "
            f"{len(array)} pieces"
        )
    return [piece[:length] for piece, length in zip(array, lengths, strict=True)]


def as_roll(values: np.ndarray, place: str) -> Roll:
    """Return numbers as a roll: a key is held where a number is above 0, such as its loudness.

    Raises:
        DataError: They have another shape, are no numbers, or below 0.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif" or array.ndim != 2 or array.shape[1] not in (KEYS, NUMBERS):
        raise DataError(
            f"{place} holds {array.dtype} {array.shape}; a roll is numbers (T, {KEYS}), one column "
            f"for each key of a piano, or (T, {NUMBERS}) for MIDI's"
        )
    wrong = np.argwhere(~(array >= 0)) if array.dtype.kind in "if" else np.empty((0, 2), int)
    if len(wrong):
        step, column = wrong[0]
        raise DataError(
            f"{place}, step {step + 1}, column {column + 1}: {array[step, column]}; a key is held "
            "(above 0) or not (0)"
        )
    held = array > 0
    if array.shape[1] == NUMBERS:
        outside = np.delete(held, np.s_[LOWEST : LOWEST + KEYS], axis=1)
        if outside.any():
            raise DataError(
                f"{place}, step {int(outside.any(1).argmax()) + 1}: a note that a piano lacks; its "
                f"keys are {LOWEST} to {LOWEST + KEYS - 1}"
            )
        held = held[:, LOWEST : LOWEST + KEYS]
    check_length(held, place)
    return held.astype(np.uint8)


def check_length(roll: np.ndarray, place: str) -> None:
    """Raise `DataError` for music of fewer than two steps: nothing follows from nothing."""
    if len(roll) < 2:
        raise DataError(f"{place} has {len(roll)} steps; music has at least 2")


def tell_lost(lost: int) -> tuple[str, ...]:
    """Say how many notes were left out."""
    return (f"{lost:,} notes that a piano lacks are left out",) if lost else ()
