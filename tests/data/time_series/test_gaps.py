import numpy as np
import polars as pl

from gatewise.data.time_series.gaps import fill_gaps, last_by_step, put_on_grid


def test_values_of_one_step_are_averaged_and_counted():
    found = put_on_grid(np.array([2.2, 1.8, 4.0]), np.array([[1.0, 5], [3, np.nan], [7, 8]]))
    assert found.start == 2
    assert found.values[0].tolist() == [2, 5]
    assert np.isnan(found.values[1]).all()
    assert found.values[2].tolist() == [7, 8]
    assert found.merged == 1


def test_filling_leaves_what_is_there_alone():
    values = np.array([[np.nan, 1], [2, np.nan], [np.nan, 3], [4, np.nan]])
    filled, missing = fill_gaps(values)
    assert filled.T.tolist() == [[2, 2, 3, 4], [1, 2, 3, 3]]
    assert (missing == np.isnan(values)).all()


def test_covariates_stand_at_their_steps():
    steps = np.array([7, 5, 9])
    assert last_by_step(steps, pl.Series(["b", "a", None]), 5, 5) == ["a", None, "b", None, None]
