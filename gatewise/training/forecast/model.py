"""A trained forecast model: load it, forecast with it, test it on what came true."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.tables.table import Table, content_digest
from gatewise.data.tables.table_file import read_table
from gatewise.data.time_series.calendar import Frequency
from gatewise.data.time_series.columns import Columns
from gatewise.data.time_series.covariates import Encoding
from gatewise.data.time_series.known_future import leave_out_untold
from gatewise.data.time_series.series import Series, SeriesSet, read_series
from gatewise.data.time_series.split import Split, split_end, split_series
from gatewise.data.time_series.windows import Rows, pack_rows
from gatewise.tasks.forecast_metrics import Accuracy
from gatewise.tasks.forecasting import ForecastNetwork
from gatewise.tasks.naive import NAIVES
from gatewise.training.forecast.backtest import (
    METHODS,
    Backtest,
    Origins,
    compare,
    correct,
    forecast_by_rule,
    forecast_windows,
    measure_coverage,
    observe,
    place_origins,
    points_of,
)
from gatewise.training.forecast.minimum import Minimum, check_minimum, place_floors
from gatewise.training.forecast.table import forecast_frame
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import cell_from_description

MOST_ORIGINS = 20_000  # of a backtest whose stride nobody gave
CENTRED = ("window", "series", "standard")  # scalings that the level of a series is nothing to

Array = NDArray[np.float64]


class ForecastModel:
    """A trained forecast model, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file: network, series, calibration, accuracy.
        training: How it was trained: settings, data, steps, losses.
        model: The network, in evaluation mode.
        frequency: The grid of what it learned from.
        season: Steps of a season.
        quantiles: What it tells besides the median.
        minimum: What no forecast falls below, as the user asked; None for what `minimums` says.
        minimums: What was found for each target.
        best: The method with the smallest error in validation: the network, a naive forecast, or
            the blend of both.
    """

    task = "forecast"

    def __init__(self, config: dict[str, Any], training: dict[str, Any], model: ForecastNetwork):
        self.config, self.training, self.model = config, training, model.eval()
        described = config["series"]
        self.columns = columns_from(described["columns"])
        self.frequency = Frequency(**described["frequency"])
        self.season: int = described["season"]
        self.known = [Encoding.from_dict(each) for each in described["known"]]
        self.static = [Encoding.from_dict(each) for each in described["static"]]
        self.quantiles = model.quantiles
        self.minimum: Minimum | None = config.get("minimum")  # older files tell neither
        none = ["none"] * len(self.columns.targets)
        self.minimums: list[Minimum] = config.get("minimums", none)
        self.best: str = config["best"]

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "ForecastModel":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            cell = cell_from_description(file.config["cell"])
            network = ForecastNetwork(cell, **file.config["network"])
            model = cls(file.config, file.training, network)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a forecast model: {error}"
            ) from error
        load_weights(network, file.tensors, path)
        return model

    # Data

    def read(self, data: Any = None, **reading: Any) -> SeriesSet:
        """Read series as the model's own were read.

        Args:
            data: A file or a frame, a `SeriesSet`, or None for the file that the model learned
                from.
            **reading: See `gatewise.data.time_series.series.read_series`. What is not given here is
                as in training where the table has those columns, and else guessed.

        Raises:
            DataError: It cannot be read.
        """
        if isinstance(data, SeriesSet):
            return data
        table = self._open(data, reading.pop("encoding", None))
        settings = self.training["settings"]
        chosen = dict(reading)
        for name, own in (("id", self.columns.id), ("time", self.columns.time)):
            if chosen.get(name) is None and own in table.columns:
                chosen[name] = own
        if not chosen.get("targets") and set(self.columns.targets) <= set(table.columns):
            chosen["targets"] = self.columns.targets
        for name in ("time_format", "time_zone", "repeated"):
            if chosen.get(name) is None:
                chosen[name] = settings.get(name)  # older files know fewer
        chosen["known"], chosen["static"] = self.columns.known, self.columns.static
        given = chosen.get("frequency") or settings["frequency"]
        chosen["frequency"] = given
        chosen["usual"] = self.frequency
        chosen["season"] = chosen.get("season") or self.season
        return self._check(read_series(table, **chosen))

    def _open(self, data: Any, encoding: str | None) -> Table:
        if data is not None:
            return read_table(data, encoding)
        path = self.training["data"]
        if path is None or not Path(path).exists():
            raise DataError(
                "the data that the model learned from is not there any more"
                f"{f' ({path})' if path else ''}; name the data to forecast"
            )
        return read_table(path, encoding or self.training["settings"]["encoding"])

    def _check(self, series: SeriesSet) -> SeriesSet:
        own, found = self.frequency, series.frequency
        if (own.unit, own.count) != (found.unit, found.count):
            series.said.append(
                f"the model learned steps of one {own}, these are of one {found}: it may be wrong"
            )
        return series

    def pack(self, series: SeriesSet, ends: NDArray[np.int64]) -> Rows:
        """Put series one after the other; `ends` says where the scale of each is measured."""
        known = {name: number for number, name in enumerate(self.columns.targets)}
        channels = [known.get(name, len(known)) for name in series.columns.targets]
        return pack_for(self.model, series.series, ends, channels, self.known, self.static)

    # Forecasts

    def floors(self, rows: Rows, minimum: Minimum | None = None) -> Array:
        """Return what no forecast of packed series may fall below, `(R,)`; -inf for nothing.

        Args:
            rows: What `pack` returned.
            minimum: See `forecast`.
        """
        asked = self.minimum if minimum is None else minimum
        return place_floors(rows, asked, self.minimums)

    def quantile_forecasts(
        self,
        rows: Rows,
        where: Origins,
        method: str | None = None,
        minimum: Minimum | None = None,
    ) -> Array:
        """Forecast from moments of packed series.

        Args:
            rows: What `pack` returned.
            where: The moments.
            method: One of `gatewise.training.forecast.backtest.METHODS`; None is `best`.
            minimum: See `forecast`.

        Returns:
            Calibrated quantiles, `(N, F, Q)`, in the series' own units.
        """
        method = self._method(method)
        floors = self.floors(rows, minimum)[where.rows]
        points, spread = self._points(rows, where, (method,), floors)
        return correct(points[method], self._offsets(method), spread, floors)

    def _points(
        self, rows: Rows, where: Origins, methods: Sequence[str], floors: Array
    ) -> tuple[dict[str, Array], Array]:
        """Return what methods forecast before calibration, and the spread of each window."""
        network, spread = forecast_windows(self.model, rows, where)
        wanted = {"Naive2" if name == "blend" else name for name in methods}
        naives = {
            name: forecast_by_rule(name, rows, where, self.model.horizon, self.season)
            if name in wanted
            else np.zeros((len(where.rows), self.model.horizon))
            for name in NAIVES
        }
        return points_of(network, naives, floors), spread

    def _offsets(self, method: str) -> Array:
        return np.array(self.config["calibration"][method])

    def _method(self, method: str | None) -> str:
        if method is None:
            return self.best
        if method not in METHODS:
            raise ValueError(f"method: {method!r} is none of {', '.join(METHODS)}")
        return method

    def forecast(
        self,
        data: Any = None,
        method: str | None = None,
        minimum: Minimum | None = None,
        **reading: Any,
    ) -> pl.DataFrame:
        """Forecast the steps behind the end of each series.

        Args:
            data: See `read`; series that the model never met are welcome.
            method: One of `gatewise.training.forecast.backtest.METHODS`; None is the one with the
                smallest error in validation, `best`.
            minimum: What neither the forecast nor its quantiles may fall below; `"none"` for
                nothing, None as in training.
            **reading: See `read`.

        Returns:
            A row for each series and step: the series, the time, and for each target its median
            under its own name and its other quantiles as `name_0.1`.

        Raises:
            DataError: The data cannot be used, or no series can be forecast.
            ValueError: There is no such method, or the minimum is no number.

        Warns:
            UserWarning: A series is left out, as it has no value or covariates of its future are
                missing; see `tell_apart`.
        """
        minimum = None if minimum is None else check_minimum(minimum)
        read = self.read(data, **reading)
        series = self.tell_apart(read)
        told = len(read.left_out) if read is data else 0  # the caller has read those
        for said in series.left_out[told:]:
            warnings.warn(said, stacklevel=2)
        lengths = np.array([each.steps for each in series.series], dtype=np.int64)
        rows = self.pack(series, lengths)
        where = Origins(np.arange(len(rows.steps)), rows.steps.copy())
        found = self.quantile_forecasts(rows, where, method, minimum)
        return forecast_frame(series, found, self.quantiles)

    def tell_apart(self, series: SeriesSet) -> SeriesSet:
        """Return the series that can be forecast; `left_out` says which others cannot, and why.

        Raises:
            DataError: None can be forecast: covariates of the future are missing.
        """
        return leave_out_untold(series, self.known, self.model.horizon)

    def backtest(
        self,
        data: Any = None,
        test: float | None = None,
        stride: int | None = None,
        **reading: Any,
    ) -> Backtest:
        """Forecast from many moments in the last part of each series, and compare.

        Args:
            data: See `read`.
            test: Steps or share of each series to forecast; None is as in training for the file
                that the model learned from, else a tenth, at least one horizon.
            stride: Steps between two moments; None is 1, or more beyond 20,000 moments.
            **reading: See `read`.

        Raises:
            DataError: The data cannot be used, or no series is long enough.
        """
        series = self.read(data, **reading)
        same = data is None or self.training["digest"] == digest_of(data)
        if same and test is None:
            tested = self.backtest_trained(series, stride)
        else:
            lengths = [each.steps for each in series.series]
            tested = self._backtest(series, split_end(lengths, self.model.horizon, test), stride)
        if tested is None:
            raise DataError(
                f"no series is long enough to test forecasts of {self.model.horizon} steps; give "
                "more data, or a larger --test"
            )
        return tested._replace(left_out=tuple(series.left_out))

    def backtest_trained(self, series: SeriesSet, stride: int | None = None) -> Backtest | None:
        """Test on the series of training, in the part that was kept for it; None if there is none.

        Args:
            series: What `read()` returned.
            stride: See `backtest`.
        """
        settings = self.training["settings"]
        sizes = (settings["training"], settings["validation"], settings["test"])
        lengths = [each.steps for each in series.series]
        return self._backtest(series, split_series(lengths, self.model.horizon, *sizes), stride)

    def _backtest(self, series: SeriesSet, split: Split, stride: int | None) -> Backtest | None:
        rows = self.pack(series, split.training)
        begin, end = (each[rows.series] for each in (split.validation, split.test))
        where, stride = place_origins(rows, begin, end, self.model.horizon, stride, MOST_ORIGINS)
        return self.measure(rows, where, stride) if len(where.rows) else None

    def measure(self, rows: Rows, where: Origins, stride: int) -> Backtest:
        """Compare all methods with what came true; the coverage is that of `best`."""
        floors = self.floors(rows)[where.rows]
        points, spread = self._points(rows, where, METHODS, floors)
        outcome = observe(rows, where, self.model.horizon, self.season)
        told = correct(points[self.best], self._offsets(self.best), spread, floors)
        return Backtest(
            compare(points, outcome),
            measure_coverage(told, outcome.true, self.quantiles),
            len(where.rows),
            len(np.unique(where.rows)),
            stride,
        )

    @property
    def validated(self) -> dict[str, Accuracy]:
        """The accuracy of each method in validation."""
        found = self.config["accuracy"]
        nothing = float("nan")
        return {
            name: Accuracy(**{k: nothing if v is None else v for k, v in found[name].items()})
            for name in METHODS
        }

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        return (
            f"ForecastModel({weights:,} weights, {self.model.horizon} steps of a {self.frequency} "
            f"from {self.model.lookback})"
        )


def pack_for(
    network: ForecastNetwork,
    series: list[Series],
    ends: NDArray[np.int64],
    channels: list[int],
    known: list[Encoding],
    static: list[Encoding],
) -> Rows:
    """Put series one after the other as a network's scaling wants them."""
    centred, scaled = network.scaling in CENTRED, network.scaling != "none"
    return pack_rows(series, ends, channels, known, static, centred, scaled)


def columns_from(described: dict[str, Any]) -> Columns:
    """Rebuild columns from JSON."""
    lists = {name: tuple(described[name]) for name in ("targets", "known", "static")}
    return Columns(described["id"], described["time"], **lists)


def describe_series(
    series: SeriesSet, known: list[Encoding], static: list[Encoding]
) -> dict[str, Any]:
    """Return what a model must remember of its series, JSON-ready."""
    return {
        "columns": series.columns._asdict(),
        "frequency": series.frequency.to_dict(),
        "season": series.season,
        "known": [asdict(each) for each in known],
        "static": [asdict(each) for each in static],
    }


def digest_of(data: Any) -> str | None:
    """Return what identifies a file or a frame, or None for series that are read already."""
    if isinstance(data, SeriesSet):
        return None
    table = read_table(data)
    return content_digest(table) if table.file is None else table.file.digest()
