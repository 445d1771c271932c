"""What the report says of a forecast model is what was measured."""

from types import SimpleNamespace
from typing import Any

import pytest

from gatewise.training.forecast.report import verdict

MASES = {"network": 0.8, "blend": 0.7, "naive": 1.0, "seasonal naive": 0.9, "Naive2": 1.1}


def say(best: str, **changes: float) -> str:
    accuracy = {name: SimpleNamespace(mase=changes.get(name, at)) for name, at in MASES.items()}
    model: Any = SimpleNamespace(best=best)
    tested: Any = SimpleNamespace(accuracy=accuracy)
    return verdict(model, tested)


def test_what_was_learned_is_compared_with_naive_forecasts():
    assert "MASE is 0.700, better than every naive forecast (naive 1.000, sea" in say("blend")
    assert "0.950, no better than a naive forecast" in say("network", network=0.95)


@pytest.mark.parametrize("naive", [0.5, 1.0])
def test_a_naive_forecast_is_never_better_than_every_naive_forecast(naive):
    said = say("naive", naive=naive)
    assert "better than every" not in said
    assert f"MASE is {naive:.3f} (network 0.800, blend 0.700, seasonal naive 0.900" in said


def test_series_that_never_change_have_no_mase():
    assert "MASE has no value" in say("naive", naive=float("nan"))
