import gzip
import struct

import numpy as np
import pytest

from gatewise.data.source import DataError
from gatewise.training.comparison.images import read_image_task


def write_idx(path, array):
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path):
    for part, count in (("train", 6), ("t10k", 4)):
        images = np.arange(count * 4).reshape(count, 2, 2)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 3)
    return tmp_path


def test_four_files_make_a_task(folder):
    task = read_image_task(folder / "train-images-idx3-ubyte.gz")
    assert (task.length, task.outputs) == (4, 3)
    assert next(iter(task.tests())).target.tolist() == [0, 1, 2, 0]
    before = task.data
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.ones((4, 2, 2)))
    assert read_image_task(folder / "train-images-idx3-ubyte.gz").data != before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "t10k-images-idx3-ubyte.gz").unlink(), "no such file"),
        (lambda f: (f / "train-labels-idx1-ubyte.gz").unlink(), "train-labels.*no such file"),
        (
            lambda f: write_idx(f / "train-labels-idx1-ubyte.gz", np.zeros(5)),
            r"\(5,\) labels for 6 images",
        ),
        (
            lambda f: write_idx(f / "t10k-images-idx3-ubyte.gz", np.zeros((4, 3, 2))),
            r"images of \(3, 2\), where .* has \(2, 2\)",
        ),
        (
            lambda f: write_idx(f / "t10k-images-idx3-ubyte.gz", np.zeros((4, 3))),
            "not images in bytes",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(folder, spoil, said):
    spoil(folder)
    with pytest.raises(DataError, match=said):
        read_image_task(folder / "train-images-idx3-ubyte.gz")


def test_images_of_other_names_need_the_test_named(folder):
    (folder / "train-images-idx3-ubyte.gz").rename(folder / "images-idx3-ubyte.gz")
    (folder / "train-labels-idx1-ubyte.gz").rename(folder / "labels-idx1-ubyte.gz")
    with pytest.raises(DataError, match="--test-data"):
        read_image_task(folder / "images-idx3-ubyte.gz")
    task = read_image_task(folder / "images-idx3-ubyte.gz", folder / "t10k-images-idx3-ubyte.gz")
    assert task.length == 4
