import numpy as np
import polars as pl
import pytest
import torch

from gatewise.data.time_series.covariates import find_encoding
from gatewise.data.time_series.series import read_series
from gatewise.data.time_series.windows import latest_steps, pack_rows, spread
from tests.frames import long_frame


def pack(frame, ends=None, **options):
    found = read_series(frame)
    lengths = np.array([each.steps for each in found.series]) if ends is None else np.array(ends)
    return pack_rows(found.series, lengths, [0], **options)


@pytest.fixture
def rows():
    return pack(long_frame(A=range(10), B=[5.0, 1, 3]), centred=False, scaled=False)


def test_a_window_is_the_past_and_the_future_of_its_origin(rows):
    cut = rows.cut(np.array([0, 0]), np.array([4, 10]), 3, 2)
    assert cut.past.tolist() == [[1, 2, 3], [7, 8, 9]]
    assert cut.future[0].tolist() == [4, 5]
    assert cut.there.tolist() == [[1, 1], [0, 0]]
    assert cut.missing.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_before_the_beginning_there_is_the_first_value_marked_as_missing(rows):
    cut = rows.cut(np.array([1]), np.array([2]), 4, 1)
    assert cut.past.tolist() == [[5, 5, 5, 1]]
    assert cut.missing.tolist() == [[1, 1, 0, 0]]
    assert cut.future.tolist() == [[3]]


def test_values_are_standardised_by_what_is_learned_from():
    rows = pack(long_frame(A=[1, 3, 100, 200]), ends=[2])
    assert (rows.shift.tolist(), rows.unit.tolist()) == ([2], [1])
    assert rows.cut(np.array([0]), np.array([2]), 2, 2).past.tolist() == [[-1, 1]]


def test_large_levels_keep_their_small_changes():
    rows = pack(long_frame(A=[1e9 + k for k in range(20)]))
    past = rows.cut(np.array([0]), np.array([20]), 20, 1).past[0]
    assert torch.allclose(past.diff(), torch.full((19,), 1 / spread(np.arange(20.0))), atol=1e-5)


def test_gaps_are_marked_and_do_not_count():
    rows = pack(long_frame(A=[1, None, 3, 4, None, 6]), centred=False, scaled=False)
    cut = rows.cut(np.array([0]), np.array([3]), 3, 3)
    assert cut.past.tolist() == [[1, 2, 3]]
    assert cut.missing.tolist() == [[0, 1, 0]]
    assert cut.there.tolist() == [[1, 0, 1]]
    true = rows.true(np.array([0]), np.array([3]), 3)[0]
    assert true[[0, 2]].tolist() == [4, 6]
    assert np.isnan(true[1])


def test_a_gap_before_the_origin_does_not_tell_what_comes_behind_it():
    """A line through the gap would end at the next value, which is the future."""
    rows = pack(long_frame(A=[1, 2, None, None, 50, 60]), centred=False, scaled=False)
    cut = rows.cut(np.array([0]), np.array([4]), 4, 1)
    assert cut.past.tolist() == [[1, 2, 2, 2]]
    assert cut.missing.tolist() == [[0, 0, 1, 1]]
    assert rows.history(np.array([0]), np.array([4]), 3).tolist() == [[2, 2, 2]]


@pytest.mark.parametrize("origin", [3, 7, 12, 19])
def test_what_comes_later_changes_no_past(origin):
    draw = np.random.default_rng(0)
    values = draw.normal(size=20).tolist()
    values[2] = values[6] = values[11] = None
    other = [*values[:origin], *draw.normal(size=20 - origin).tolist()]
    one, two = (pack(long_frame(A=each), ends=[3]) for each in (values, other))
    first, second = (rows.cut(np.array([0]), np.array([origin]), 8, 2) for rows in (one, two))
    assert torch.equal(first.past, second.past)
    assert torch.equal(first.missing, second.missing)
    assert np.array_equal(
        one.history(np.array([0]), np.array([origin]), origin),
        two.history(np.array([0]), np.array([origin]), origin),
    )


def test_covariates_reach_over_past_and_future():
    frame = long_frame(A=[1, 2, 3, 4, None, None]).with_columns(
        price=pl.Series([0.0, 1, 2, 3, 4, 5]), shop=pl.lit("n")
    )
    found = read_series(frame, known=["price"], static=["shop"])
    price = find_encoding("price", [-1, 1])
    rows = pack_rows(found.series, np.array([4]), [0], [price], [find_encoding("shop", ["n", "s"])])
    cut = rows.cut(np.array([0]), np.array([4]), 3, 2)
    assert cut.known[0, :, 0].tolist() == [1, 2, 3, 4, 5]
    assert cut.static.tolist() == [[1, 0]]


def test_latest_steps():
    assert latest_steps(np.array([True, False, True, True, False])).tolist() == [-1, 1, 1, 1, 4]


def test_what_never_varies_is_measured_by_its_level():
    assert spread(np.array([0.001, 0.001])) == 0.001
    assert spread(np.zeros(3)) == 1.0
    assert spread(np.zeros(0)) == 1.0
    assert spread(np.array([1.0, 3.0])) == 1.0
