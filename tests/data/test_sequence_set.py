import numpy as np
import pytest

from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Roles
from gatewise.data.sequence_set import gather_sequences
from gatewise.data.source import DataError


def numbers(*lengths):
    return [np.arange(n, dtype=np.float32)[:, None] + 100 * k for k, n in enumerate(lengths)]


def test_every_sequence_is_learned_from_or_held_back():
    data = gather_sequences(read_examples([f"text {k}" for k in range(40)]), None, seed=0)
    assert len(data.held) == 4
    assert sorted(data.training + data.held) == sorted(f"text {k}" for k in range(40))
    other = gather_sequences(read_examples([f"text {k}" for k in range(40)]), None, seed=1)
    assert other.held != data.held
    assert data.is_text
    assert data.tokenizer.characters == "\n 0123456789etx"


def test_long_ones_are_cut_and_nothing_stands_twice():
    data = gather_sequences(read_examples(numbers(100, 7, 44)), 10, seed=0)
    pieces = sorted(data.training + data.held, key=lambda piece: piece[0, 0])
    assert [len(piece) for piece in pieces] == [10] * 10 + [7] + [10] * 4  # 4 of 44 are too few
    np.testing.assert_array_equal(np.concatenate(pieces[:10])[:, 0], np.arange(100))


def test_scale_is_that_of_what_is_learned_from():
    data = gather_sequences(read_examples(numbers(*[5] * 20)), None, seed=0)
    mean, spread = data.scale()
    steps = np.concatenate(data.training)
    assert mean == [pytest.approx(steps.mean())]
    assert spread == [pytest.approx(steps.std())]
    constant = gather_sequences(read_examples([np.ones((4, 1))] * 12), None, seed=0)
    assert constant.scale() == ([1.0], [1.0])


def test_token_0_is_left_to_the_end():
    data = gather_sequences(read_examples(["bé", "a", *["b"] * 10]), None, seed=0)
    assert data.tokenizer.encode("béa").tolist() == [2, 3, 1]
    with pytest.raises(DataError, match="example 1: has an end of line"):
        gather_sequences(read_examples(["b\né", *["b"] * 10]), None, seed=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("one\ntwo\n", "2 sequences; at least 10 are needed.*--length"),
        ("", "is empty"),
        ("\n \n", "no line"),
    ],
)
def test_texts_that_will_not_do_are_refused(tmp_path, content, said):
    path = tmp_path / "lines.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        gather_sequences(read_examples(path, Roles(label_place="none")), None, 0)


def test_missing_numbers_are_refused_with_their_place(tmp_path):
    values = np.ones((12, 6, 1), np.float32)
    values[3, 4] = np.nan
    np.save(tmp_path / "values.npy", values)
    with pytest.raises(DataError, match=r"values.npy: \w+ 4, step 5: a number is missing"):
        gather_sequences(read_examples(tmp_path / "values.npy"), None, 0)
