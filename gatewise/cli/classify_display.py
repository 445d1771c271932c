"""How a classifier's training looks."""

from rich.console import Console
from rich.table import Table

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.tasks.measures import Findings
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.classification import ClassificationDisplay, Result, Run
from gatewise.training.classification_report import (
    TITLES,
    compare,
    describe_learning,
    show,
)

COLUMNS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "steps_off": "off by"}
COLUMNS |= {"mae": "mae", "rmse": "rmse", "r2": "R²"}
SMALL = 12  # classes whose confusion is printed


class LiveClassificationDisplay(LiveDisplay, ClassificationDisplay):
    """Shows a classifier's training.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.run: Run | None = None
        self.headed = False

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run = run
        spent = run.plan.budget.spent(run.progress.step, run.progress.seconds)
        self.begin(spent)
        self.console.print(summary(run, spent), "")
        for number in range(len(run.progress.history)):
            self.row(run.progress.history[: number + 1])

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        assert self.run is not None
        epoch, batch = progress.cursor
        done = epoch + batch / self.run.batches_per_epoch
        figures = [f"epoch {done:.1f}", f"loss {self.smooth(loss):.3f}"]
        self.advance(progress, spent, figures, self.run.settings.batch_size or 1, "examples")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table."""
        self.row(progress.history)

    def row(self, history: list[Measurement]) -> None:
        """Write the last measurement, below the table's first line."""
        measured = history[-1]
        names = [name for name in COLUMNS if name in (measured.metrics or {})]
        if not self.headed:
            titles = ["epoch", "step", "training", "validation", *(COLUMNS[name] for name in names)]
            self.console.print("".join(f"{title:>11}" for title in titles), style="bold")
            self.headed = True
        cells = [f"{measured.epoch:.2f}", f"{measured.step:,}", f"{measured.training:.4f}"]
        cells += [f"{measured.validation:.4f}"]
        cells += [show(name, (measured.metrics or {})[name]) for name in names]
        best = "  best" if is_best(history) else ""
        self.console.print("".join(f"{cell:>11}" for cell in cells) + best)

    def finished(self, result: Result) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        best, progress, run = result.progress.best, result.progress, result.run
        assert best is not None
        self.console.print(
            f"\n{ended(progress, run.plan.patience)} "
            f"The best by {run.settings.monitor} was at epoch {best.epoch:.2f}.\n"
        )
        self.console.print(figures(result))
        self.console.print("", compare(result), sep="\n", soft_wrap=True)
        classes = list(getattr(run.dataset.targets, "names", []))
        name, last = list(result.findings.items())[-1]
        if last.confusion is not None and len(classes) <= SMALL:
            self.console.print("", f"[bold]{name}: what is (rows), what it was taken for[/]")
            self.console.print(confusion(last, classes))
        size = result.output.stat().st_size / 1e6
        self.console.print(
            f"\n{result.output} ({size:.1f} MB) holds that model, "
            f"{result.output.with_suffix('.html')} the report. Try it:\n"
            f"  gatewise predict {result.output} DATA -o predictions.csv",
            soft_wrap=True,  # so that paths can be copied
        )


def summary(run: Run, spent: float) -> Table:
    """Return what is trained on what, and how far it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("data", run.name)
    for sentence in run.dataset.said:
        table.add_row("", f"[yellow]{sentence}[/]")
    kinds = getattr(run.dataset.targets, "names", None)
    if kinds:
        names = ", ".join(kinds[:12]) + (", …" if len(kinds) > 12 else "")
        table.add_row("classes", f"{len(kinds)}: {names}")
    table.add_row("model", describe_learning(run))
    read = f"{run.settings.batch_size} examples a step"
    table.add_row("training", describe_plan(run.plan, read, run.batches_per_epoch))
    if run.progress.step:
        table.add_row("resumed", f"at step {run.progress.step:,}, {spent:.0%} done")
    return table


def figures(result: Result) -> Table:
    """Return a row for each figure, a column for each part of the data."""
    table = Table("", *result.findings, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    names = dict.fromkeys(name for each in result.findings.values() for name in each.figures)
    for name in names:
        cells = [show(name, each.figures.get(name)) for each in result.findings.values()]
        table.add_row(TITLES[name], *cells)
    return table


def confusion(findings: Findings, classes: list[str]) -> Table:
    """Return how often each class was taken for each."""
    table = Table("", *(name[:10] for name in classes), box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in zip(classes, findings.confusion or [], strict=True):
        table.add_row(name[:10], *(f"{count:,}" if count else "·" for count in row))
    return table
