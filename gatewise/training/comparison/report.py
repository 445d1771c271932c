"""What a comparison found, in a table, a picture, and files."""

import itertools
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewise.data.whole_file import write_whole
from gatewise.tasks.long_lag import LongLagTask
from gatewise.training.comparison.cells import Comparison
from gatewise.training.comparison.run import JUDGED, Outcome
from gatewise.training.picture import picture_of
from gatewise.training.report import (
    Block,
    Command,
    Heading,
    Paragraph,
    Picture,
    Table,
    write_report,
)

HEAD = ("cell", "solved", "sequences to success", "loss", "right", "ms a step", "weights")
LINES = ("solid", "dashed", "dashdot", "dotted")
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito
NONE = "–"


def rows_of(comparison: Comparison, length: int) -> list[list[str]]:
    """Return a row of texts for each cell at a length, as `HEAD` names them.

    Where there are several seeds, numbers are means ± standard deviations over them.
    """
    rows = [
        [cell, *describe_outcomes(comparison.select(length, cell), task_of(comparison, length))]
        for cell in comparison.cells
    ]
    published = task_of(comparison, length).published
    if published is not None:
        rows.append(["LSTM of 1997", NONE, f"{published:,}", *[NONE] * 4])
    return rows


def task_of(comparison: Comparison, length: int) -> LongLagTask:
    """Return the task of a length."""
    return next(run.task for run in comparison.runs if run.task.length == length)


def describe_outcomes(outcomes: Sequence[Outcome], task: LongLagTask) -> list[str]:
    """Return what stands behind a cell's name."""
    solved = [outcome.solved for outcome in outcomes if outcome.solved is not None]
    share = f"{len(solved)} of {len(outcomes)}" if task.mistakes is not None else NONE
    return [
        share,
        spread(solved, "{:,.0f}"),
        spread([outcome.loss for outcome in outcomes], "{:.3g}"),
        spread([100 * outcome.right for outcome in outcomes], "{:.1f}") + " %",
        spread([outcome.milliseconds for outcome in outcomes], "{:.1f}"),
        f"{outcomes[0].weights:,}",
    ]


def spread(values: Sequence[float], form: str) -> str:
    """Return the mean, with the standard deviation where there are several.

    Examples:
        >>> spread([1.0, 3.0], "{:.1f}"), spread([2.0], "{:.1f}"), spread([], "{:.1f}")
        ('2.0 ± 1.4', '2.0', '–')
    """
    if not values:
        return NONE
    mean = form.format(statistics.fmean(values))
    return f"{mean} ± {form.format(statistics.stdev(values))}" if len(values) > 1 else mean


def explain(comparison: Comparison, length: int) -> str:
    """Say what the columns of a length's table mean."""
    task = task_of(comparison, length)
    run = next(run for run in comparison.runs if run.task is task)
    guessing = comparison.select(length, run.label)[0].guessing
    said = [f"Budget: {run.settings.sequences:,} sequences"]
    if run.settings.minutes is not None:
        said[0] += f" or {run.settings.minutes:g} minutes"
    said[0] += "."
    if task.mistakes is not None:
        wrong = f"at most {task.mistakes}" if task.mistakes else "none"
        fault = f"had an error of {task.tolerance} or more" if task.tolerance else "was wrong"
        said.append(
            f"Solved: of {JUDGED:,} successive sequences, each judged before it was learned from, "
            f"{wrong} {fault}."
        )
    said.append(
        "Loss and right: on sequences that were not learned from; "
        f"guessing by frequency has a loss of {guessing:.3g}."
    )
    said.append("A step of the optimiser is measured in processor time of one thread.")
    return " ".join(said)


def draw_picture(comparison: Comparison) -> bytes:
    """Draw the loss against the sequences seen, a panel for each length, as PNG."""
    from matplotlib.figure import Figure

    lengths = comparison.lengths
    figure = Figure(figsize=(min(5.5 * len(lengths) + 1, 20), 4.4), layout="constrained")
    panels = figure.subplots(1, len(lengths), squeeze=False)[0]
    for axes, length in zip(panels, lengths, strict=True):
        draw_length(axes, comparison, length)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    look: dict[str, Any] = {"ncols": min(6, len(labels)), "frameon": False}
    figure.legend(handles, labels, loc="outside lower center", **look)
    return picture_of(figure)


def draw_length(axes: Any, comparison: Comparison, length: int) -> None:
    """Draw the curves of all cells and seeds; a star stands where a run solved the task."""
    looks = zip(comparison.cells, itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False)
    for cell, colour, line in looks:
        for k, outcome in enumerate(comparison.select(length, cell)):
            seen, losses = zip(*outcome.curve, strict=True)
            look: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.3}
            axes.plot(seen, losses, label=cell if k == 0 else None, **look)
            if outcome.solved is not None:
                axes.plot(outcome.solved, losses[-1], "*", color=colour, markersize=11)
    guessing = comparison.select(length, comparison.cells[0])[0].guessing
    axes.axhline(guessing, color="0.35", linewidth=1, linestyle=":", label="guessing")
    axes.set(yscale="log", xlabel="sequences learned from", ylabel="loss")
    axes.set_title(f"{task_of(comparison, length).name}, length {length}", loc="left")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9")


def report_comparison(comparison: Comparison, output: Path, command: str) -> list[Path]:
    """Write a comparison: as Markdown with a picture, as a page, and all numbers as JSON.

    Args:
        comparison: What was found.
        output: The Markdown file; the others are called alike.
        command: What was typed.

    Returns:
        The files.
    """
    names = {run.task.name for run in comparison.runs}
    blocks: list[Block] = [Command(command)]
    for length in comparison.lengths:
        blocks += [
            Heading(f"Length {length}"),
            Table(HEAD, rows_of(comparison, length)),
            Paragraph(explain(comparison, length)),
        ]
    picture = output.with_suffix(".png")
    title = "Mean loss of training sequences; a star stands where a run solved the task"
    blocks.append(Picture(picture.name, title, draw_picture(comparison)))
    numbers = output.with_suffix(".json")
    write_whole(numbers, json.dumps(comparison.to_dict(), indent=1, allow_nan=False).encode())
    markdown, page = write_report(output, f"Cells compared: {', '.join(names)}", blocks)
    return [markdown, page, picture, numbers]
