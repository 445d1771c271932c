"""How a training looks: what is trained, a table of validations that grows, a line that moves."""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatewise.cli.live_display import LiveDisplay, clock
from gatewise.data import processes
from gatewise.data.amount import amount
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.plan import Display, Plan, Run, Stopped, Trial
from gatewise.training.ranges import described

WIDTHS = {"epoch": 8, "step": 9, "training": 11, "validation": 12, "R²": 12}  # others have 8

AnyDisplay = TypeVar("AnyDisplay", bound="TrainingDisplay")


class TrainingDisplay(LiveDisplay, Display):
    """Shows a training; each task says what is its own.

    Args:
        console: Where to write; None is standard output.

    Attributes:
        unit: What a batch consists of.
        run: What is trained; none before `started`.
    """

    unit = "examples"
    run: Run[Any]

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.loss = math.nan
        self.headed = self.tried_before = False

    # What each task says of its own

    def describe(self, run: Run[Any]) -> Iterable[tuple[str, str]]:
        """Yield what is trained on what, with a title each; the data come first."""
        raise NotImplementedError

    def read(self, run: Run[Any]) -> str:
        """Say what a step of one process reads."""
        return f"{run.settings.batch_size} {self.unit} a step"

    def per_step(self, run: Run[Any]) -> float:
        """Return how many units a step reads, in all processes together."""
        return run.settings.batch_size * processes.count()

    def figures(self, measured: Measurement) -> dict[str, str]:
        """Return a validation's further columns, by their titles."""
        return {}

    def figures_of_loss(self, loss: float) -> list[str]:
        """Return what stands beside the loss of training in the line that moves."""
        return []

    def write_yardsticks(self) -> None:
        """Write rows of what the figures are compared with, above the first validation."""

    # What all say alike

    def started(self, run: Run[Any]) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run = run
        self.begin(run.spent)
        self.console.print(self.summary(run), "")
        for number in range(len(run.progress.history)):
            self.row(run.progress.history[: number + 1])

    def summary(self, run: Run[Any]) -> Table:
        """Return what is trained on what, and how far it is."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        (title, data), *others = self.describe(run)
        table.add_row(title, escape(data))
        for sentence in run.said:
            table.add_row("", f"[yellow]{escape(sentence)}[/]")
        for title, text in others:
            table.add_row(title, escape(text))
        plan = describe_plan(run.plan, self.read(run), run.task.batches_per_epoch)
        table.add_row("training", plan)
        if run.progress.step:
            table.add_row("resumed", f"at step {run.progress.step:,}, {run.spent:.0%} done")
        return table

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        epoch, batch = progress.cursor
        done = epoch + batch / self.run.task.batches_per_epoch
        self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
        figures = [f"epoch {done:.1f}", f"loss {self.loss:.3f}", *self.figures_of_loss(self.loss)]
        self.advance(progress, spent, figures, self.per_step(self.run), self.unit)

    def validating(self) -> None:
        """Say that a validation runs."""
        self.recent.clear()
        self.bar.update(self.line, description="validating")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table."""
        self.row(progress.history)

    def row(self, history: list[Measurement]) -> None:
        """Write the last measurement, below the table's first line."""
        measured = history[-1]
        cells = {
            "epoch": f"{measured.epoch:.2f}",
            "step": f"{measured.step:,}",
            "training": f"{measured.training:.4f}",
            "validation": f"{measured.validation:.4f}",
            **self.figures(measured),
        }
        if not self.headed:
            self.headed = True
            titles = "".join(f"{title:>{width_of(title)}}" for title in cells)
            self.console.print(titles, style="bold")
            self.write_yardsticks()
        best = "  best" if is_best(history) else ""
        line = "".join(f"{cell:>{width_of(title)}}" for title, cell in cells.items())
        self.console.print(line + best, markup=False)

    def measuring(self) -> None:
        """Say that the best model is measured."""
        self.bar.update(self.line, description="measuring the best model")

    def say_use(self, command: str) -> None:
        """Say where the model is, and what to do with it."""
        output = self.run.output
        self.console.print(
            f"{output} ({output.stat().st_size / 1e6:.1f} MB) holds that model, "
            f"{output.with_suffix('.html')} the report. Try it:\n  {command}",
            soft_wrap=True,  # so that paths can be copied
            markup=False,
        )

    # A search before it

    def trying(self, trial: Trial, spent: float) -> None:
        """Move the line within a trial of settings."""
        share = (trial.number + spent) / trial.trials
        if not self.tried_before:
            self.begin(trial.number / trial.trials)
            self.tried_before = True
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

    def tuned(self, best: Trial, measured: Measurement | None, report: Path) -> None:
        """Say what training takes."""
        found = "" if measured is None else f" ({describe_measurement(measured)})"
        self.console.print(
            f"Taken from {best.trials} trials{found}: {described(best.settings)}\n"
            f"All of them stand in {report}.\n",
            soft_wrap=True,
            markup=False,
        )

    # Its end

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


def describe_network(run: Run[Any]) -> str:
    """Say what cell is trained, in what size."""
    settings = run.settings
    name = settings.cell if isinstance(settings.cell, str) else settings.cell.name
    layers = "1 layer" if settings.layers == 1 else f"{settings.layers} layers"
    return f"{name}, {layers} of {settings.hidden}, {run.parameters:,} weights"


def width_of(title: str) -> int:
    """Return how wide a column of the table is."""
    return WIDTHS.get(title, max(8, len(title) + 2))


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
    parts = [f"Done in {clock(progress.seconds)}, {amount(progress.step, 'step')}."]
    if progress.waited >= patience:
        parts.append(f"No improvement in {amount(progress.waited, 'validation')}.")
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
        ends.append(f"{amount(plan.budget.steps, 'step')} ({epochs:,.{digits}f} epochs)")
    together = f" in each of {processes.count()} processes" if processes.count() > 1 else ""
    return (
        f"{read}{together}, learning rate {plan.learning_rate:g}, until {' or '.join(ends)}, "
        f"or no better for {amount(plan.patience, 'validation')}"
    )
