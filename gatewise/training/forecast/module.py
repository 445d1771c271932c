"""A forecast network with the windows it learns from, as the training loop wants it."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatewise.data import processes
from gatewise.data.source import DataError
from gatewise.data.time_series.covariates import Encoding, find_encoding
from gatewise.data.time_series.series import SeriesSet
from gatewise.data.time_series.split import Split
from gatewise.data.time_series.windows import Rows
from gatewise.tasks.anchors import place_anchor
from gatewise.tasks.forecasting import ForecastNetwork
from gatewise.tasks.naive import NAIVES
from gatewise.training.checkpoint import Progress
from gatewise.training.forecast.backtest import (
    BATCH,
    Origins,
    best_method,
    calibrate,
    compare,
    first_known,
    forecast_by_rule,
    observe,
    place_origins,
    points_of,
    window_of,
)
from gatewise.training.forecast.minimum import find_minimums, place_floors
from gatewise.training.forecast.model import ForecastModel, describe_series, pack_for
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.plan import Plan, Task
from gatewise.training.text.settings import describe_cell

VALIDATION = 10_000  # moments measured on in training
EPOCH = 200_000  # windows of an epoch at most
LOOKED_AT = 4_096  # windows that the anchor is chosen on


class Batch(NamedTuple):
    """Windows to learn from; see `gatewise.data.time_series.windows.Cut`."""

    past: Tensor
    missing: Tensor
    future: Tensor
    there: Tensor
    channel: Tensor
    known: Tensor
    static: Tensor
    fresh: bool
    cursor: tuple[int, int]


class ForecastTraining(Task):
    """Windows drawn at random from the part of each series that is learned from: a `Task`.

    Args:
        settings: With nothing left open but the anchor.
        series: What is learned from.
        split: Where its parts end.
        source: Path and digest of the file, or None and None.

    Raises:
        ValueError: The sizes do not fit each other or the cell, or nothing can be learned from.
    """

    def __init__(
        self,
        settings: ForecastSettings,
        series: SeriesSet,
        split: Split,
        source: tuple[str | None, str | None],
    ):
        assert settings.horizon is not None
        assert settings.batch_size is not None
        self.settings, self.series, self.split, self.source = settings, series, split, source
        self.known = [self._encoding(name, split) for name in series.columns.known]
        self.static = [
            find_encoding(name, [each.static[name] for each in series.series])
            for name in series.columns.static
        ]
        self.anchor = settings.anchor or "last"
        self.model = ForecastNetwork(settings.cell, **self.network_options())
        channels = list(range(len(series.columns.targets)))
        self.rows = pack_for(
            self.model, series.series, split.training, channels, self.known, self.static
        )
        self._place_windows()
        if settings.anchor is None:
            self.anchor = choose_anchor(self.model, self.rows, self._sample())
            self.model.anchor = self.anchor
        ends = split.training[self.rows.series]
        self.minimums = find_minimums(self.rows, ends, len(channels))
        self.floors = place_floors(self.rows, settings.minimum, self.minimums)
        self._place_validation()

    def _encoding(self, name: str, split: Split) -> Encoding:
        """Find how a covariate becomes numbers, on what is learned from alone."""
        values = [
            value
            for each, end in zip(self.series.series, split.training, strict=True)
            for value in each.known[name][:end]
        ]
        return find_encoding(name, values)

    def network_options(self) -> dict[str, Any]:
        """Return the arguments of `ForecastNetwork` beside the cell, JSON-ready."""
        names = ("lookback", "horizon", "hidden", "layers", "segment", "decoding", "scaling")
        options = {name: getattr(self.settings, name) for name in (*names, "loss", "dropout")}
        return options | {
            "anchor": self.anchor,
            "season": self.series.season,
            "quantiles": list(self.settings.quantiles),
            "channels": len(self.series.columns.targets),
            "known": sum(each.size for each in self.known),
            "static": sum(each.size for each in self.static),
        }

    def _place_windows(self) -> None:
        """Find the moments in each row that can be learned from."""
        horizon, lookback = self.model.horizon, self.model.lookback
        ends = self.split.training[self.rows.series] - horizon
        # a short series is learned from before its look-back is full
        first = np.maximum(np.minimum(lookback, ends // 2), first_known(self.rows))
        self.first = np.maximum(first, 1)
        self.counts = np.maximum(ends - self.first + 1, 0)
        self.total = int(self.counts.sum())
        if self.total == 0:
            raise DataError(
                f"no series keeps {horizon + 1} steps to learn from beside validation and test, "
                f"the longest has {self.rows.steps.max()}; give more data, or a shorter --horizon"
            )
        wanted = (self.settings.batch_size or 1) * processes.count()
        self.batch_size = min(wanted, self.total)
        self.batches_per_epoch = max(1, min(self.total, EPOCH) // self.batch_size)

    def _moments(self, numbers: NDArray[np.int64]) -> Origins:
        """Return windows by their numbers, from 0 below `total`."""
        ends = np.cumsum(self.counts)
        rows = np.searchsorted(ends, numbers, side="right")
        return Origins(rows, self.first[rows] + numbers - (ends - self.counts)[rows])

    def _sample(self) -> Origins:
        """Return windows to look at, evenly spread."""
        count = min(LOOKED_AT, self.total)
        return self._moments(np.linspace(0, self.total - 1, count).astype(np.int64))

    def _place_validation(self) -> None:
        """Find the moments to measure on, and what the naive forecasts are worth there."""
        horizon, season = self.model.horizon, self.series.season
        owners = self.rows.series
        self.moments, _ = place_origins(
            self.rows,
            self.split.training[owners],
            self.split.validation[owners],
            horizon,
            None,
            VALIDATION,
        )
        if not len(self.moments.rows):
            raise DataError(
                f"no series is long enough to learn from and to be measured on, the longest has "
                f"{self.rows.steps.max()} steps for forecasts of {horizon}; give more data, a "
                "shorter --horizon, or another --validation"
            )
        self.outcome = observe(self.rows, self.moments, horizon, season)
        self.naives = {
            name: forecast_by_rule(name, self.rows, self.moments, horizon, season)
            for name in NAIVES
        }

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return self.settings.plan(self.batches_per_epoch)

    # Task

    def batches(self, cursor: tuple[int, int]) -> Iterator[Batch]:
        """See `Task.batches`."""
        epoch, begin = cursor
        while True:
            order = self._order(epoch)
            for number in range(begin, self.batches_per_epoch):
                part = order[number * self.batch_size : (number + 1) * self.batch_size]
                own = processes.own_part(part)
                yield self._batch(self._moments(own), (epoch, number + 1))
            epoch, begin = epoch + 1, 0

    def _order(self, epoch: int) -> NDArray[np.int64]:
        draw = np.random.default_rng([self.settings.seed, epoch])
        if self.total > EPOCH:
            return draw.integers(self.total, size=EPOCH)
        return draw.permutation(self.total)

    def _batch(self, where: Origins, cursor: tuple[int, int]) -> Batch:
        cut = self.rows.cut(where.rows, where.steps, self.model.lookback, self.model.horizon)
        return Batch(*cut, fresh=True, cursor=cursor)

    def validation_batches(self) -> Iterator[Batch]:
        """See `Task.validation_batches`."""
        for begin in range(0, len(self.moments.rows), BATCH):
            part = slice(begin, begin + BATCH)
            yield self._batch(Origins(self.moments.rows[part], self.moments.steps[part]), (0, 0))

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, None]:
        """See `Task.loss`."""
        found, scale = self.model(window_of(batch), batch.future)
        return self.model.loss(found, scale, batch.future, batch.there), None

    def begin_validation(self) -> None:
        """See `Task.begin_validation`."""
        self.found: list[NDArray[np.float64]] = []
        self.spread: list[NDArray[np.float64]] = []

    def counted(self, batch: Batch) -> float:
        """See `Task.counted`."""
        return max(1, int(batch.there.sum()))

    def total_loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, None]:
        """See `Task.total_loss`."""
        found, scale = self.model(window_of(batch))
        self.found.append(scale.undo(found.double()).cpu().numpy())
        self.spread.append(scale.spread.double().cpu().numpy())
        total = self.model.loss(found, scale, batch.future, batch.there, reduction="sum")
        return total, max(1, int(batch.there.sum())), None

    def metrics(self) -> dict[str, float]:
        """See `Task.metrics`."""
        own = self.moments.rows
        unit, shift = self.rows.unit[own], self.rows.shift[own]
        validated = np.concatenate(self.found) * unit[:, None, None] + shift[:, None, None]
        self.spreads = np.concatenate(self.spread) * unit
        self.points = points_of(validated, self.naives, self.floors[own])
        self.accuracy = compare(self.points, self.outcome)
        network = self.accuracy["network"]
        return {"MASE": network.mase, "sMAPE": network.smape, "OWA": network.owa}

    def calibration(self) -> dict[str, list[list[float]]]:
        """Return what is added to each method's forecasts to make its quantiles true."""
        return {
            name: calibrate(found, self.outcome.true, self.spreads, self.model.quantiles).tolist()
            for name, found in self.points.items()
        }

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        from gatewise import __version__

        best = progress.history[-1]
        config = {
            "cell": describe_cell(self.settings.cell),
            "network": self.network_options(),
            "series": describe_series(self.series, self.known, self.static),
            "minimum": self.settings.minimum,
            "minimums": self.minimums,
            "calibration": self.calibration(),
            "accuracy": {name: plain(asdict(each)) for name, each in self.accuracy.items()},
            "best": best_method(self.accuracy),
        }
        training = {
            "gatewise": __version__,
            "torch": str(torch.__version__),
            "data": self.source[0],
            "digest": self.source[1],
            "settings": {k: v for k, v in self.settings.to_dict().items() if k != "cell"},
            "step": best.step,
            "epoch": best.epoch,
            "seconds": progress.seconds,
            "validation_loss": best.validation,
            "history": [plain(measured._asdict()) for measured in progress.history],
        }
        tensors = dict(self.model.state_dict())
        write_model_file(path, ModelFile(ForecastModel.task, config, training, tensors))


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with None for what is no number, as JSON has it."""
    return {
        name: plain(value)
        if isinstance(value, dict)
        else None
        if isinstance(value, float) and not np.isfinite(value)
        else value
        for name, value in values.items()
    }


def choose_anchor(network: ForecastNetwork, rows: Rows, where: Origins) -> str:
    """Return what the network begins from: the anchor that is best on windows to learn from.

    Measured by the mean absolute error in the scaled units that the network learns in.
    """
    possible = ["last"]
    if network.season > 1:
        seasons = network.lookback // network.season
        possible += ["seasonal", "adjusted"][: min(seasons, 2)]
    cut = rows.cut(where.rows, where.steps, network.lookback, network.horizon)
    scale = network.scale(window_of(cut))
    past, future = scale.apply(cut.past), scale.apply(cut.future)

    def error(anchor: str) -> float:
        found = place_anchor(anchor, past, network.horizon, network.season)
        return float(((future - found).abs() * cut.there).sum())

    return min(possible, key=error)
