"""What a search for settings found: every trial in a table, and where the good values lie."""

from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from gatewise.training.checkpoint import Measurement
from gatewise.training.picture import picture_of
from gatewise.training.ranges import brief, described, written
from gatewise.training.report import Paragraph, Picture, Table, write_report

DONE, EARLY = "#0b62a4", "#bbbbbb"


def write_tuning_report(output: Path, trials: list[FrozenTrial], count: int) -> tuple[Path, Path]:
    """Write `model.tuning.md`, `.html` and `.png` beside a model file.

    Args:
        output: The model file.
        trials: All that came to an end, at least one with a result.
        count: How many were asked for.

    Returns:
        Where the Markdown and the HTML stand.
    """
    whole = [each for each in trials if each.state is TrialState.COMPLETE]
    best = min(whole, key=lambda each: each.value or 0.0)
    names = list(trials[0].params)
    said = (
        f"{count} trials, each of a tenth of the training's budget, on validation alone; "
        f"{len(trials) - len(whole)} came to no end. Training took the settings of trial "
        f"{trials.index(best) + 1}: {described(best.params)}. Its validation loss is the least, "
        f"{best.value:.5g}."
    )
    if trials[0] in whole:
        said += f" The settings taken without a search reached {trials[0].value:.5g}."
    head = ("trial", *map(written, names), "loss", "also measured", "")
    rows = [row(k, each, names, best) for k, each in enumerate(trials)]
    tuning = output.with_suffix(".tuning.safetensors")
    title = "Validation loss of each trial over each setting; grey ones came to no end"
    picture = Picture(f"{output.stem}.tuning.png", title, draw_slices(trials, names))
    blocks = [Paragraph(said), Table(head, rows), picture]
    return write_report(tuning, f"{output.name}: the search for its settings", blocks)


def row(number: int, trial: FrozenTrial, names: list[str], best: FrozenTrial) -> list[str]:
    """Return a trial's line of the table."""
    found = trial.user_attrs.get("measured")
    measured = None if found is None else Measurement(*found)
    values = [trial.params[name] for name in names]
    return [
        str(number + 1),
        *map(brief, values),
        "–" if measured is None else f"{measured.validation:.4f}",
        "" if measured is None else described_metrics(measured),
        "best" if trial is best else trial.user_attrs.get("outcome", ""),
    ]


def described_metrics(measured: Measurement) -> str:
    """Return what a validation found besides the loss."""
    return ", ".join(f"{name} {value:.4g}" for name, value in (measured.metrics or {}).items())


def draw_slices(trials: list[FrozenTrial], names: list[str]) -> bytes:
    """Draw the validation loss over each setting."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.8 * len(names) + 0.6, 2.8), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for trial in trials:
            found = trial.user_attrs.get("measured")
            if found is not None:
                colour = DONE if trial.state is TrialState.COMPLETE else EARLY
                axes.plot(trial.params[name], Measurement(*found).validation, "o", color=colour)
        axes.set(xlabel=written(name))
        if name == "learning_rate":
            axes.set_xscale("log")
    panels[0].set(ylabel="validation loss")
    return picture_of(figure)
