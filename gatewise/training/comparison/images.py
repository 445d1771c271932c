"""Images that cells are compared on, pixel by pixel."""

from pathlib import Path

import numpy as np

from gatewise.data.labelled.images import beside, read_idx
from gatewise.data.source import DataError, DataFile, open_data_file
from gatewise.tasks.long_lag import LongLagTask
from gatewise.tasks.long_lag_catalogue import pixels


def read_image_task(train: Path, test: Path | None = None) -> LongLagTask:
    """Return the task of MNIST's or other idx images.

    Args:
        train: Images to learn from, `train-images-idx3-ubyte` or a like name, packed or not; the
            labels lie beside it under MNIST's name.
        test: Images to measure on; None is `t10k-images...` beside `train-images...`.

    Raises:
        DataError: A file is missing, damaged, or does not fit the others.
    """
    found = test or train.with_name(train.name.replace("train", "t10k", 1))
    if found == train:
        raise DataError(f"{train}: the images to measure on are needed too; see --test-data")
    parts = [read_labelled(path) for path in (train, found)]
    shapes = [images.shape[1:] for images, _ in parts]
    if shapes[0] != shapes[1]:
        raise DataError(f"{found}: images of {shapes[1]}, where {train} has {shapes[0]}")
    digests = (DataFile(path).digest() for path in (train, found))
    return pixels(*parts, data=" ".join(digests))


def read_labelled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images `(N, rows, columns)` in bytes, and their classes in int64."""
    labels_path = beside(path)
    if labels_path is None:
        raise DataError(f"{path}: is not called as MNIST's images are, so its labels are unknown")
    images = read_idx(open_data_file(path).path)
    labels = read_idx(open_data_file(labels_path).path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(f"{path}: holds {images.shape} {images.dtype}, not images in bytes")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui":
        raise DataError(f"{labels_path}: {labels.shape} labels for {len(images)} images in {path}")
    return images, labels.astype(np.int64)
