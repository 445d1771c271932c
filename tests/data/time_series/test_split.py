import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.split import split_end, split_series


def parts(*arguments, **options):
    return [each.tolist() for each in split_series(*arguments, **options)]


def test_parts_follow_each_other():
    assert parts([1000], 24) == [[800], [900], [1000]]
    assert parts([17420], 96, 8640, 2880, 2880) == [[8640], [11520], [14400]]
    assert parts([1000], 24, validation=0.2, test=100) == [[700], [900], [1000]]


def test_short_series_give_up_the_test_first_then_the_validation():
    assert parts([38], 12) == [[14], [26], [38]]
    assert parts([37], 12) == [[25], [37], [37]]
    assert parts([25], 12) == [[25], [25], [25]]


def test_nothing_is_cut_off_where_zero_is_asked_for():
    assert parts([100], 10, test=0) == [[80], [100], [100]]


@pytest.mark.parametrize("size", [-1, 1.5])
def test_sizes_that_cannot_be_are_refused(size):
    with pytest.raises(DataError, match="a part of"):
        split_series([100], 10, test=size)


def test_a_test_alone_needs_only_something_before_it():
    found = split_end([30, 13, 14], 12)
    assert found.validation.tolist() == [18, 13, 2]
    assert found.training.tolist() == found.validation.tolist()
    assert found.test.tolist() == [30, 13, 14]
    assert split_end([100], 10, 0.4).validation.tolist() == [60]
