import pytest

from gatewise.training.schedule import Budget, learning_rate


def test_a_budget_ends_at_whatever_comes_first():
    budget = Budget(steps=100, minutes=2)
    assert budget.spent(50, 0) == 0.5
    assert budget.spent(50, 90) == 0.75
    assert budget.spent(100, 0) == budget.spent(0, 120) == budget.spent(999, 999) == 1


def test_steps_alone_never_look_at_the_clock():
    assert Budget(steps=4).spent(1, 1e9) == 0.25


def test_a_budget_needs_an_end():
    with pytest.raises(ValueError, match="needs an end"):
        Budget()


def test_the_rate_rises_then_falls_to_a_fiftieth():
    rates = [learning_rate(1.0, step, step / 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert rates[0] < 0.01
    assert 30 < top < 200
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0.95 < rates[top] <= 1
    assert rates[-1] == pytest.approx(0.02)


def test_a_short_budget_has_a_short_rise():
    assert learning_rate(1.0, 5, 0.05) == pytest.approx(1, abs=0.01)
