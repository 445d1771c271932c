"""How a translator's training looks."""

from rich.markup import escape
from rich.table import Table

from gatewise.cli.training_display import TrainingDisplay, ended
from gatewise.tasks.translation_measures import FIGURES, show_figure
from gatewise.training.checkpoint import Measurement
from gatewise.training.plan import Run
from gatewise.training.translation.module import TranslationTraining
from gatewise.training.translation.report import compare, describe_learning
from gatewise.training.translation.training import Result

SHOWN = 4  # translations that are printed at the end


class LiveTranslationDisplay(TrainingDisplay):
    """Shows a translator's training."""

    unit = "pairs"
    run: Run[TranslationTraining]

    def describe(self, run: Run[TranslationTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        return [("pairs", run.name), ("model", describe_learning(run))]

    def figures(self, measured: Measurement) -> dict[str, str]:
        """See `TrainingDisplay.figures`."""
        return {
            FIGURES[name].replace(" rate", ""): show_figure(name, value)
            for name, value in (measured.metrics or {}).items()
        }

    def finished(self, result: Result) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        best, run = result.progress.best, result.run
        assert best is not None
        self.console.print(
            f"\n{ended(result.progress, run.plan.patience)} "
            f"The best by {run.settings.monitor} was at epoch {best.epoch:.2f}.\n"
        )
        self.console.print(figures_table(result))
        self.console.print("", compare(result), "", sep="\n", soft_wrap=True)
        for source, reference, found in result.examples[:SHOWN]:
            lines = (("source", source), ("reference", reference), ("translation", found))
            for name, text in lines:
                self.console.print(f"  {name:<12}{escape(text)}", soft_wrap=True)
            self.console.print()
        self.say_use(f"gatewise translate {result.output} FILE -o translated.txt")


def figures_table(result: Result) -> Table:
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
