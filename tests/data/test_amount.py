from gatewise.data.amount import amount


def test_one_has_no_plural():
    found = [amount(number, "step") for number in (0, 1, 2, 12_000)]
    assert found == ["0 steps", "1 step", "2 steps", "12,000 steps"]
