"""How a forecast model's training looks."""

from gatewise.cli.training_display import TrainingDisplay, describe_network, ended, width_of
from gatewise.data import processes
from gatewise.data.amount import amount
from gatewise.data.time_series.columns import shorten
from gatewise.tasks.naive import NAIVES
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.forecast.minimum import describe_minimum
from gatewise.training.forecast.module import ForecastTraining
from gatewise.training.plan import Run


class LiveForecastDisplay(TrainingDisplay):
    """Shows a forecast model's training."""

    unit = "windows"
    run: Run[ForecastTraining]

    def describe(self, run: Run[ForecastTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        settings, task, series = run.settings, run.task, run.task.series
        count = f"{len(series.series):,} series" if len(series.series) > 1 else "1 series"
        return [
            (
                "series",
                f"{count}, {shorten(series.columns.targets)}: {amount(series.steps, 'step')}",
            ),
            (
                "windows",
                f"{task.total:,} to learn from, {len(task.moments.rows):,} to measure on; "
                f"{amount(settings.horizon, 'step')} from {settings.lookback}, in segments of "
                f"{settings.segment}",
            ),
            (
                "model",
                f"{describe_network(run)}; {settings.decoding}, scaling {settings.scaling}, anchor "
                f"{task.anchor}",
            ),
            ("minimum", describe_minimum(settings.minimum, task.minimums, series.columns)),
        ]

    def read(self, run: Run[ForecastTraining]) -> str:
        """See `TrainingDisplay.read`; there may be fewer windows than a batch has room for."""
        return f"{run.task.batch_size // processes.count()} windows a step"

    def per_step(self, run: Run[ForecastTraining]) -> float:
        """See `TrainingDisplay.per_step`."""
        return run.task.batch_size

    def figures(self, measured: Measurement) -> dict[str, str]:
        """See `TrainingDisplay.figures`."""
        found = measured.metrics or {}
        digits = {"sMAPE": 2, "MASE": 3, "OWA": 3}
        return {name: f"{found[name]:.{digits[name]}f}" for name in digits}

    def write_yardsticks(self) -> None:
        """See `TrainingDisplay.write_yardsticks`: the naive forecasts."""
        blank = sum(map(width_of, ("epoch", "step", "training", "validation")))
        for name in NAIVES:
            found = self.run.task.accuracy[name]
            figures = f"{found.smape:8.2f}{found.mase:8.3f}{found.owa:8.3f}"
            self.console.print(f"{name:>{blank}}{figures}", style="dim")

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run = self.run
        verdict = run.output.with_suffix(".md").read_text("utf-8").split("\n\n")[1]
        self.console.print(
            f"\n{ended(progress, run.plan.patience)}\n{verdict}", soft_wrap=True, markup=False
        )
        self.say_use(f"gatewise forecast {run.output} -o forecast.csv --plot forecast.png")
