"""Images in the idx format of MNIST, read pixel by pixel or row by row."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gatewise.data.labelled.examples import Block, Examples, Roles
from gatewise.data.source import DataError, DataFile, open_data_file, read_unpacked

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
NAME = re.compile(r"idx\d-ubyte|\.idx\d?(\.|$)|-idx\d", re.I)
BLOCK = 2_000


def looks_like_images(path: Path) -> bool:
    """Say whether a file is called as idx files are."""
    return NAME.search(path.name) is not None


def read_images(path: Path, roles: Roles, part: str = "train") -> Examples:
    """Open idx images with the labels in the file beside them.

    Args:
        path: The images, `(N, rows, columns)`.
        roles: `scan`; `label` names the file of labels, which is else called as MNIST's are:
            `train-labels-idx1-ubyte` beside `train-images-idx3-ubyte`.
        part: Has no meaning here.

    Raises:
        DataError: A file is missing or damaged, or they do not fit each other.
    """
    images = read_idx(open_data_file(path).path)
    if images.ndim != 3:
        raise DataError(f"{path}: holds {images.shape}, not images (number, rows, columns)")
    found = Path(roles.label) if roles.label else beside(path)
    files, labels = [DataFile(path)], None
    if found is not None and (found.exists() or roles.label):
        labels = read_idx(open_data_file(found).path)
        files.append(DataFile(found))
        if labels.shape != images.shape[:1]:
            raise DataError(f"{found}: {len(labels)} labels for {len(images)} images in {path}")
    count, height, width = images.shape
    shape = (count, height * width, 1) if roles.scan == "pixels" else images.shape
    steps = images.reshape(shape)
    if steps.dtype != np.uint8:
        steps = steps.astype(np.float32)

    def read() -> Iterator[Block]:
        for at in range(0, count, BLOCK):
            several = slice(at, min(at + BLOCK, count))
            names = None if labels is None else [str(label) for label in labels[several]]
            yield Block(list(steps[several]), names, range(several.start + 1, several.stop + 1))

    said = [f"images of {height} × {width}, {roles.scan[:-1]} by {roles.scan[:-1]}"]
    if labels is not None:
        said.append(f"labels from {files[1].path.name}")
    names = ("pixel",) if shape[2] == 1 else tuple(f"column {k + 1}" for k in range(width))
    return Examples(
        str(path),
        "numbers",
        read,
        labels is not None,
        names,
        tuple(files),
        tuple(said),
        "image",
        roles,
    )


def beside(path: Path) -> Path | None:
    """Return what the file of labels is called, or None."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    return None if name == path.name else path.with_name(name)


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an idx file.

    Raises:
        DataError: It is none, or not whole.
    """
    content = read_unpacked(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or content[3] == 0:
        raise DataError(f"{path}: not an idx file (it begins with {content[:4].hex(' ')})")
    dimensions, kind = content[3], np.dtype(TYPES[content[2]])
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path}: ends within its header")
    shape = tuple(int(each) for each in np.frombuffer(content, ">u4", dimensions, 4))
    expected = int(np.prod(shape, dtype=object)) * kind.itemsize
    if len(content) - start != expected:
        raise DataError(
            f"{path}: {len(content) - start:,} bytes, where {shape} of {kind.itemsize} bytes each "
            f"are {expected:,}; is it cut short?"
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))
