"""Plots of a classifier's report."""

import torch
from matplotlib.figure import Figure

from gatewise.tasks.measures import measure_classes
from gatewise.training.classification.plots import draw_reliability


def test_calibration_counts_its_predictions():
    sure = torch.tensor([0.52] * 3 + [0.97] * 6 + [1.0])
    probabilities = torch.stack([sure, 1 - sure], -1)
    findings = measure_classes(probabilities, torch.zeros(len(sure), dtype=torch.int64))
    measured, counted = Figure().subplots(2, 1)
    draw_reliability(findings, measured, counted)
    bars = {
        round(bar.get_x() + bar.get_width() / 2, 3): bar.get_height() for bar in counted.patches
    }
    assert list(bars.values()) == [3, 7]
    assert all(0 < place < 1 for place in bars)
    assert counted.get_ylabel() == "predictions"
