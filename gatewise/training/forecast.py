"""Train a forecast model on series: from the table to the model file."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.data.series import SeriesSet, read_series
from gatewise.data.split import Split, split_series
from gatewise.data.table import content_digest, read_table
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.forecast_settings import ForecastSettings
from gatewise.training.forecast_training import ForecastTraining
from gatewise.training.plan import Display, Plan
from gatewise.training.run import (
    describe_run,
    refuse_device,
    refuse_output,
    train_task,
    unfinished,
)


class Run(NamedTuple):
    """What there is to show when a run begins or goes on.

    Attributes:
        series: What is learned from.
        split: Where its parts end.
        settings: With nothing left open.
        task: What is trained.
        plan: How long it lasts.
        output: The model file.
        progress: How far earlier sessions came.
    """

    series: SeriesSet
    split: Split
    settings: ForecastSettings
    task: ForecastTraining
    plan: Plan
    output: Path
    progress: Progress


class ForecastDisplay(Display):
    """Who is told how a forecast model's training goes; this one keeps silent."""

    def preparing(self, stage: str) -> None:
        """The series are being made ready."""

    def started(self, run: Run) -> None:
        """Training begins or goes on."""

    def measuring(self) -> None:
        """Training is over; the best model is tested."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""

    def validating(self) -> None:
        """See `Display.validating`."""

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""


def train_forecast(
    data: Any,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: ForecastSettings | None = None,
    *,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: ForecastDisplay | None = None,
) -> Progress:
    """Train a forecast model on series, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run needs
    to go on: call this again with the same arguments. At the end a report stands beside it,
    `model.md` and `model.html`.

    Args:
        data: A file or a frame; see `gatewise.data.series.read_series`.
        output: The model file to make.
        settings: See `ForecastSettings`; None is all its defaults.
        restart: Begin anew, whatever is there.
        checkpoint_seconds: A checkpoint at least so often.
        display: Who is told how it goes.

    Returns:
        How far the run came, with all validations.

    Raises:
        DataError: The data cannot be used.
        RunError: The run cannot start or go on.
        Stopped: The user stopped it; it can go on.
    """
    settings, display = settings or ForecastSettings(), display or ForecastDisplay()
    folder, output = RunFolder(Path(output)), Path(output)
    refuse_device(settings.device)
    sources = [data] if isinstance(data, str | os.PathLike) else []
    refuse_output(output, sources, folder, restart)
    described = settings.to_dict()
    display.preparing("reading the series")
    table = read_table(data, settings.encoding)
    files = [] if table.file is None else [table.file]
    options = settings.reading()
    del options["encoding"]
    series = read_series(table, **options)
    settings = settings.with_horizon(series.season)
    assert settings.horizon is not None
    lengths = [each.steps for each in series.series]
    parts = (settings.training, settings.validation, settings.test)
    split = split_series(lengths, settings.horizon, *parts)
    digest = files[0].digest() if files else content_digest(table)
    source = (str(files[0].path.absolute()) if files else None, digest)
    with folder:
        if restart:
            folder.clear()
        now = describe_run(described, {"data": files}, folder)
        now["sources"]["data"] = now["sources"]["data"] or [frame_description(digest)]
        if unfinished(now, folder) is None:
            folder.write_description(now)

        def build(settings: ForecastSettings) -> tuple[ForecastTraining, Plan]:
            task = ForecastTraining(settings.chosen_for(series, split), series, split, source)
            return task, task.plan()

        def started(task: ForecastTraining, plan: Plan, progress: Progress) -> None:
            display.started(Run(series, split, task.settings, task, plan, output, progress))

        def finish(task: ForecastTraining, progress: Progress) -> None:
            from gatewise.training.forecast_report import report_forecast

            display.measuring()
            report_forecast(output, series)

        return train_task(
            build,
            started,
            settings,
            folder,
            output,
            display,
            checkpoint_seconds,
            finish=finish,
        )


def frame_description(digest: str) -> dict[str, Any]:
    """Return what identifies a frame in the place of a file."""
    return {"path": "the frame", "stamp": {}, "encoding": None, "digest": digest}
