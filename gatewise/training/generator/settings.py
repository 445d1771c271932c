"""The settings of a generator's training."""

from dataclasses import dataclass, fields
from typing import Any

from gatewise.equations import Cell
from gatewise.training.optimizers import OPTIMIZERS
from gatewise.training.plan import Plan
from gatewise.training.ranges import check_above_zero, check_choices, check_least
from gatewise.training.schedule import Budget
from gatewise.training.text.settings import DEVICES, describe_cell


@dataclass(frozen=True)
class GeneratorSettings:
    """Everything that decides what comes out.

    Attributes:
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H.
        layers: Number of recurrent layers.
        components: Gaussians in the mixture for numbers.
        length: Longer sequences are cut into pieces of so many steps; None cuts none.
        count: How many sequences are made up, where they are.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: The highest; None is 5e-3 for Adam, else the optimiser's own.
        batch_size: Sequences B.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        steps: Steps at most.
        minutes: Minutes at most; None is no limit.
        validate_every: Steps between validations.
        patience: Training ends after so many validations without improvement.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    cell: str | Cell = "gru"
    hidden: int = 96
    layers: int = 1
    components: int = 5
    length: int | None = None
    count: int = 2_000
    optimizer: str = "adam"
    learning_rate: float | None = None
    batch_size: int = 32
    clip: float = 1.0
    clip_value: float = 0.0
    steps: int = 3_000
    minutes: float | None = None
    validate_every: int = 200
    patience: int = 10
    seed: int = 0
    device: str = "auto"

    def __post_init__(self):
        """Raise a `ValueError` for what cannot be."""
        check_choices(self, {"optimizer": tuple(OPTIMIZERS), "device": DEVICES})
        names = ("hidden", "layers", "components", "batch_size", "steps", "validate_every")
        least = dict.fromkeys((*names, "patience"), 1)
        check_least(self, least | {"length": 2, "count": 10, "clip": 0, "clip_value": 0, "seed": 0})
        check_above_zero(self, ("minutes", "learning_rate"))

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values, a cell of one's own as its equations."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"cell": describe_cell(self.cell)}

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        usual = 5e-3 if self.optimizer == "adam" else OPTIMIZERS[self.optimizer].learning_rate
        return Plan(
            Budget(self.steps, self.minutes),
            min(self.validate_every, self.steps),
            self.patience,
            self.optimizer,
            self.learning_rate or usual,
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )
