"""The settings of a language model's training, and what is chosen where they are left open."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from gatewise import cells
from gatewise.data.tokens.corpus import Corpus, Tokenization
from gatewise.equations import Cell
from gatewise.tasks.language import TORCH_LAYERS, embedding_size
from gatewise.training.plan import OPTIMIZERS, Plan
from gatewise.training.ranges import (
    check_above_zero,
    check_choices,
    check_forget_bias,
    check_fraction,
    check_least,
    check_shares,
)
from gatewise.training.schedule import Budget

TOKENS = ("characters", "words", "bpe")
SOFTMAXES = ("full", "adaptive")
LARGE_VOCABULARY = 20_000  # tokens; above, most of the time would go into the softmax
REGULARIZERS = ("input_dropout", "recurrent_dropout", "weight_drop", "zoneout")
LAYER_OPTIONS = (*REGULARIZERS, "forget_bias")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class TextSettings:
    """Everything that decides what comes out; None is chosen from the text.

    Attributes:
        tokens: `"characters"`, `"words"` or `"bpe"`.
        vocabulary_size: At most so many tokens; see `Tokenization`.
        minimum_count: Words that occur less often become `<unk>`.
        validation_fraction: The last part of the text that is measured on; None is a tenth, at
            most 500,000 characters.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H; None is 512, or 256 below 100,000 tokens.
        layers: Number of recurrent layers.
        embedding: Size of a token's vector; None is 64 for characters, else 256; H for cells that
            use their input unit by unit.
        forget_bias: What the bias of every forget gate begins with; None is the cell's own.
        dropout: None is 0.3 for characters, 0.5 for words and byte pairs; 0.1 from two million
            tokens on.
        softmax: `"full"`, or `"adaptive"` for a large vocabulary; None is adaptive above 20,000
            tokens.
        tie: Whether input and output share their embedding; the softmax is full then.
        embedding_dropout: Share of tokens whose vectors are dropped, window by window.
        input_dropout: See `gatewise.layers.Recurrent`, as the next three.
        recurrent_dropout: Of the states that recurrent products read.
        weight_drop: Of single recurrent weights.
        zoneout: Probability that a unit keeps its last value.
        activation_penalty: See `gatewise.tasks.language.LanguageModel`, as the next.
        change_penalty: On how much the output changes from step to step.
        optimizer: A key of `gatewise.training.optimizers.OPTIMIZERS`.
        learning_rate: The highest; None is the optimiser's own default.
        batch_size: Parallel streams B; None is 32, fewer for a short text.
        window: Steps T of truncated backpropagation.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        epochs: Epochs at most.
        steps: Steps at most.
        minutes: Minutes at most. Without epochs, steps and minutes: ten minutes, or 50 epochs
            (but at least 1,000 steps) if those are over earlier.
        validate_every: Steps between validations; None is an epoch, at most 1,000 steps.
        patience: Training ends after so many validations without improvement.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    tokens: str = "characters"
    vocabulary_size: int | None = None
    minimum_count: int = 2
    validation_fraction: float | None = None
    cell: str | Cell = "lstm"
    hidden: int | None = None
    layers: int = 1
    embedding: int | None = None
    forget_bias: float | None = None
    dropout: float | None = None
    softmax: str | None = None
    tie: bool = False
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    zoneout: float = 0.0
    activation_penalty: float = 0.0
    change_penalty: float = 0.0
    optimizer: str = "adamw"
    learning_rate: float | None = None
    batch_size: int | None = None
    window: int = 64
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

    def tokenization(self) -> Tokenization:
        """Return how the text becomes tokens."""
        return Tokenization(self.tokens, self.vocabulary_size, self.minimum_count)

    def layer_options(self) -> dict[str, Any]:
        """Return the options of the recurrent layers, by name."""
        return {name: getattr(self, name) for name in LAYER_OPTIONS}

    def chosen_for(self, corpus: Corpus) -> "TextSettings":
        """Return the settings with everything left open chosen for a text."""
        characters, tokens = self.tokens == "characters", corpus.training.count
        hidden = self.hidden or (512 if tokens >= 100_000 else 256)
        large = corpus.tokenizer.size > LARGE_VOCABULARY
        softmax = self.softmax or ("adaptive" if large and not self.tie else "full")
        defaults = {
            "hidden": hidden,
            "embedding": embedding_size(self.cell, hidden, 64 if characters else 256),
            "dropout": 0.1 if tokens >= 2_000_000 else 0.3 if characters else 0.5,
            "softmax": softmax,
            "learning_rate": OPTIMIZERS[self.optimizer][1],
            "batch_size": max(1, min(32, tokens // (4 * self.window))),
        }
        return replace(
            self, **{name: each for name, each in defaults.items() if getattr(self, name) is None}
        )

    def plan(self, steps_per_epoch: int, tokens_per_step: int, validation_tokens: int) -> Plan:
        """Return how long training lasts and how often it is measured.

        Args:
            steps_per_epoch: Windows in an epoch.
            tokens_per_step: Tokens in a window.
            validation_tokens: Tokens that are measured on.
        """
        # Measuring takes a third of the time of training on as much: at most a tenth of it all.
        seldom = 4 * validation_tokens // tokens_per_step
        every = self.validate_every or max(50, min(steps_per_epoch, 1000), seldom)
        return Plan(
            self.budget(steps_per_epoch),
            every,
            self.patience,
            self.optimizer,
            self.learning_rate or OPTIMIZERS[self.optimizer][1],
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )

    def budget(self, steps_per_epoch: int) -> Budget:
        """Return where training ends."""
        if self.epochs is None and self.steps is None and self.minutes is None:
            return Budget(max(1000, 50 * steps_per_epoch), 10.0)
        limits = [] if self.steps is None else [self.steps]
        if self.epochs is not None:
            limits.append(max(1, math.ceil(self.epochs * steps_per_epoch)))
        return Budget(min(limits, default=None), self.minutes)


def check_settings(settings: TextSettings) -> None:
    """Raise `ValueError` for settings that cannot be."""
    choices: dict[str, tuple[Any, ...]] = {"tokens": TOKENS, "optimizer": tuple(OPTIMIZERS)}
    check_choices(settings, choices | {"device": DEVICES, "softmax": (None, *SOFTMAXES)})
    least = dict.fromkeys(("minimum_count", "hidden", "layers", "embedding", "batch_size"), 1)
    least |= dict.fromkeys(("window", "steps", "validate_every", "patience"), 1)
    least |= {"vocabulary_size": 257 if settings.tokens == "bpe" else 2, "seed": 0}
    least |= dict.fromkeys(("clip", "clip_value", "activation_penalty", "change_penalty"), 0)
    check_least(settings, least)
    check_above_zero(settings, ("epochs", "minutes", "learning_rate"))
    check_shares(settings, ("dropout", "embedding_dropout", *REGULARIZERS))
    if settings.tie and settings.softmax == "adaptive":
        raise ValueError("tie: an adaptive softmax has weights of its own; take softmax full")
    check_fraction(settings, "validation_fraction")
    check_forget_bias(settings)


def describe_cell(cell: str | Cell) -> dict[str, Any]:
    """Return a cell as JSON-ready values: its equations, unless torch has a layer for it."""
    if isinstance(cell, str) and cell in TORCH_LAYERS:
        return {"name": cell, "equations": None}
    found = cells.get(cell)
    return {"name": found.name, "equations": found.to_dict()}


def cell_from_description(description: dict[str, Any]) -> str | Cell:
    """Rebuild a cell from `describe_cell`.

    Raises:
        ValueError: It describes none.
    """
    name, equations = description["name"], description["equations"]
    if equations is not None:
        return Cell.from_dict(equations)
    if name not in TORCH_LAYERS:
        raise ValueError(f"no layer is called {name!r}")
    return name
