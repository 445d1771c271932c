"""Forecasts of series that were never learned from, beside those that cost nothing."""

import datetime

import numpy as np
import polars as pl
import pytest

import gatewise as gw
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.forecast.training import train_forecast


def monthly_panel(name: str, count: int, seed: int) -> pl.DataFrame:
    """Monthly series of every level, trend, season and noise, 60 to 160 months long."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        steps = int(draw.integers(60, 160))
        pattern = draw.normal(size=12) * draw.choice([0, 0.02, 0.1, 0.25])
        trend, wander = draw.normal(0, 0.004), draw.choice([0.005, 0.02, 0.05])
        walk = np.exp(draw.normal(7, 2) + draw.normal(trend, wander, size=steps).cumsum())
        noise = np.exp(draw.normal(0, draw.choice([0.01, 0.05, 0.1]), size=steps))
        values = walk * noise * (1 + pattern - pattern.mean())[np.arange(steps) % 12]
        months = [datetime.date(1990 + k // 12, k % 12 + 1, 1) for k in range(steps)]
        rows += [(f"{name}{number}", *row) for row in zip(months, values.tolist(), strict=True)]
    return pl.DataFrame(rows, schema=["unique_id", "ds", "y"], orient="row")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.kernels
def test_what_is_used_beats_the_seasonal_naive_and_naive2_on_series_never_met(tmp_path):
    output = tmp_path / "model.safetensors"
    settings = ForecastSettings(horizon=18, steps=800, device="cpu")
    train_forecast(monthly_panel("met", 300, seed=5), output, settings)
    model = gw.load(output)
    tested = model.backtest(monthly_panel("new", 200, seed=6), test=18)
    assert tested.origins == 200
    used = tested.accuracy[model.best]
    assert used.mase < tested.accuracy["seasonal naive"].mase
    assert used.mase < tested.accuracy["Naive2"].mase
    assert used.owa < 1
    assert tested.coverage[0.1, 0.9] == pytest.approx(0.8, abs=0.06)
