"""Train a forecast model on series: from the table to the model file."""

import os
from pathlib import Path
from typing import Any

from gatewise.data.tables.table import content_digest
from gatewise.data.tables.table_file import read_table
from gatewise.data.time_series.series import name_first, read_series
from gatewise.data.time_series.split import split_series
from gatewise.training.checkpoint import Progress
from gatewise.training.forecast.module import ForecastTraining
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished


def train_forecast(
    data: Any,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: ForecastSettings | None = None,
    *,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: Display | None = None,
) -> Progress:
    """Train a forecast model on series, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run needs
    to go on: call this again with the same arguments. At the end a report stands beside it,
    `model.md` and `model.html`.

    Args:
        data: A file or a frame; see `gatewise.data.time_series.series.read_series`.
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
    settings, display, output = settings or ForecastSettings(), display or Display(), Path(output)
    sources = [data] if isinstance(data, str | os.PathLike) else []
    folder = open_folder(output, settings.device, sources, restart)
    described = settings.to_dict()
    display.preparing("reading the series", 0.0)
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

    def build(settings: ForecastSettings) -> ForecastTraining:
        return ForecastTraining(settings.chosen_for(series, split), series, split, source)

    def finish(run: Run[ForecastTraining]) -> Progress:
        from gatewise.training.forecast.report import report_forecast

        report_forecast(output, series)
        return run.progress

    with folder:
        now = describe_run(described, {"data": files}, folder)
        now["sources"]["data"] = now["sources"]["data"] or [frame_description(digest)]
        if unfinished(now, folder) is None:
            folder.write_description(now)
        return train_task(
            build,
            finish,
            settings,
            folder,
            output,
            display,
            name=table.name,
            said=[*series.said, *name_first(series.left_out)],
            checkpoint_seconds=checkpoint_seconds,
        )


def frame_description(digest: str) -> dict[str, Any]:
    """Return what identifies a frame in the place of a file."""
    return {"path": "the frame", "stamp": {}, "encoding": None, "digest": digest}
