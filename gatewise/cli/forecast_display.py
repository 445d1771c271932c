"""How a forecast model's training looks: a table of validations above one line that moves."""

from rich.console import Console

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.data import processes
from gatewise.data.columns import shorten
from gatewise.tasks.naive import NAIVES
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.forecast import ForecastDisplay, Run

HEADING = (
    f"{'epoch':>8}{'step':>9}{'training':>11}{'validation':>12}{'sMAPE':>9}{'MASE':>8}{'OWA':>8}"
)


class LiveForecastDisplay(LiveDisplay, ForecastDisplay):
    """Shows a forecast model's training.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.run: Run | None = None

    def preparing(self, stage: str, share: float = 0.0) -> None:
        """Say what is being made ready."""
        super().preparing(stage, share)

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run, progress = run, run.progress
        self.begin(run.plan.budget.spent(progress.step, progress.seconds))
        for line in summary(run):
            self.console.print(line, soft_wrap=True, markup=False)
        self.console.print(HEADING, style="bold")
        for number, measured in enumerate(progress.history):
            self.console.print(row(measured, is_best(progress.history[: number + 1])))

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        assert self.run is not None
        figures = [f"step {progress.step:,}", f"loss {self.smooth(loss):.4f}"]
        self.advance(progress, spent, figures, self.run.task.batch_size, "windows")

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
    read = f"{task.batch_size // processes.count()} windows a step"
    lines = [
        f"series    {count}, {shorten(series.columns.targets)}: {series.steps:,} steps",
        *(f"          {said}" for said in series.said),
        f"windows   {task.total:,} to learn from, {len(task.moments.rows):,} to measure on; "
        f"{settings.horizon} steps from {settings.lookback}, in segments of {settings.segment}",
        f"model     {name}, hidden size {settings.hidden}, {settings.decoding}, scaling "
        f"{settings.scaling}, anchor {task.anchor}, {size:,} weights",
        f"training  {describe_plan(run.plan, read, task.batches_per_epoch)}",
    ]
    if run.progress.step:
        share = run.plan.budget.spent(run.progress.step, run.progress.seconds)
        lines.append(f"resumed   at step {run.progress.step:,}, {share:.0%} done")
    return [*lines, ""]


def row(measured: Measurement, best: bool) -> str:
    """Return one line of the table."""
    found = measured.metrics or {}
    return (
        f"{measured.epoch:8.2f}{measured.step:9,}{measured.training:11.4f}"
        f"{measured.validation:12.4f}{found['sMAPE']:9.2f}{found['MASE']:8.3f}{found['OWA']:8.3f}"
        + ("  best" if best else "")
    )
