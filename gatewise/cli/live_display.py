"""What every training display shares: a table that grows above one line that moves."""

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from gatewise.data import processes
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.plan import Plan, Stopped, Trial
from gatewise.training.ranges import described

RECENT = 10.0  # seconds that the speed is averaged over
PLAIN_EVERY = 30.0  # seconds between lines where nothing can move

AnyDisplay = TypeVar("AnyDisplay", bound="LiveDisplay")


class LiveDisplay:
    """Shows training in a terminal; writes plain lines where the output is no terminal.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False, quiet=not processes.is_first())
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
        self.recent: deque[tuple[float, int]] = deque()  # times and steps since a validation
        self.loss = math.nan
        self.said = self.begun_at = time.monotonic()
        self.begun_with = 0.0
        self.trying_begun = False

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def preparing(self, stage: str, share: float) -> None:
        """Say what is being made ready."""
        self.move(share, stage)

    def begin(self, spent: float) -> None:
        """Start the clock of this session; earlier ones spent a share of the budget."""
        self.begun_at, self.begun_with = time.monotonic(), spent
        self.bar.update(self.line, completed=spent, description="starting")

    def advance(
        self,
        progress: Progress,
        spent: float,
        figures: Iterable[str],
        per_step: float,
        unit: str,
    ) -> None:
        """Move the line behind a step.

        Args:
            progress: How far the run is.
            spent: Share of the budget.
            figures: What stands before the speed.
            per_step: How many units a step of this process reads.
            unit: Their name.
        """
        now = time.monotonic()
        self.recent.append((now, progress.step))
        while now - self.recent[0][0] > RECENT:
            self.recent.popleft()
        clipped = f"clipped {progress.clipped_share:.0%}" if progress.clipped else ""
        parts = [*figures, clipped, self.speed(per_step, unit), self.time_left(now, spent)]
        self.move(spent, " · ".join(part for part in parts if part))

    def smooth(self, loss: float) -> float:
        """Return the loss averaged over the last steps."""
        self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
        return self.loss

    def move(self, share: float, line: str) -> None:
        """Move the line; where nothing can move, write another now and then."""
        if self.console.is_terminal:
            self.bar.update(self.line, completed=share, description=line, visible=True)
        elif time.monotonic() - self.said >= PLAIN_EVERY:
            self.said = time.monotonic()
            self.console.print(f"{share:4.0%}  {line}")

    def speed(self, per_step: float, unit: str) -> str:
        """Return the units read per second."""
        (begin, first), (end, last) = self.recent[0], self.recent[-1]
        if end - begin < 0.5:
            return ""
        rate = (last - first) * per_step / (end - begin)
        return f"{rate / 1000:.1f}k {unit}/s" if rate >= 1000 else f"{rate:.0f} {unit}/s"

    def time_left(self, now: float, spent: float) -> str:
        """Return how long it will take at the speed so far."""
        gone, passed = spent - self.begun_with, now - self.begun_at
        if passed < 2 or gone <= 0:
            return ""
        return f"{clock((1 - spent) / gone * passed)} left"

    def validating(self) -> None:
        """Say that a validation runs."""
        self.recent.clear()
        self.bar.update(self.line, description="validating")

    def measuring(self) -> None:
        """Say that the best model is measured."""
        self.bar.update(self.line, description="measuring the best model")

    def trying(self, trial: Trial, spent: float) -> None:
        """Move the line within a trial of settings."""
        share = (trial.number + spent) / trial.trials
        if not self.trying_begun:
            self.begin(trial.number / trial.trials)
            self.trying_begun = True
        left = self.time_left(time.monotonic(), share)
        said = [f"trial {trial.number + 1} of {trial.trials}: {described(trial.settings)}", left]
        self.move(share, " · ".join(part for part in said if part))

    def tried(self, trial: Trial, measured: Measurement | None, outcome: str) -> None:
        """Write a row for a trial."""
        found = "" if measured is None else describe_measurement(measured)
        self.console.print(
            f"trial {trial.number + 1:>3} of {trial.trials}  {found:<34}  "
            f"{described(trial.settings)}{'' if outcome == 'done' else f'  {outcome}'}",
            markup=False,
        )

    def tuned(self, best: Trial, measured: Measurement | None) -> None:
        """Say what training takes."""
        found = "" if measured is None else f" ({describe_measurement(measured)})"
        self.console.print(
            f"Taken from {best.trials} trials{found}: {described(best.settings)}\n", markup=False
        )

    def say_stopped(self, output: Path) -> None:
        """Say how to go on."""
        self.bar.stop()
        self.console.print(
            f"\nStopped; everything is kept in {output.with_suffix('.run')}. "
            "The same command (without --restart) goes on from here.",
            soft_wrap=True,
        )


@contextlib.contextmanager
def shown(display: AnyDisplay, output: Path) -> Iterator[AnyDisplay]:
    """Show a training while it runs; where the user stops it, say how to go on, and leave.

    Args:
        display: What shows it.
        output: The model file.
    """
    with display:
        try:
            yield display
        except Stopped:
            display.say_stopped(output)
            raise typer.Exit(130) from None


def describe_measurement(measured: Measurement) -> str:
    """Show what a validation found, the loss first."""
    metrics = list((measured.metrics or {}).items())[:1]
    others = "".join(f", {name} {value:.4g}" for name, value in metrics)
    return f"validation {measured.validation:.4f}{others}"


def is_best(history: list[Measurement]) -> bool:
    """Say whether the last validation is better than all before."""
    return all(history[-1].merit < before.merit for before in history[:-1])


def ended(progress: Progress, patience: int) -> str:
    """Say how long a run took, why it ended, and how often its gradients were clipped."""
    parts = [f"Done in {clock(progress.seconds)}, {progress.step:,} steps."]
    if progress.waited >= patience:
        parts.append(f"No improvement in {progress.waited} validations.")
    if progress.clipped:
        parts.append(f"Gradients were clipped in {progress.clipped_share:.0%} of the steps.")
    return " ".join(parts)


def describe_plan(plan: Plan, read: str, batches_per_epoch: int) -> str:
    """Say how a model is trained, and when that ends.

    Args:
        plan: How.
        read: What a step of one process reads.
        batches_per_epoch: Steps of an epoch.
    """
    ends = [] if plan.budget.minutes is None else [f"{plan.budget.minutes:g} min"]
    if plan.budget.steps is not None:
        epochs = plan.budget.steps / batches_per_epoch
        digits = 0 if epochs >= 100 else 1
        ends.append(f"{plan.budget.steps:,} steps ({epochs:,.{digits}f} epochs)")
    together = f" in each of {processes.count()} processes" if processes.count() > 1 else ""
    return (
        f"{read}{together}, learning rate {plan.learning_rate:g}, until {' or '.join(ends)}, "
        f"or no better for {plan.patience} validations"
    )


def clock(seconds: float) -> str:
    """Show a duration as minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60} h {minutes % 60:02d} min"
