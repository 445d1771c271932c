"""The settings of a translator's training, and what is chosen where they are left open."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from gatewise.data.pairs.vocabulary import KINDS, PairsVocabulary
from gatewise.equations import Cell
from gatewise.tasks.translation_measures import FIGURES, TOKENIZATIONS
from gatewise.training.optimizers import OPTIMIZERS
from gatewise.training.plan import Plan
from gatewise.training.ranges import (
    check_above_zero,
    check_choices,
    check_fraction,
    check_least,
    check_shares,
)
from gatewise.training.schedule import Budget
from gatewise.training.text.settings import DEVICES, describe_cell

MONITORS = ("loss", *FIGURES)
READ = 600_000  # pairs, before training ends by itself
MINUTES = 60.0


@dataclass(frozen=True)
class TranslationSettings:
    """Everything that decides what comes out; None is chosen from the pairs.

    Attributes:
        source_tokens: `"characters"`, `"words"` or `"bpe"`; None is characters where texts have one
            or two words, else bpe.
        target_tokens: The same of the other side.
        vocabulary_size: Tokens of each vocabulary; see `build_vocabulary`.
        separate: Whether each side has a vocabulary of its own; None is unless both are bpe.
        lower: Whether capital letters count as small ones.
        longest: Pairs with more tokens on a side are not learned from.
        validation_fraction: Share held back; None is a tenth, at most 1,000 pairs.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H; None is 256, or 128 below 10,000 pairs.
        layers: Recurrent layers of the encoder, and of the decoder above the attention.
        dropout: None is 0.3 below 100,000 pairs, else 0.2; half of that for characters.
        label_smoothing: Share of the truth that is spread over all tokens.
        beam: Hypotheses kept when the best model is measured, and by default when it is used.
        length_penalty: α of Wu et al. (2016); 0 favours short translations.
        bleu_words: How sacrebleu finds words: `"13a"`, `"intl"`, `"char"`, `"zh"` or `"none"`.
        monitor: What the best model is the best in: `"loss"`, `"bleu"`, `"chrf"`, `"exact"`,
            `"wer"` or `"cer"`; None is cer where characters are written, else bleu.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: The highest; None is the optimiser's own default.
        batch_size: Pairs of a step; None is 64, from 100,000 pairs on 128, below 4,000 32.
        clip: The gradient's norm is cut to this; 0 never cuts.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
        epochs: Epochs at most.
        steps: Steps at most.
        minutes: Minutes at most. Without epochs, steps and minutes: an hour, or as many epochs as
            read 600,000 pairs (at least 1,000 steps, at most 100 epochs), if that is over earlier.
        validate_every: Steps between validations; None is an epoch, from 200 to 2,000 steps.
        patience: Training ends after so many validations without improvement.
        seed: What every random number comes from.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
    """

    source_tokens: str | None = None
    target_tokens: str | None = None
    vocabulary_size: int | None = None
    separate: bool | None = None
    lower: bool = False
    longest: int = 100
    validation_fraction: float | None = None
    cell: str | Cell = "lstm"
    hidden: int | None = None
    layers: int = 1
    dropout: float | None = None
    label_smoothing: float = 0.1
    beam: int = 5
    length_penalty: float = 1.0
    bleu_words: str = "13a"
    monitor: str | None = None
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
        """Raise a `ValueError` for what cannot be."""
        choices = {
            "source_tokens": (None, *KINDS),
            "target_tokens": (None, *KINDS),
            "bleu_words": TOKENIZATIONS,
            "monitor": (None, *MONITORS),
            "optimizer": tuple(OPTIMIZERS),
            "device": DEVICES,
        }
        check_choices(self, choices)
        ones = ("longest", "hidden", "layers", "beam", "batch_size", "steps", "patience")
        bytewise = "bpe" in (self.source_tokens, self.target_tokens)
        least = dict.fromkeys((*ones, "validate_every"), 1)
        least |= {"vocabulary_size": 257 if bytewise else 2}
        check_least(
            self, least | dict.fromkeys(("clip", "clip_value", "seed", "length_penalty"), 0)
        )
        check_above_zero(self, ("epochs", "minutes", "learning_rate"))
        check_shares(self, ("dropout", "label_smoothing"))
        check_fraction(self, "validation_fraction")

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values, a cell of one's own as its equations."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"cell": describe_cell(self.cell)}

    def chosen_for(self, vocabulary: PairsVocabulary, count: int) -> Any:
        """Return the settings with everything left open chosen.

        Args:
            vocabulary: Of both sides.
            count: Pairs that are learned from.
        """
        characters = vocabulary.target.kind == "characters"
        dropout = 0.3 if count < 100_000 else 0.2
        defaults = {
            "hidden": 256 if count >= 10_000 else 128,
            "dropout": dropout / 2 if characters else dropout,
            "monitor": "cer" if characters else "bleu",
            "learning_rate": OPTIMIZERS[self.optimizer].learning_rate,
            "batch_size": 128 if count >= 100_000 else 64 if count >= 4_000 else 32,
        }
        return replace(
            self, **{name: each for name, each in defaults.items() if getattr(self, name) is None}
        )

    def plan(self, steps_per_epoch: int, count: int) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return Plan(
            self.budget(steps_per_epoch, count),
            self.validate_every or max(200, min(steps_per_epoch, 2_000)),
            self.patience,
            self.optimizer,
            self.learning_rate or OPTIMIZERS[self.optimizer].learning_rate,
            self.clip,
            self.device,
            clip_value=self.clip_value,
        )

    def budget(self, steps_per_epoch: int, count: int) -> Budget:
        """Return where training ends."""
        if self.epochs is None and self.steps is None and self.minutes is None:
            epochs = min(READ / count, 100)
            return Budget(max(1_000, math.ceil(epochs * steps_per_epoch)), MINUTES)
        limits = [] if self.steps is None else [self.steps]
        if self.epochs is not None:
            limits.append(max(1, math.ceil(self.epochs * steps_per_epoch)))
        return Budget(min(limits, default=None), self.minutes)
