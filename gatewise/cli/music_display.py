"""How training on music looks."""

from rich.console import Console

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.cli.sequences_display import HEADING, row
from gatewise.training.checkpoint import Progress
from gatewise.training.music import MusicDisplay, Run


class LiveMusicDisplay(LiveDisplay, MusicDisplay):
    """Shows training on music.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.run: Run | None = None

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run = run
        self.begin(run.plan.budget.spent(run.progress.step, run.progress.seconds))
        music = run.music
        for sentence in music.said:
            self.console.print(sentence, style="yellow", markup=False)
        steps = sum(map(len, music.training))
        read = f"{run.settings.batch_size} pieces a step"
        self.console.print(
            f"{music.name}: {len(music.training):,} pieces of {steps:,} steps to learn from, "
            f"{len(music.validation):,} to measure on, {len(music.test):,} kept for the end. "
            f"{run.parameters:,} weights.\n"
            f"{describe_plan(run.plan, read, run.batches_per_epoch)}.\n",
            markup=False,
            soft_wrap=True,
        )
        self.console.print(HEADING, style="bold")
        for number, measured in enumerate(run.progress.history):
            self.console.print(row(measured, is_best(run.progress.history[: number + 1])))

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        assert self.run is not None
        epoch, batch = progress.cursor
        done = epoch + batch / self.run.batches_per_epoch
        figures = [f"epoch {done:.1f}", f"loss {self.smooth(loss):.3f}"]
        self.advance(progress, spent, figures, self.run.settings.batch_size, "pieces")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table."""
        self.console.print(row(progress.history[-1], is_best(progress.history)))

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run, best = self.run, progress.best
        assert run is not None
        assert best is not None
        report = run.output.with_suffix(".md")
        lines = report.read_text("utf-8").split("\n\n")
        table = next(part for part in lines if part.startswith("| nats per step"))
        self.console.print(
            f"\n{ended(progress, run.settings.patience)}\n"
            f"Best: {best.validation:.3f} nats per step, at epoch {best.epoch:.2f}.\n"
            f"{table}\n{run.output} holds that model, {report} what it is worth, "
            f"{run.output.with_suffix('.mid')} a piece to listen to. Compose another:\n"
            f"  gatewise compose {run.output} -o new.mid",
            soft_wrap=True,
            markup=False,
        )
