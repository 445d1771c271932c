"""How a comparison looks in a terminal."""

import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from gatewise.cli.live_display import LiveDisplay
from gatewise.data.amount import amount
from gatewise.training.comparison.cells import Comparison, Run
from gatewise.training.comparison.report import HEAD, explain, rows_of
from gatewise.training.comparison.run import Learning, Outcome


class ComparisonDisplay(LiveDisplay):
    """A line for each run that is over, above one line that moves.

    Args:
        runs: All of them.
        console: Where to write; None is standard output.
    """

    def __init__(self, runs: list[Run], console: Console | None = None):
        super().__init__(console)
        self.runs, self.told = runs, set[Run]()

    def watch(self, learning: Mapping[Run, Learning], outcomes: Mapping[Run, Outcome]) -> None:
        """Show how far everything is."""
        first = not self.told and not learning
        for run in self.runs:
            if run in outcomes and run not in self.told:
                self.told.add(run)
                self.console.print(describe_end(run, outcomes[run], run not in learning))
        now = time.monotonic()
        begun = {run: each for run, each in learning.items() if run not in outcomes}
        share = (len(outcomes) + sum(each.share for each in begun.values())) / len(self.runs)
        if first or not learning:
            self.begin(share)
        lines = [describe_run(run, each) for run, each in begun.items()]
        parts = [*lines, f"{len(outcomes)} of {len(self.runs)} done", self.time_left(now, share)]
        self.move(share, " · ".join(part for part in parts if part))

    def stopped(self, folder: object) -> None:
        """Say how to go on."""
        self.bar.stop()
        self.console.print(
            f"\nStopped; runs that were finished are kept in {folder}. The same command (without "
            "--restart) does the others.",
            soft_wrap=True,
        )


def describe_run(run: Run, learning: Learning) -> str:
    """Say how far a run is."""
    return f"{name_of(run)} {amount(learning.seen, 'sequence')}, loss {learning.loss:.3g}"


def describe_end(run: Run, outcome: Outcome, kept: bool) -> str:
    """Say what came of a run."""
    if outcome.solved is not None:
        found = f"solved with {amount(outcome.solved, 'sequence')}"
    else:
        end = "not solved" if run.task.mistakes is not None else "learned"
        found = f"{end} with {amount(outcome.sequences, 'sequence')}"
    known = ", from before" if kept else ""
    return f"{name_of(run)}: {found}, loss {outcome.loss:.3g}, {outcome.right:.1%} right{known}"


def name_of(run: Run) -> str:
    """Return cell, length and seed."""
    return f"{run.label} T={run.task.length} seed {run.seed}"


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Show the table of each length, and what it means."""
    for length in comparison.lengths:
        console.print(f"\n[bold]{comparison.runs[0].task.name}, length {length}[/bold]")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, title in enumerate(HEAD):
            table.add_column(title, justify="right" if number else "left", no_wrap=True)
        for row in rows_of(comparison, length):
            table.add_row(*row)
        console.print(table)
        console.print(explain(comparison, length), style="dim")
