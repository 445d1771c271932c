"""How a translator's training looks."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.tasks.translation_measures import FIGURES, show_figure
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.translation import Result, Run, TranslationDisplay
from gatewise.training.translation_report import compare, describe_learning

SHOWN = 4  # translations that are printed at the end


class LiveTranslationDisplay(LiveDisplay, TranslationDisplay):
    """Shows a translator's training.

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
        self.advance(progress, spent, figures, self.run.settings.batch_size or 1, "pairs")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table."""
        self.row(progress.history)

    def row(self, history: list[Measurement]) -> None:
        """Write the last measurement, below the table's first line."""
        measured = history[-1]
        metrics = measured.metrics or {}
        if not self.headed:
            titles = [FIGURES[name].replace(" rate", "") for name in metrics]
            titles = ["epoch", "step", "training", "validation", *titles]
            self.console.print("".join(f"{title:>17}"[-17:] for title in titles), style="bold")
            self.headed = True
        cells = [f"{measured.epoch:.2f}", f"{measured.step:,}", f"{measured.training:.4f}"]
        cells += [f"{measured.validation:.4f}"]
        cells += [show_figure(name, value) for name, value in metrics.items()]
        best = "  best" if is_best(history) else ""
        self.console.print("".join(f"{cell:>17}" for cell in cells) + best)

    def measuring(self) -> None:
        """Say that the best model is measured."""
        self.bar.update(self.line, description="translating with the best model")

    def finished(self, result: Result) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        best, run = result.progress.best, result.run
        assert best is not None
        self.console.print(
            f"\n{ended(result.progress, run.plan.patience)} "
            f"The best by {run.settings.monitor} was at epoch {best.epoch:.2f}.\n"
        )
        self.console.print(figures(result))
        self.console.print("", compare(result), "", sep="\n", soft_wrap=True)
        for source, reference, found in result.examples[:SHOWN]:
            lines = (("source", source), ("reference", reference), ("translation", found))
            for name, text in lines:
                self.console.print(f"  {name:<12}{escape(text)}", soft_wrap=True)
            self.console.print()
        size = result.output.stat().st_size / 1e6
        self.console.print(
            f"{result.output} ({size:.1f} MB) holds that model, "
            f"{result.output.with_suffix('.html')} the report. Try it:\n"
            f"  gatewise translate {result.output} FILE -o translated.txt",
            soft_wrap=True,  # so that paths can be copied
        )


def summary(run: Run, spent: float) -> Table:
    """Return what is trained on what, and how far it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("pairs", run.name)
    for sentence in run.parts.said:
        table.add_row("", f"[yellow]{escape(sentence)}[/]")
    table.add_row("model", describe_learning(run))
    read = f"{run.settings.batch_size} pairs a step"
    table.add_row("training", describe_plan(run.plan, read, run.batches_per_epoch))
    if run.progress.step:
        table.add_row("resumed", f"at step {run.progress.step:,}, {spent:.0%} done")
    return table


def figures(result: Result) -> Table:
    """Return a row for each figure, a column for each part of the pairs."""
    table = Table("", *result.figures, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, title in FIGURES.items():
        values = [each.get(name) for each in result.figures.values()]
        if None not in values:
            table.add_row(
                title, *(show_figure(name, value) for value in values if value is not None)
            )
    return table
