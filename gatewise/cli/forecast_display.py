"""How a forecast model's training looks: a table of validations above one line that moves."""

import math
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from gatewise.cli.live_display import clock, ended, is_best
from gatewise.data.columns import shorten
from gatewise.tasks.naive import NAIVES
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.forecast import ForecastDisplay, Run

PLAIN_EVERY = 30.0  # seconds between lines where nothing can move
HEADING = (
    f"{'epoch':>8}{'step':>9}{'training':>11}{'validation':>12}{'sMAPE':>9}{'MASE':>8}{'OWA':>8}"
)


class LiveForecastDisplay(ForecastDisplay):
    """Shows training in a terminal; writes plain lines where the output is no terminal.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = 200  # a file has no edge to wrap at
        self.bar = Bar(
            TextColumn("{task.percentage:>3.0f} %"),
            BarColumn(bar_width=None, complete_style="green", finished_style="green"),
            TextColumn("{task.description}"),
            console=self.console,
            expand=True,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.line = self.bar.add_task("", total=1.0, visible=False)
        self.run: Run | None = None
        self.loss = math.nan
        self.said = self.begun_at = time.monotonic()
        self.begun_with = 0.0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def preparing(self, stage: str) -> None:
        """Say what is being made ready."""
        self.move(0.0, stage)

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run, progress = run, run.progress
        self.begun_at = time.monotonic()
        self.begun_with = run.plan.budget.spent(progress.step, progress.seconds)
        for line in summary(run):
            self.console.print(line, soft_wrap=True, markup=False)
        self.console.print(HEADING, style="bold")
        for number, measured in enumerate(progress.history):
            self.console.print(row(measured, is_best(progress.history[: number + 1])))

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
        gone, passed = spent - self.begun_with, time.monotonic() - self.begun_at
        left = f" · {clock((1 - spent) / gone * passed)} left" if passed > 2 and gone > 0 else ""
        self.move(spent, f"step {progress.step:,} · loss {self.loss:.4f}{left} at most")

    def move(self, share: float, line: str) -> None:
        """Move the line; where nothing can move, write another now and then."""
        if self.console.is_terminal:
            self.bar.update(self.line, completed=share, description=line, visible=True)
        elif time.monotonic() - self.said >= PLAIN_EVERY:
            self.said = time.monotonic()
            self.console.print(f"{share:4.0%}  {line}")

    def validating(self) -> None:
        """Say that a validation runs."""
        self.bar.update(self.line, description="validating")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table, below the naive forecasts before the first."""
        assert self.run is not None
        if len(progress.history) == 1:
            accuracy = self.run.task.accuracy
            for name in NAIVES:
                found = accuracy[name]
                self.console.print(
                    f"{name:>40}{found.smape:9.2f}{found.mase:8.3f}{found.owa:8.3f}", style="dim"
                )
        self.console.print(row(progress.history[-1], is_best(progress.history)))

    def stopped(self) -> None:
        """Say how to go on."""
        self.bar.stop()
        if self.run is None:
            return
        self.console.print(
            f"\nStopped; everything is kept in {self.run.output.with_suffix('.run')}. "
            "The same command (without --restart) goes on from here.",
            soft_wrap=True,
        )

    def finished(self, progress: Progress) -> None:
        """Say that training is over, and why."""
        self.bar.stop()
        assert self.run is not None
        self.console.print(f"\n{ended(progress, self.run.plan.patience)}")


def summary(run: Run) -> list[str]:
    """Return what is trained on what, line by line."""
    settings, series, task = run.settings, run.series, run.task
    name = settings.cell if isinstance(settings.cell, str) else settings.cell.name
    size = sum(weight.numel() for weight in task.model.parameters())
    count = f"{len(series.series):,} series" if len(series.series) > 1 else "1 series"
    lines = [
        f"series    {count}, {shorten(series.columns.targets)}: {series.steps:,} steps",
        *(f"          {said}" for said in series.said),
        f"windows   {task.total:,} to learn from, {len(task.moments.rows):,} to measure on; "
        f"{settings.horizon} steps from {settings.lookback}, in segments of {settings.segment}",
        f"model     {name}, hidden size {settings.hidden}, {settings.decoding}, scaling "
        f"{settings.scaling}, anchor {task.anchor}, {size:,} weights",
        f"training  {task.batch_size} windows a step, learning rate {settings.learning_rate:g}, "
        f"until {describe_end(run)}, or no better for {run.plan.patience} validations",
    ]
    if run.progress.step:
        share = run.plan.budget.spent(run.progress.step, run.progress.seconds)
        lines.append(f"resumed   at step {run.progress.step:,}, {share:.0%} done")
    return [*lines, ""]


def describe_end(run: Run) -> str:
    """Say where the budget ends."""
    budget = run.plan.budget
    ends = [] if budget.minutes is None else [f"{budget.minutes:g} min"]
    if budget.steps is not None:
        epochs = budget.steps / run.task.batches_per_epoch
        ends.append(f"{budget.steps:,} steps ({epochs:.3g} epochs)")
    return " or ".join(ends)


def row(measured: Measurement, best: bool) -> str:
    """Return one line of the table."""
    found = measured.metrics or {}
    return (
        f"{measured.epoch:8.2f}{measured.step:9,}{measured.training:11.4f}"
        f"{measured.validation:12.4f}{found['sMAPE']:9.2f}{found['MASE']:8.3f}{found['OWA']:8.3f}"
        + ("  best" if best else "")
    )
