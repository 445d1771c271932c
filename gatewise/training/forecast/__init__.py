"""Forecasts of series: training, the model, its tests on what came true, its report."""
