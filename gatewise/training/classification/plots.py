"""Plots of a classifier's report: its course, its confusion, its calibration."""

from typing import Any

from gatewise.tasks.measures import BINS, Findings
from gatewise.training.checkpoint import Progress
from gatewise.training.picture import picture_of

MOST_NAMED = 40  # classes; of more the axes have no names


def new_axes(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure and its axes, apart from pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def plot_course(progress: Progress) -> bytes:
    """Plot the losses over the epochs, and the accuracy where there is one."""
    figure, axes = new_axes(7, 3.2)
    epochs = [measured.epoch for measured in progress.history]
    mark = "o" if len(epochs) < 3 else None
    for name in ("training", "validation"):
        values = [getattr(measured, name) for measured in progress.history]
        axes.plot(epochs, values, label=f"{name} loss", marker=mark)
    axes.set(xlabel="epoch", ylabel="loss")
    if all("accuracy" in (measured.metrics or {}) for measured in progress.history):
        right = axes.twinx()
        values = [(measured.metrics or {})["accuracy"] for measured in progress.history]
        right.plot(epochs, values, color="tab:green", marker=mark, label="accuracy")
        right.set(ylabel="accuracy", ylim=(0, 1.02))
    if progress.best is not None:
        axes.axvline(progress.best.epoch, color="0.7", linestyle=":", label="best")
    figure.legend(loc="outside lower center", ncols=4)
    return picture_of(figure)


def plot_confusion(findings: Findings, classes: list[str]) -> bytes:
    """Plot how often each class (row) was taken for each (column), as shares of the row."""
    assert findings.confusion is not None
    size = min(3 + 0.35 * len(classes), 14)
    figure, axes = new_axes(size + 1, size)
    rows = [[count / max(sum(row), 1) for count in row] for row in findings.confusion]
    shown = axes.imshow(rows, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="taken for", ylabel="is")
    if len(classes) <= MOST_NAMED:
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
    if len(classes) <= 12:
        for y, row in enumerate(findings.confusion):
            for x, count in enumerate(row):
                color = "white" if rows[y][x] > 0.5 else "black"
                axes.text(x, y, f"{count:,}", ha="center", va="center", color=color)
    figure.colorbar(shown, label="share of the row")
    return picture_of(figure)


def plot_reliability(findings: Findings) -> bytes:
    """Plot how often the model was right against how sure it was, and how often it was so sure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.8), layout="constrained")
    draw_reliability(findings, *figure.subplots(2, 1, sharex=True, height_ratios=(4, 1)))
    return picture_of(figure)


def draw_reliability(findings: Findings, measured: Any, counted: Any) -> None:
    """Draw the shares that were right into axes, and the number of predictions into others."""
    assert findings.reliability is not None
    sure, right, counts = zip(*findings.reliability, strict=True)
    measured.plot([0, 1], [0, 1], color="0.7", linestyle=":", label="as sure as right")
    measured.plot(sure, right, marker="o", label="measured")
    measured.set(ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    measured.legend()
    bins = [min(int(confidence * BINS), BINS - 1) for confidence in sure]
    counted.bar([(bin + 0.5) / BINS for bin in bins], counts, width=0.9 / BINS)
    counted.set(xlabel="confidence", ylabel="predictions")
    counted.yaxis.get_major_locator().set_params(nbins=3, integer=True)
