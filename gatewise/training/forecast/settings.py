"""The settings of a forecast model's training, and what is chosen where they are left open."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from gatewise.data.time_series.series import SeriesSet
from gatewise.data.time_series.split import Split
from gatewise.equations import Cell
from gatewise.tasks.anchors import ANCHORS
from gatewise.tasks.forecasting import check_choices, check_quantiles
from gatewise.training.forecast.minimum import Minimum, check_minimum
from gatewise.training.plan import OPTIMIZERS, Plan
from gatewise.training.schedule import Budget
from gatewise.training.text.settings import DEVICES, describe_cell

READING = ("id", "time", "targets", "known", "static", "frequency", "season")
READING += ("time_format", "time_zone", "repeated")
LONGEST = 1024  # steps of a look-back that nobody asked for


@dataclass(frozen=True)
class ForecastSettings:
    """Everything that decides what comes out; None is chosen from the series.

    Attributes:
        horizon: F, steps to forecast; None is a season, or 12.
        lookback: L, steps that the network reads; None is five seasons or two horizons, whichever
            is longer, at most half of what the longest series has to learn from.
        id: The column that tells series apart; see `gatewise.data.time_series.series.read_series`.
        time: The column of times.
        targets: The columns to forecast.
        known: Columns that are known in advance.
        static: Columns that hold for a whole series.
        frequency: Of the grid of times.
        season: Steps of a season.
        time_format: How times are written.
        time_zone: Whose clock times are those of, such as `"Europe/Berlin"`.
        repeated: What counts of rows with the same time: `"mean"`, `"sum"` or `"last"`.
        encoding: Of a text file.
        training: Steps to learn from; see `gatewise.data.time_series.split.split_series`.
        validation: Steps or share to measure on in training.
        test: Steps or share to measure on in the end.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H; None is 128, or 64 below 2,000 windows.
        layers: Number of recurrent layers.
        segment: Steps of a segment; None is a divisor of the season.
        decoding: `"segments"`, `"direct"` or `"recursive"`; see
            `gatewise.tasks.forecasting.ForecastNetwork`.
        scaling: See `gatewise.tasks.scaling.measure_scale`.
        anchor: `"last"`, `"seasonal"`, `"adjusted"` or `"none"`; None is the best of the first
            three on what is learned from. See `gatewise.tasks.anchors.place_anchor`.
        minimum: What neither forecasts nor quantiles may fall below, or `"none"`; None is zero for
            targets that count something, see `gatewise.training.forecast.minimum.find_minimums`.
        quantiles: Rising, in pairs around 0.5.
        loss: `"quantile"`, `"mae"` or `"mse"`.
        dropout: None is 0.3.
        optimizer: A key of `gatewise.training.optimizers.OPTIMIZERS`.
        learning_rate: The highest; None is 0.001, or the optimiser's own default.
        batch_size: Windows B of a step; None is 256, fewer where there are few.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        epochs: Epochs at most.
        steps: Steps at most.
        minutes: Minutes at most. Without epochs, steps and minutes: five minutes, or 100 epochs
            (but at least 1,500 steps) if those are over earlier.
        validate_every: Steps between validations; None is an epoch, from 50 to 500 steps.
        patience: Training ends after so many validations without improvement.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    horizon: int | None = None
    lookback: int | None = None
    id: str | None = None
    time: str | None = None
    targets: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    frequency: str | None = None
    season: int | None = None
    time_format: str | None = None
    time_zone: str | None = None
    repeated: str | None = None
    encoding: str | None = None
    training: int | None = None
    validation: float | None = None
    test: float | None = None
    cell: str | Cell = "gru"
    hidden: int | None = None
    layers: int = 1
    segment: int | None = None
    decoding: str = "segments"
    scaling: str = "window"
    anchor: str | None = None
    minimum: Minimum | None = None
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    loss: str = "quantile"
    dropout: float | None = None
    optimizer: str = "adamw"
    learning_rate: float | None = None
    batch_size: int | None = None
    clip: float = 1.0
    clip_value: float = 0.0
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    validate_every: int | None = None
    patience: int = 10
    seed: int = 0
    device: str = "auto"

    def __post_init__(self):
        check_settings(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values, a cell of one's own as its equations."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"cell": describe_cell(self.cell)}

    def reading(self) -> dict[str, Any]:
        """Return how the series are read: the arguments of `read_series`."""
        return {name: getattr(self, name) for name in (*READING, "encoding")}

    def with_horizon(self, season: int) -> "ForecastSettings":
        """Return the settings with a horizon."""
        return self if self.horizon else replace(self, horizon=season if season > 1 else 12)

    def chosen_for(self, series: SeriesSet, split: Split) -> "ForecastSettings":
        """Return the settings with everything left open chosen, but the anchor."""
        assert self.horizon is not None
        longest = int(split.training.max())
        wanted = self.lookback or min(
            max(5 * series.season, 2 * self.horizon), max(1, (longest - self.horizon) // 2), LONGEST
        )
        segment = self.segment or choose_segment(series.season, self.horizon, wanted)
        lookback = segment * math.ceil(wanted / segment)
        windows = int((split.training - self.horizon).clip(min=0).sum())
        windows *= len(series.columns.targets)
        rate = 1e-3 if self.optimizer in ("adamw", "adam") else OPTIMIZERS[self.optimizer][1]
        defaults = {
            "hidden": 128 if windows >= 2000 else 64,
            "dropout": 0.3,
            "learning_rate": rate,
            "batch_size": max(16, min(256, windows // 16)),
        }
        chosen = {name: each for name, each in defaults.items() if getattr(self, name) is None}
        return replace(self, **chosen, lookback=lookback, segment=segment)

    def plan(self, steps_per_epoch: int) -> Plan:
        """Return how long training lasts and how often it is measured."""
        assert self.learning_rate is not None
        every = self.validate_every or max(50, min(steps_per_epoch, 500))
        return Plan(
            self.budget(steps_per_epoch),
            every,
            self.patience,
            self.optimizer,
            self.learning_rate,
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )

    def budget(self, steps_per_epoch: int) -> Budget:
        """Return where training ends."""
        if self.epochs is None and self.steps is None and self.minutes is None:
            return Budget(max(1500, 100 * steps_per_epoch), 5.0)
        limits = [] if self.steps is None else [self.steps]
        if self.epochs is not None:
            limits.append(max(1, math.ceil(self.epochs * steps_per_epoch)))
        return Budget(min(limits, default=None), self.minutes)


def choose_segment(season: int, horizon: int, lookback: int) -> int:
    """Return the longest divisor of the season that cuts the look-back into six or more.

    Without a season, a divisor of the horizon.

    Example:
        >>> choose_segment(24, 96, 720), choose_segment(12, 18, 36), choose_segment(1, 8, 16)
        (24, 6, 2)
    """
    whole = season if season > 1 else horizon
    most = max(1, min(horizon, lookback // 6))
    return max(size for size in range(1, most + 1) if whole % size == 0)


def check_settings(settings: ForecastSettings) -> None:
    """Raise `ValueError` for settings that cannot be."""
    check_choices(decoding=settings.decoding, scaling=settings.scaling, loss=settings.loss)
    check_quantiles(settings.quantiles)
    choices = {"anchor": (None, *ANCHORS), "optimizer": tuple(OPTIMIZERS), "device": DEVICES}
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            listed = ", ".join(each for each in known if each)
            raise ValueError(f"{name}: {getattr(settings, name)!r} is none of {listed}")
    least = dict.fromkeys(("horizon", "lookback", "hidden", "layers", "segment", "batch_size"), 1)
    least |= dict.fromkeys(("steps", "validate_every", "patience", "season", "training"), 1)
    least |= dict.fromkeys(("clip", "clip_value", "seed", "validation", "test"), 0)
    for name, smallest in least.items():
        value = getattr(settings, name)
        if value is not None and not smallest <= value < math.inf:
            raise ValueError(f"{name.replace('_', '-')} is at least {smallest}, not {value}")
    for name in ("epochs", "minutes", "learning_rate"):
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name.replace('_', '-')} is a number above 0, not {value}")
    if settings.minimum is not None:
        check_minimum(settings.minimum)
    if settings.dropout is not None and not 0 <= settings.dropout < 1:
        raise ValueError(f"dropout lies from 0 to below 1, not {settings.dropout}")
