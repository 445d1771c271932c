import gzip

import numpy as np
import pytest

from gatewise.data.source import DataError
from gatewise.data.tokens.vectors import read_vectors

WORDS = ["cat", "dog", "<unk>"]


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_vectors_of_the_vocabulary_are_found(tmp_path, head):
    (tmp_path / "v.txt").write_text(head + "the 9 9\ndog 1 2.5\ncat 3 -4e-1\ndog 7 7\n. . 5 6\n")
    found = read_vectors(tmp_path / "v.txt", WORDS)
    assert found.rows.tolist() == [0, 1]
    np.testing.assert_allclose(found.values, [[3, -0.4], [1, 2.5]])
    (tmp_path / "v.gz").write_bytes(gzip.compress((tmp_path / "v.txt").read_bytes()))
    assert (read_vectors(tmp_path / "v.gz", WORDS).values == found.values).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 1 2\ndog 1\n", "line 2 has 1 numbers, the first 2"),
        ("cat 1 x\n", "line 1: could not convert"),
        ("cat 1 nan\n", "line 1: a number is not finite"),
        ("bird 1 2\n", "none of the vocabulary's 3 words"),
    ],
)
def test_what_is_no_file_of_vectors(tmp_path, text, message):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v.txt", WORDS)
