"""Which reader opens which data with examples."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatewise.data.labelled.archive import read_archive
from gatewise.data.labelled.arrays import read_arrays
from gatewise.data.labelled.examples import Examples, Roles, listed_examples
from gatewise.data.labelled.folder import read_folder
from gatewise.data.labelled.folder_table import FILE, read_tables
from gatewise.data.labelled.images import looks_like_images, read_images
from gatewise.data.labelled.lines import read_lines
from gatewise.data.labelled.table_examples import read_table_examples
from gatewise.data.source import DataError, ending
from gatewise.data.tables.table_file import ENDINGS as TABLES
from gatewise.data.tables.table_file import is_frame


def read_examples(data: Any, roles: Roles | None = None, part: str = "train") -> Examples:
    """Open examples, whatever they are in.

    Args:
        data: A file, a folder, a frame of polars or pandas, or a list of texts.
        roles: What is known about it.
        part: `"train"` or `"test"`: which arrays of a file that holds both; and phrases of trees
            are examples in `"train"` alone.

    Raises:
        DataError: It cannot be read.
    """
    roles = roles or Roles()
    if is_frame(data):
        return read_table_examples(data, roles, part)
    if not isinstance(data, str | os.PathLike):
        return listed_examples(data)
    path = Path(data)
    if path.is_dir():
        return read_folder(path, roles, part)
    if roles.id == FILE:
        return read_tables(path.parent, [path], roles, part)
    return reader_of(path)(path, roles, part)


def reader_of(path: Path) -> Callable[[Path, Roles, str], Examples]:
    """Return what reads a file, by its name's ending."""
    kind = ending(path)
    if kind in TABLES:
        return read_table_examples
    if kind == ".ts":
        return read_archive
    if kind in (".npy", ".npz", ".mat"):
        return read_arrays
    if looks_like_images(path):
        return read_images
    if kind in (".txt", ".text", ".label", ".data", ".dat", ""):
        return read_lines
    raise DataError(
        f"{path}: files called {kind} are not known; known are {', '.join(TABLES)}, .txt, .ts, "
        ".npy, .npz, .mat, idx images, each packed with gzip or not, and folders of texts or tables"
    )
