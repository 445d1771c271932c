"""Sequences of different length on disk, read through a memory map."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np


class RaggedWriter:
    """Writes sequences one after the other, in a `with` block; `close` makes them count.

    Args:
        path: Of the numbers; the places where sequences begin go to a file beside it.
        dtype: NumPy's type of the numbers.
        width: Channels C of `(T, C)`, or None for `(T,)`.
    """

    def __init__(self, path: Path, dtype: Any, width: int | None = None):
        self.path, self.dtype, self.width = path, np.dtype(dtype), width
        self.file = path.open("wb")
        self.lengths: list[np.ndarray] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, sequences: Iterable[np.ndarray]) -> None:
        """Append sequences."""
        several = [np.ascontiguousarray(each, self.dtype) for each in sequences]
        self.lengths.append(np.fromiter(map(len, several), np.int64, len(several)))
        for each in several:
            self.file.write(each.data if each.size else b"")

    def close(self) -> "Ragged":
        """Finish the files."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        lengths = np.concatenate(self.lengths) if self.lengths else np.zeros(0, np.int64)
        np.save(starts_path(self.path), np.concatenate([[0], np.cumsum(lengths)]))
        return Ragged(self.path, str(self.dtype), self.width)


@dataclass(frozen=True)
class Ragged:
    """Sequences in a file.

    Attributes:
        path: Of the numbers.
        dtype: NumPy's name of their type.
        width: Channels C of `(T, C)`, or None for `(T,)`.
    """

    path: Path
    dtype: str
    width: int | None

    def open(self) -> "Sequences":
        """Return the sequences.

        Raises:
            ValueError: The file is not as long as it was written.
        """
        starts = np.load(starts_path(self.path), allow_pickle=False)
        shape = (int(starts[-1]),) if self.width is None else (int(starts[-1]), self.width)
        size, expected = (
            self.path.stat().st_size,
            int(np.prod(shape)) * np.dtype(self.dtype).itemsize,
        )
        if size != expected:
            raise ValueError(f"{self.path}: {size} bytes where {expected} were written")
        if size == 0:
            return Sequences(np.zeros(shape, self.dtype), starts)
        return Sequences(np.memmap(self.path, self.dtype, "r", shape=shape), starts)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the folder as JSON-ready values."""
        return {"name": self.path.name, "dtype": self.dtype, "width": self.width}

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path) -> "Ragged":
        """Rebuild from `to_dict` and the folder."""
        return cls(folder / Path(data["name"]).name, str(np.dtype(data["dtype"])), data["width"])


class Sequences:
    """Sequences `(T,)` or `(T, C)` by number.

    Args:
        values: Those of all sequences, `(N,)` or `(N, C)`.
        starts: Where each begins, and the end, in int64.

    Attributes:
        lengths: Steps of each sequence, in int64.
    """

    def __init__(self, values: np.ndarray, starts: np.ndarray):
        self.values, self.starts, self.lengths = values, starts, np.diff(starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> np.ndarray:
        return self.values[self.starts[number] : self.starts[number + 1]]

    def padded(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return some sequences as `(T, B)` or `(T, B, C)`, zeros past their ends, and lengths."""
        lengths = self.lengths[numbers]
        shape = (int(lengths.max()), len(numbers), *self.values.shape[1:])
        block = np.zeros(shape, self.values.dtype)
        for column, number in enumerate(numbers):
            block[: lengths[column], column] = self[number]
        return block, lengths


def starts_path(path: Path) -> Path:
    """Return the name of the file that says where sequences begin."""
    return path.with_name(path.name + ".starts.npy")
