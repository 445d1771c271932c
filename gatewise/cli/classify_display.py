"""How a classifier's training looks."""

from rich.table import Table

from gatewise.cli.training_display import TrainingDisplay, ended
from gatewise.tasks.measures import Findings
from gatewise.training.checkpoint import Measurement
from gatewise.training.classification.module import ClassificationTraining
from gatewise.training.classification.report import TITLES, compare, describe_learning, show
from gatewise.training.classification.training import Result
from gatewise.training.plan import Run

COLUMNS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "steps_off": "off by"}
COLUMNS |= {"mae": "mae", "rmse": "rmse", "r2": "R²"}
SMALL = 12  # classes whose confusion is printed


class LiveClassificationDisplay(TrainingDisplay):
    """Shows a classifier's training."""

    run: Run[ClassificationTraining]

    def describe(self, run: Run[ClassificationTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        kinds = getattr(run.task.dataset.targets, "names", None) or []
        names = ", ".join(kinds[:12]) + (", …" if len(kinds) > 12 else "")
        classes = [("classes", f"{len(kinds)}: {names}")] if kinds else []
        return [("data", run.name), *classes, ("model", describe_learning(run))]

    def figures(self, measured: Measurement) -> dict[str, str]:
        """See `TrainingDisplay.figures`."""
        found = measured.metrics or {}
        return {title: show(name, found[name]) for name, title in COLUMNS.items() if name in found}

    def finished(self, result: Result) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        best, progress, run = result.progress.best, result.progress, result.run
        assert best is not None
        self.console.print(
            f"\n{ended(progress, run.plan.patience)} "
            f"The best by {run.settings.monitor} was at epoch {best.epoch:.2f}.\n"
        )
        self.console.print(figures_table(result))
        self.console.print("", compare(result), sep="\n", soft_wrap=True)
        classes = list(getattr(run.task.dataset.targets, "names", []))
        name, last = list(result.findings.items())[-1]
        if last.confusion is not None and len(classes) <= SMALL:
            self.console.print("", f"[bold]{name}: what is (rows), what it was taken for[/]")
            self.console.print(confusion(last, classes))
        self.console.print()
        self.say_use(f"gatewise predict {result.output} DATA -o predictions.csv")


def figures_table(result: Result) -> Table:
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
