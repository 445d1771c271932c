"""How training on music looks."""

from gatewise.cli.training_display import TrainingDisplay, describe_network, ended
from gatewise.training.checkpoint import Progress
from gatewise.training.music.module import MusicTraining
from gatewise.training.plan import Run


class LiveMusicDisplay(TrainingDisplay):
    """Shows training on music."""

    unit = "pieces"
    run: Run[MusicTraining]

    def describe(self, run: Run[MusicTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        music = run.task.music
        learned = (
            f"{run.name}: {len(music.training):,} pieces of {sum(map(len, music.training)):,} "
            f"steps to learn from, {len(music.validation):,} to measure on, {len(music.test):,} "
            "kept for the end"
        )
        return [("music", learned), ("model", describe_network(run))]

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run, best = self.run, progress.best
        assert best is not None
        report = run.output.with_suffix(".md").read_text("utf-8").split("\n\n")
        table = next(part for part in report if part.startswith("| nats per step"))
        self.console.print(
            f"\n{ended(progress, run.plan.patience)}\n"
            f"Best: {best.validation:.3f} nats per step, at epoch {best.epoch:.2f}.\n"
            f"{table}\n{run.output.with_suffix('.mid')} is a piece of its own to listen to.",
            soft_wrap=True,
            markup=False,
        )
        self.say_use(f"gatewise compose {run.output} -o new.mid")
