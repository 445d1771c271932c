"""How a generator's training looks."""

from rich.console import Console

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.generator import GeneratorDisplay, Run

HEADING = f"{'epoch':>8}{'step':>9}{'training':>11}{'validation':>12}"


class LiveGeneratorDisplay(LiveDisplay, GeneratorDisplay):
    """Shows a generator's training.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.run: Run | None = None

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run = run
        spent = run.plan.budget.spent(run.progress.step, run.progress.seconds)
        self.begin(spent)
        data = run.data
        kind = f"{data.tokenizer.size - 1} symbols" if data.is_text else ", ".join(data.channels)
        for sentence in data.said:
            self.console.print(sentence, style="yellow", markup=False)
        read = f"{run.settings.batch_size} sequences a step"
        self.console.print(
            f"{run.name}: {len(data.training):,} sequences to learn from, {len(data.held):,} held "
            f"back; {kind}. {run.parameters:,} weights.\n"
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
        self.advance(progress, spent, figures, self.run.settings.batch_size, "sequences")

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
        table = [line for line in report.read_text("utf-8").splitlines() if line.startswith("|")]
        self.console.print(
            f"\n{ended(progress, run.settings.patience)}\n"
            f"Best: {best.validation:.4f} nats per value, at epoch {best.epoch:.2f}.\n"
            + "\n".join(table)
            + f"\n{run.output} holds that model, {report} what it is worth. Draw from it:\n"
            f"  gatewise sample {run.output} --count 10",
            soft_wrap=True,
            markup=False,
        )


def row(measured: Measurement, best: bool) -> str:
    """Return one line of the table."""
    mark = "  best" if best else ""
    return (
        f"{measured.epoch:8.2f}{measured.step:9,}{measured.training:11.4f}"
        f"{measured.validation:12.4f}{mark}"
    )
