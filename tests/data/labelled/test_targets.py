import pytest

from gatewise.data.labelled.targets import ClassTargets, build_targets, targets_from_dict
from gatewise.data.source import DataError


def built(kind, labels, **options):
    return build_targets(kind, [(label, "a.csv: row 1") for label in labels], "a.csv", **options)


def test_classes_are_in_the_order_of_numbers_or_of_the_alphabet():
    assert built("classes", ["10", "9", "10"]).names == ["9", "10"]
    assert built("classes", ["b", "a", "10"]).names == ["10", "a", "b"]
    assert built("ordinal", ["hot", "cold"], order=("cold", "hot")).encode("hot", "") == 1


def test_numbers_have_a_mean_and_a_spread():
    targets = built("regression", ["1", "3"])
    assert (targets.mean, targets.deviation, targets.encode("2.5", "")) == (2.0, 1.0, 2.5)


@pytest.mark.parametrize("kind", ["classes", "ordinal", "regression"])
def test_they_come_back(kind):
    targets = built(kind, ["1", "2", "3"])
    again = targets_from_dict(targets.to_dict())
    assert again.to_dict() == targets.to_dict()
    assert again.encode("3", "") == targets.encode("3", "")


def test_what_is_no_target_is_refused():
    with pytest.raises(ValueError, match="two different classes"):
        ClassTargets(["a"])
    with pytest.raises(ValueError, match="unknown targets"):
        targets_from_dict({"kind": "colour"})
    with pytest.raises(DataError, match=r"a\.csv: row 7: the label 'x' is none of those learned"):
        ClassTargets(["a", "b"]).encode("x", "a.csv: row 7")


def test_equal_numbers_are_refused_with_a_word_on_steps():
    labels = [("1", "a.csv: row 9"), ("1", "a.csv: row 18")]
    with pytest.raises(DataError, match=r"a\.csv: every label is the same.*its last row counts"):
        build_targets("regression", labels, "a.csv")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["$1,234", "$5.50"], [1234, 5.5]),
        (["12 %", "7.5 %"], [12, 7.5]),
        (["1,234.5", "2"], [1234.5, 2]),
        (["1.234", "1.234,5 €"], [1234, 1234.5]),
    ],
)
def test_numbers_are_read_as_people_write_them(labels, expected):
    targets = targets_from_dict(built("regression", labels).to_dict())
    assert [targets.encode(label, "") for label in labels] == expected
    assert built("classes", labels).names == [
        label for _, label in sorted(zip(expected, labels, strict=True))
    ]


def test_a_target_that_may_mean_two_things_is_refused():
    with pytest.raises(DataError, match=r"a\.csv: row 1, the label: '1,234' may be 1234 or 1\.234"):
        built("regression", ["1,234", "5"])
    with pytest.raises(DataError, match="another unit than '\\$5'; write all numbers alike"):
        built("regression", ["$5", "5 €"])
    with pytest.raises(DataError, match=r"a\.csv: row 3: the label 'many' is no number"):
        built("regression", ["$1.50", "$2.50"]).encode("many", "a.csv: row 3")
