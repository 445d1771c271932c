import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.covariates import Encoding, find_encoding


def test_numbers_are_standardised_and_missing_ones_are_the_mean():
    found = find_encoding("price", ["1", "3", None, 5.0])
    assert found.levels is None
    assert found.gaps
    assert (found.mean, round(found.spread, 4)) == (3.0, 1.633)
    assert found.encode(["3", None, 3.0 + found.spread])[:, 0].tolist() == [0, 0, 1]


def test_words_have_a_place_each():
    found = find_encoding("shop", ["b", "a", "b"])
    assert found.size == 2
    assert not found.gaps
    assert found.encode(["a", "b", "new", None]).tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert Encoding.from_dict(found.to_dict()) == found


def test_a_constant_is_nothing_but_its_mean():
    assert find_encoding("price", [2, 2]).encode([2, 3])[:, 0].tolist() == [0, 1]
    rounded = find_encoding("price", [0.3, 0.1 + 0.2])
    assert rounded.encode([1.3])[0, 0] == pytest.approx(1)


def test_numbers_of_any_size_have_their_own_spread():
    for size in (1e-12, 1e12):
        found = find_encoding("price", [size, 3 * size])
        assert found.encode([size, 3 * size])[:, 0].tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [([None, None], "has no value"), ([f"w{k}" for k in range(200)], "200 different words")],
)
def test_what_tells_nothing_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        find_encoding("shop", values)


def test_a_word_where_a_number_was_learned_is_refused():
    with pytest.raises(DataError, match="'cheap' is no number"):
        find_encoding("price", [1, 2]).encode(["cheap"])
