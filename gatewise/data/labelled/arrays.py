"""Arrays of NumPy (`.npy`, `.npz`) and MATLAB (`.mat`): sequences and labels by name."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.data.labelled.examples import Block, Examples, Roles, as_sequence
from gatewise.data.source import DataError, DataFile, ending, open_data_file, read_unpacked

INPUTS = ("x", "input", "inputs", "data", "features", "sequences", "images", "values", "signals")
LABELS = ("y", "label", "labels", "target", "targets", "class", "classes")
LENGTHS = ("lengths", "length", "len")
OFFSETS = ("offsets", "starts", "splits", "row_splits", "indptr")
BLOCK = 1_000


def read_arrays(path: Path, roles: Roles, part: str = "train") -> Examples:
    """Open arrays: inputs `(N, T, C)` or `(N, T)`, or for MATLAB a cell array of `(T, C)`.

    Args:
        path: The file.
        roles: `input` and `label` name the arrays, else they are guessed; `label` may be a file
            beside a `.npy`. An array of lengths `(N,)` cuts sequences that are filled up, or those
            that stand one behind another in `(steps of all, C)`; for these, offsets `(N + 1,)` do.
        part: Of arrays such as `x_train` and `x_test`, which are taken.

    Raises:
        DataError: The file is damaged, needs unpickling, or its arrays do not fit each other.
    """
    arrays = load_arrays(open_data_file(path).path)
    files, said = [DataFile(path)], []
    label = roles.label
    if label is not None and label not in arrays and Path(label).suffix == ".npy":
        arrays["y"] = load_arrays(open_data_file(label).path)[""]
        files.append(DataFile(Path(label)))
        label = "y"
    name = choose(arrays, roles.input[0] if roles.input else None, INPUTS, part, path, "--input")
    if name is None:
        raise DataError(
            f"{path}: which array is the input? It holds {show(arrays)}; name one with --input"
        )
    labels_name = choose(arrays, label, LABELS, part, path, "--label")
    lengths_name = choose(arrays, None, LENGTHS, part, path, "")
    if len(arrays) > 1:
        said.append(f"input {name}, label {labels_name or 'none'} of {show(arrays)}")
    offsets_name = choose(arrays, None, OFFSETS, part, path, "")
    if lengths_name is None and offsets_name is not None:
        lengths_name = "lengths"
        arrays[lengths_name] = np.diff(arrays[offsets_name].reshape(-1))
    sequences = Sequences(arrays, name, lengths_name, roles.channels_first, path)
    labels = None if labels_name is None else as_labels(arrays[labels_name], path, labels_name)
    if labels is not None and len(labels) != len(sequences):
        raise DataError(f"{path}: {len(labels)} labels for {len(sequences)} sequences")

    def read() -> Iterator[Block]:
        for at in range(0, len(sequences), BLOCK):
            several = range(at, min(at + BLOCK, len(sequences)))
            names = None if labels is None else labels[at : at + BLOCK]
            yield Block([sequences[k] for k in several], names, [k + 1 for k in several])

    channels = tuple(f"channel {k + 1}" for k in range(sequences.channels))
    return Examples(
        str(path),
        "numbers",
        read,
        labels is not None,
        channels,
        tuple(files),
        tuple(said),
        "sequence",
        roles,
    )


class Sequences:
    """Sequences `(T, C)` out of one array, or out of a cell array.

    Args:
        arrays: The arrays of a file.
        name: Of the input.
        lengths: Name of the array of lengths, or None; where they add up to the rows of the input,
            the sequences stand one behind another.
        channels_first: Whether it is `(N, C, T)`.
        path: For messages.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        name: str,
        lengths: str | None,
        channels_first: bool,
        path: Path,
    ):
        self.array, self.place, self.turned = arrays[name], f"{path}: {name}", channels_first
        self.lengths = None if lengths is None else arrays[lengths].reshape(-1)
        array, self.joined = self.array, False
        if self.lengths is not None and array.dtype != object and array.ndim in (1, 2):
            self.joined = len(self.lengths) < len(array) == self.lengths.sum()
        if array.dtype == object:
            self.array = array.reshape(-1)
        elif self.joined and array.dtype.kind in "buif":
            assert self.lengths is not None
            self.ends = self.lengths.cumsum()
        elif array.dtype.kind not in "buif" or array.ndim not in (2, 3):
            raise DataError(
                f"{self.place} holds {array.dtype} {array.shape}; sequences are numbers of the "
                "shape (N, T, C), or (N, T) with one channel"
            )
        if not len(self.array):
            raise DataError(f"{self.place} holds no sequence")
        if self.lengths is not None:
            self.check_lengths()
        self.channels = self[0].shape[1]

    def check_lengths(self) -> None:
        """Raise `DataError` for lengths that cannot be."""
        assert self.lengths is not None
        if self.joined and self.lengths.dtype.kind in "ui" and self.lengths.min() > 0:
            return
        steps = self.array.shape[2 if self.turned and self.array.ndim == 3 else 1 :][:1]
        fits = self.lengths.shape == (len(self.array),) and self.lengths.dtype.kind in "ui"
        if not fits or not steps or self.lengths.min() < 1 or self.lengths.max() > steps[0]:
            raise DataError(f"{self.place}: lengths are whole numbers from 1 to T, one a sequence")

    def __len__(self) -> int:
        return len(self.array if self.lengths is None else self.lengths)

    def __getitem__(self, number: int) -> np.ndarray:
        place = f"{self.place}, sequence {number + 1}"
        if self.joined:
            assert self.lengths is not None
            end = self.ends[number]
            return as_sequence(self.array[end - self.lengths[number] : end], place)
        values = as_sequence(self.array[number], place)
        if self.turned and np.ndim(self.array[number]) == 2:
            values = values.T
        if self.lengths is not None:
            values = values[: self.lengths[number]]
        if not len(values):
            raise DataError(f"{place} has no steps")
        if number and values.shape[1] != self.channels:
            raise DataError(f"{place} has {values.shape[1]} channels, the first {self.channels}")
        return values


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name; that of a `.npy` has the name `""`.

    Raises:
        DataError: It is damaged, or needs unpickling.
    """
    kind = ending(path)
    if kind == ".mat":
        return load_matlab(path)
    try:
        if kind == ".npy" and path.suffix == ".npy":
            return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
        content = np.load(io.BytesIO(read_unpacked(path)), allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        return {name: content[name] for name in content.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        if any(word in str(error) for word in ("allow_pickle", "Object arrays", "Python objects")):
            raise DataError(
                f"{path}: holds pickled objects, which are never loaded: they can run programs. "
                "Save sequences of different length filled up, or one behind another, with an "
                "array `lengths`: np.savez(file, x=np.concatenate(all), lengths=[...], y=labels)"
            ) from error
        raise DataError(f"{path}: not a whole NumPy file ({error})") from error


def load_matlab(path: Path) -> dict[str, np.ndarray]:
    """Return the variables of a MATLAB file up to version 7."""
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(read_unpacked(path)))
    except NotImplementedError as error:
        raise DataError(
            f"{path}: of MATLAB 7.3, which is HDF5; save it again with save(..., '-v7')"
        ) from error
    except DataError:
        raise
    except Exception as error:  # the reader fails in many ways on what is no such file
        raise DataError(f"{path}: not a whole MATLAB file ({error})") from error
    return {name: value for name, value in found.items() if not name.startswith("__")}


def choose(
    arrays: Mapping[str, Any],
    named: str | None,
    known: tuple[str, ...],
    part: str,
    path: Path,
    option: str,
) -> str | None:
    """Return the array's name that the user or its own name points at, or None."""
    if named is not None:
        wanted = [named, f"{named}_{part}", f"{part}_{named}"]
        found = next((name for name in wanted if name in arrays), None)
        if found is None:
            raise DataError(f"{path}: {option} {named}: no such array; it holds {show(arrays)}")
        return found
    if "" in arrays and known is INPUTS:
        return ""
    parts = ("train", "training") if part == "train" else ("test", "valid", "val")
    patterns = [*(f"{k}_{p}" for p in parts for k in known)]
    patterns += [*(f"{k}{p}" for p in parts for k in known)]
    patterns += [*(f"{p}_{k}" for p in parts for k in known)]
    patterns += [*(f"{p}{k}" for p in parts for k in known), *known]
    lower = {name.lower(): name for name in arrays}
    return next((lower[pattern] for pattern in patterns if pattern in lower), None)


def as_labels(array: np.ndarray, path: Path, name: str) -> list[str | None]:
    """Return labels as words: whole numbers without a decimal point, NaN as none."""
    values = np.asarray(array)
    if values.dtype == object:
        values = np.array([str(np.ravel(each)[0]) for each in values.reshape(-1)])
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise DataError(f"{path}: {name} has the shape {values.shape}; labels are one a sequence")
    if values.dtype.kind == "f":
        return [None if np.isnan(each) else f"{each:.9g}" for each in values.tolist()]
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    return [str(each).strip() for each in values.tolist()]


def show(arrays: Mapping[str, Any]) -> str:
    """List the arrays of a file with their shapes."""
    return ", ".join(f"{name} {np.shape(value)}" for name, value in list(arrays.items())[:12])
