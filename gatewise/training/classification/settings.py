"""The settings of a classifier's training, and what is chosen where they are left open."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from gatewise.cells import get
from gatewise.data.labelled.dataset import Dataset, Preparation
from gatewise.equations import Cell
from gatewise.equations.memory import has_forget_bias
from gatewise.tasks.pooling import KINDS as POOLINGS
from gatewise.training.plan import OPTIMIZERS, Plan
from gatewise.training.ranges import (
    check_above_zero,
    check_choices,
    check_fraction,
    check_least,
    check_shares,
)
from gatewise.training.schedule import Budget
from gatewise.training.text.settings import DEVICES, describe_cell

TARGETS = ("classes", "ordinal", "regression")
MONITORS = ("accuracy", "macro_f1", "loss")
LONG = 200  # steps on average
LONG_RATES = {"adam": 1e-2, "adamw": 1e-2}  # of long sequences of numbers; 2e-3 learns too slowly


@dataclass(frozen=True)
class ClassificationSettings:
    """Everything that decides what comes out; None is chosen from the data.

    Attributes:
        target: `"classes"`, `"ordinal"` (ordered classes) or `"regression"` (a number).
        order: Ordinal classes from the least to the most, with commas between them; None is by
            size where all are numbers, else by alphabet.
        balance: Whether the examples of a rare class count more, so that all classes count alike.
        monitor: What the best model is the best in: `"accuracy"`, `"macro_f1"` or `"loss"`; None is
            the accuracy, with balance the macro-F1, for ordinal classes and numbers the loss.
        tokens: `"words"`, `"characters"` or `"bpe"`, of texts; see `Preparation`.
        vocabulary_size: At most so many tokens.
        minimum_count: Words that occur less often become `<unk>`; None is 2 from 1,000 examples on.
        keep_case: Whether capital letters differ from small ones; None is for characters and bpe.
        longest: Tokens that a text is cut to; None is 512, or 1,024 characters.
        word_dropout: Share of tokens that training does not see; None is 0.1 for words, else 0.
        freeze_vectors: Whether pretrained vectors stay as they are.
        validation_fraction: Share of the examples that is held back; None is a tenth, at most
            5,000.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H.
        layers: Number of recurrent layers.
        members: Networks that learn side by side and say their mean.
        embedding: Size of a token's vector; None is 32 for characters, else 128.
        one_way: Whether sequences are read from the beginning alone; None is where they have 200
            steps or more on average.
        memory: The longest time scale that forget gates begin with, in steps, or 0 for the cell's
            own; None is an eighth of the steps of long sequences of numbers (those of 200 steps or
            more on average), else 0.
        pooling: `"last"`, `"mean"`, `"max"` or `"attention"`; None is `"attention"` for numbers
            unless they are long, else `"max"`.
        dropout: None is 0.5 for words and bpe, else 0.2, from 20,000 examples of numbers on 0.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: The highest; None is the optimiser's own default, halved for an H of 256 or
            more; for long sequences of numbers adam's and adamw's is 0.01.
        batch_size: Examples of a step; None is 64, or 32 below 4,000 examples and 16 below 1,000.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        epochs: Epochs at most.
        steps: Steps at most.
        minutes: Minutes at most. Without epochs, steps and minutes: ten minutes, or as many epochs
            as read 150,000 examples, from 4 to 60 (but at least 1,000 steps), if those are over
            earlier.
        validate_every: Steps between validations; None is an epoch, at most 1,000 steps.
        patience: Training ends after so many validations without improvement; None is 10, or a
            third of all that are planned if those are more.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    target: str = "classes"
    order: str | None = None
    balance: bool = False
    monitor: str | None = None
    tokens: str | None = None
    vocabulary_size: int | None = None
    minimum_count: int | None = None
    keep_case: bool | None = None
    longest: int | None = None
    word_dropout: float | None = None
    freeze_vectors: bool = False
    validation_fraction: float | None = None
    cell: str | Cell = "lstm"
    hidden: int = 128
    layers: int = 1
    members: int = 1
    embedding: int | None = None
    one_way: bool | None = None
    memory: float | None = None
    pooling: str | None = None
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
    patience: int | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self):
        check_settings(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values, a cell of one's own as its equations."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"cell": describe_cell(self.cell)}

    def preparation(self) -> Preparation:
        """Return how examples become numbers."""
        order = tuple(each.strip() for each in (self.order or "").split(",") if each.strip())
        lower = None if self.keep_case is None else not self.keep_case
        return Preparation(
            self.target,
            order,
            self.tokens,
            self.vocabulary_size,
            self.minimum_count,
            lower,
            self.longest,
            self.validation_fraction,
            self.seed,
        )

    def chosen_for(self, dataset: Dataset, vector_size: int | None = None) -> Any:
        """Return the settings with everything left open chosen for a dataset.

        Args:
            dataset: Ready for training.
            vector_size: Of pretrained vectors, if there are some.
        """
        inputs = dataset.open("training").inputs
        text, count, steps = dataset.features.kind == "text", len(inputs), inputs.lengths.mean()
        whole = text and dataset.features.to_dict()["tokenizer"]["kind"] != "characters"
        hidden = self.hidden
        long = not text and bool(steps >= LONG)
        rate = OPTIMIZERS[self.optimizer].learning_rate
        if long:
            rate = LONG_RATES.get(self.optimizer, rate)
        embedding = vector_size or self.embedding or (128 if whole else 32)
        if get(self.cell).graph.sizes.equal and not vector_size:
            embedding = hidden
        defaults = {
            "monitor": self.chosen_monitor(),
            "word_dropout": 0.1 if whole else 0.0,
            "one_way": bool(steps >= LONG),
            "memory": float(steps / 8) if long and has_forget_bias(get(self.cell).graph) else 0.0,
            "pooling": "max" if text or long else "attention",
            "dropout": 0.5 if whole else 0.0 if not text and count >= 20_000 else 0.2,
            "learning_rate": rate if hidden < 256 else rate / 2,
            "batch_size": 64 if count >= 4_000 else 32 if count >= 1_000 else 16,
        }
        open_ones = {name: each for name, each in defaults.items() if getattr(self, name) is None}
        return replace(self, **open_ones, embedding=embedding)

    def chosen_monitor(self) -> str:
        """Return what the best model is the best in, where that is left open."""
        if self.target != "classes":
            return "loss"
        return "macro_f1" if self.balance else "accuracy"

    def plan(self, steps_per_epoch: int, examples: int) -> Plan:
        """Return how long training lasts and how often it is measured."""
        budget = self.budget(steps_per_epoch, examples)
        every = self.validate_every or max(50, min(steps_per_epoch, 1000))
        return Plan(
            budget,
            every,
            # the last steps are small and gain the most: it must not end before them too easily
            self.patience or max(10, (budget.steps or 0) // every // 3),
            self.optimizer,
            self.learning_rate or OPTIMIZERS[self.optimizer][1],
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )

    def budget(self, steps_per_epoch: int, examples: int) -> Budget:
        """Return where training ends."""
        if self.epochs is None and self.steps is None and self.minutes is None:
            epochs = min(max(150_000 / examples, 4), 60)
            return Budget(max(1000, math.ceil(epochs * steps_per_epoch)), 10.0)
        limits = [] if self.steps is None else [self.steps]
        if self.epochs is not None:
            limits.append(max(1, math.ceil(self.epochs * steps_per_epoch)))
        return Budget(min(limits, default=None), self.minutes)


def check_settings(settings: ClassificationSettings) -> None:
    """Raise `ValueError` for settings that cannot be."""
    choices = {
        "target": TARGETS,
        "monitor": (None, *MONITORS),
        "tokens": (None, "words", "characters", "bpe"),
        "pooling": (None, *POOLINGS),
        "optimizer": tuple(OPTIMIZERS),
        "device": DEVICES,
    }
    check_choices(settings, choices)
    ones = ("minimum_count", "longest", "hidden", "layers", "members", "embedding", "batch_size")
    least = dict.fromkeys((*ones, "steps", "validate_every", "patience"), 1)
    least |= {"vocabulary_size": 257 if settings.tokens == "bpe" else 2}
    least |= dict.fromkeys(("clip", "clip_value", "seed", "memory"), 0)
    check_least(settings, least)
    check_above_zero(settings, ("epochs", "minutes", "learning_rate"))
    check_shares(settings, ("dropout", "word_dropout"))
    check_fraction(settings, "validation_fraction")
    if settings.target == "regression" and settings.balance:
        raise ValueError("balance: numbers have no classes to balance")
    if settings.target == "regression" and settings.monitor not in (None, "loss"):
        raise ValueError(f"monitor: numbers have no {settings.monitor}; say loss")
    if settings.order and settings.target != "ordinal":
        raise ValueError("order is for --target ordinal")
