"""The settings of training on music."""

from dataclasses import dataclass, fields
from typing import Any

from gatewise import cells
from gatewise.equations import Cell
from gatewise.equations.rewrite import recurrent_products
from gatewise.training.optimizers import OPTIMIZERS
from gatewise.training.plan import Plan
from gatewise.training.ranges import (
    check_above_zero,
    check_choices,
    check_forget_bias,
    check_least,
    check_shares,
)
from gatewise.training.schedule import Budget
from gatewise.training.text.settings import DEVICES, LAYER_OPTIONS, REGULARIZERS, describe_cell

RATES = {"adamw": 1e-2, "adam": 1e-2}
"""Learning rates for music, where they are not the optimiser's own."""

RECURRENT_DROPOUT = 0.2


@dataclass(frozen=True)
class MusicSettings:
    """Everything that decides what comes out.

    Attributes:
        steps_per_beat: Steps of a quarter note, of MIDI files.
        transpose: Pieces that are learned from move up or down by up to so many semitones.
        length: Longer pieces are cut to so many steps where they are learned from.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H.
        layers: Number of recurrent layers.
        chords: Whether the keys of a step know of each other; see `gatewise.tasks.music`.
        forget_bias: What the bias of every forget gate begins with; None is the cell's own.
        dropout: Share of values dropped between layers and before the output.
        input_dropout: See `gatewise.layers.Recurrent`, as the next three.
        recurrent_dropout: Of the states that recurrent products read; None is 0.2, or 0 for cells
            without such products.
        weight_drop: Of single recurrent weights.
        zoneout: Probability that a unit keeps its last value.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: The highest; None is 0.01 for Adam, else the optimiser's own.
        batch_size: Pieces B.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        epochs: Epochs at most; None is `steps`, or 100 where that is None too.
        steps: Steps at most.
        minutes: Minutes at most; None is no limit.
        validate_every: Steps between validations; None is an epoch, or a hundredth of them all.
        patience: Training ends after so many validations without improvement.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    steps_per_beat: int = 4
    transpose: int = 2
    length: int = 512
    cell: str | Cell = "lstm"
    hidden: int = 200
    layers: int = 1
    chords: bool = True
    forget_bias: float | None = None
    dropout: float = 0.5
    input_dropout: float = 0.0
    recurrent_dropout: float | None = None
    weight_drop: float = 0.0
    zoneout: float = 0.0
    optimizer: str = "adamw"
    learning_rate: float | None = None
    batch_size: int = 16
    clip: float = 1.0
    clip_value: float = 0.0
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    validate_every: int | None = None
    patience: int = 50
    seed: int = 0
    device: str = "auto"

    def __post_init__(self):
        """Raise a `ValueError` for what cannot be."""
        check_choices(self, {"optimizer": tuple(OPTIMIZERS), "device": DEVICES})
        names = ("steps_per_beat", "hidden", "layers", "batch_size", "steps", "validate_every")
        least = dict.fromkeys((*names, "patience"), 1) | {"length": 2}
        least |= dict.fromkeys(("transpose", "clip", "clip_value", "seed"), 0)
        check_least(self, least)
        check_above_zero(self, ("epochs", "minutes", "learning_rate"))
        check_shares(self, ("dropout", *REGULARIZERS))
        check_forget_bias(self)

    def layer_options(self) -> dict[str, Any]:
        """Return the options of the recurrent layer, by name."""
        found = {name: getattr(self, name) for name in LAYER_OPTIONS}
        if self.recurrent_dropout is None:
            multiplies = recurrent_products(cells.get(self.cell).graph)
            found["recurrent_dropout"] = RECURRENT_DROPOUT if multiplies else 0.0
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values, a cell of one's own as its equations."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"cell": describe_cell(self.cell)}

    def plan(self, steps_per_epoch: int) -> Plan:
        """Return how long training lasts and how often it is measured.

        Args:
            steps_per_epoch: Batches in an epoch.
        """
        limits = [] if self.steps is None else [self.steps]
        if self.epochs is not None or self.steps is None:
            limits.append(max(1, round((self.epochs or 100) * steps_per_epoch)))
        steps = min(limits)
        return Plan(
            Budget(steps, self.minutes),
            min(self.validate_every or max(steps_per_epoch, steps // 100), steps),
            self.patience,
            self.optimizer,
            self.learning_rate
            or RATES.get(self.optimizer, OPTIMIZERS[self.optimizer].learning_rate),
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )
