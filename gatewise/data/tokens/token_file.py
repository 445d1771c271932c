"""Token numbers on disk, read through a memory map."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COUNTED = 1 << 22  # tokens at once


@dataclass(frozen=True)
class TokenFile:
    """A file of token numbers.

    Attributes:
        path: Where it lies.
        count: How many tokens it holds.
        dtype: NumPy's name of their type, the smallest that fits: uint8, uint16 or uint32.
        characters: How many characters the tokens stand for.
    """

    path: Path
    count: int
    dtype: str
    characters: int

    def tokens(self) -> np.ndarray:
        """Return the tokens as a read-only memory map, `(count,)`.

        Raises:
            ValueError: The file is not as long as it was written.
        """
        size = os.stat(self.path).st_size
        expected = self.count * np.dtype(self.dtype).itemsize
        if size != expected:
            raise ValueError(f"{self.path}: {size} bytes where {expected} were written")
        return np.memmap(self.path, self.dtype, "r", shape=(self.count,))

    def frequencies(self, vocabulary: int) -> np.ndarray:
        """Return how often each token of a vocabulary occurs, `(V,)` int64."""
        counts, tokens = np.zeros(vocabulary, np.int64), self.tokens()
        for at in range(0, self.count, COUNTED):
            counts += np.bincount(tokens[at : at + COUNTED], minlength=vocabulary)
        return counts

    def to_dict(self) -> dict[str, Any]:
        """Return all but the folder as JSON-ready values."""
        return {
            "name": self.path.name,
            "count": self.count,
            "dtype": self.dtype,
            "characters": self.characters,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path) -> "TokenFile":
        """Rebuild from `to_dict` and the folder."""
        name, count = Path(data["name"]).name, int(data["count"])
        return cls(folder / name, count, str(np.dtype(data["dtype"])), int(data["characters"]))


def write_tokens(path: Path, pieces: Iterable[np.ndarray], vocabulary: int) -> tuple[int, str]:
    """Write tokens as they come, whole or not at all.

    Args:
        path: The file to make or to replace.
        pieces: The tokens, each piece `(n,)` of any integer type.
        vocabulary: How many different tokens there are.

    Returns:
        How many tokens were written, and NumPy's name of their type.
    """
    dtype = np.min_scalar_type(vocabulary - 1)
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece.astype(dtype).tobytes())
                count += len(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count, str(dtype)
