"""How a generator's training looks."""

from gatewise.cli.training_display import TrainingDisplay, describe_network, ended
from gatewise.training.checkpoint import Progress
from gatewise.training.generator.module import GeneratorTraining
from gatewise.training.plan import Run


class LiveGeneratorDisplay(TrainingDisplay):
    """Shows a generator's training."""

    unit = "sequences"
    run: Run[GeneratorTraining]

    def describe(self, run: Run[GeneratorTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        data = run.task.data
        kind = f"{data.tokenizer.size - 1} symbols" if data.is_text else ", ".join(data.channels)
        learned = (
            f"{run.name}: {len(data.training):,} sequences to learn from, {len(data.held):,} held "
            f"back; {kind}"
        )
        return [("data", learned), ("model", describe_network(run))]

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run, best = self.run, progress.best
        assert best is not None
        report = run.output.with_suffix(".md").read_text("utf-8")
        table = [line for line in report.splitlines() if line.startswith("|")]
        self.console.print(
            f"\n{ended(progress, run.plan.patience)}\n"
            f"Best: {best.validation:.4f} nats per value, at epoch {best.epoch:.2f}.",
            *table,
            sep="\n",
            soft_wrap=True,
            markup=False,
        )
        self.say_use(f"gatewise sample {run.output} --count 10")
