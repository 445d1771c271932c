"""A translator with the pairs it learns from, as the training loop wants it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gatewise.data.labelled.ragged import Sequences
from gatewise.data.pairs.reader import Pairs
from gatewise.data.pairs.vocabulary import (
    PairBatch,
    PairBatches,
    PairsVocabulary,
    encode_pairs,
)
from gatewise.data.source import DataError
from gatewise.tasks.translation_measures import RATES, measure_translations
from gatewise.tasks.translation_search import search
from gatewise.training.checkpoint import Progress
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.plan import Plan, Task
from gatewise.training.text.settings import describe_cell
from gatewise.training.translation.model import TranslationModel, assemble, forbidden_tokens
from gatewise.training.translation.settings import TranslationSettings

VALIDATION_BATCH = 100
TRANSLATED = 1_000  # validation pairs at most that are translated at each validation


class PairParts(NamedTuple):
    """Pairs ready for training.

    Attributes:
        vocabulary: Of both sides.
        sources: Tokens learned from.
        targets: Tokens learned from.
        validation: Pairs that are measured on.
        spared: Whether those were not learned from.
        said: What was found out, in sentences for the user.
    """

    vocabulary: PairsVocabulary
    sources: Sequences
    targets: Sequences
    validation: Pairs
    spared: bool
    said: tuple[str, ...]


class TranslationTraining(Task):
    """Pairs in batches of about equally long sources: a `Task`.

    Args:
        settings: With nothing left open.
        parts: The pairs.

    Raises:
        ValueError: The sizes do not fit the cell.
    """

    def __init__(self, settings: TranslationSettings, parts: PairParts):
        assert settings.batch_size is not None
        self.settings, self.parts, vocabulary = settings, parts, parts.vocabulary
        self.training = PairBatches(
            parts.sources, parts.targets, settings.batch_size, settings.seed
        )
        self.batches_per_epoch = self.training.per_epoch
        sources, targets, _ = encode_pairs(vocabulary, parts.validation)
        self.validation = PairBatches(sources, targets, VALIDATION_BATCH)
        self.references = [vocabulary.prepare(text) for text in parts.validation.targets]
        count = len(self.references)
        self.translated = {k * count // TRANSLATED for k in range(TRANSLATED)}
        self.model = assemble(vocabulary, settings.cell, sizes(settings))
        longer = parts.targets.lengths - 2 * parts.sources.lengths
        self.margin = max(10, int(longer.max()))
        self.found: dict[int, str] = {}

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return self.settings.plan(self.batches_per_epoch, len(self.parts.sources))

    def batches(self, cursor: tuple[int, int]) -> Iterator[PairBatch]:
        """See `Task.batches`."""
        return self.training.training(cursor)  # type: ignore[return-value]

    def validation_batches(self) -> Iterator[PairBatch]:
        """See `Task.validation_batches`."""
        return self.validation.once()  # type: ignore[return-value]

    def loss(self, batch: PairBatch, state: Any) -> tuple[torch.Tensor, None]:
        """See `Task.loss`."""
        return self.model.loss(*batch[:4], self.settings.label_smoothing), None

    def counted(self, batch: PairBatch) -> float:
        """See `Task.counted`."""
        return int(batch.target_lengths.sum())

    def total_loss(self, batch: PairBatch, state: Any) -> tuple[torch.Tensor, int, None]:
        """See `Task.total_loss`; the loss is that without label smoothing."""
        total = self.model.loss(*batch[:4], reduction="sum")
        self.translate(batch)
        return total, int(batch.target_lengths.sum()), None

    def translate(self, batch: PairBatch) -> None:
        """Translate those pairs of a validation batch that are compared, the fastest way."""
        columns = [k for k, each in enumerate(batch.numbers.tolist()) if each in self.translated]
        if not columns:
            return
        lengths = batch.source_lengths[columns]
        memory = self.model.encode(batch.sources[: int(lengths.max()), columns], lengths)
        limits = 2 * lengths + self.margin
        never = forbidden_tokens(self.parts.vocabulary)
        rows = search(self.model, memory, limits, 1, 0.0, never)
        for number, row in zip(batch.numbers[columns].tolist(), rows, strict=True):
            self.found[number] = self.parts.vocabulary.decode(row[0].tokens)

    def begin_validation(self) -> None:
        """See `Task.begin_validation`."""
        self.found = {}

    def metrics(self) -> dict[str, float]:
        """See `Task.metrics`."""
        names = ["bleu", "chrf"]
        if self.parts.vocabulary.target.kind == "characters":
            names = ["cer", "exact"]
        if self.settings.monitor not in (*names, "loss"):
            names.append(str(self.settings.monitor))
        found = [self.found[number] for number in sorted(self.found)]
        references = [self.references[number] for number in sorted(self.found)]
        return measure_translations(found, references, names, self.settings.bleu_words)

    def score(self, loss: float, metrics: dict[str, float]) -> float:
        """See `Task.score`: what `monitor` says; between equals the loss decides."""
        monitor = str(self.settings.monitor)
        if monitor == "loss":
            return loss
        sign = 1 if monitor in RATES else -1
        return sign * metrics[monitor] + 1e-6 * min(loss, 100.0)

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        settings = self.settings
        config = {
            "vocabulary": self.parts.vocabulary.to_dict(),
            "cell": describe_cell(settings.cell),
            "model": sizes(settings),
            "search": {
                "beam": settings.beam,
                "length_penalty": settings.length_penalty,
                "margin": self.margin,
            },
            "bleu_words": settings.bleu_words,
        }
        history = describe_training(settings, self.parts, progress)
        write_model_file(
            path, ModelFile(TranslationModel.task, config, history, dict(self.model.state_dict()))
        )


def sizes(settings: TranslationSettings) -> dict[str, Any]:
    """Return the arguments of `assemble` that a model file keeps."""
    return {name: getattr(settings, name) for name in ("hidden", "layers", "dropout")}


def describe_training(
    settings: TranslationSettings, parts: PairParts, progress: Progress
) -> dict[str, Any]:
    """Return what a model file says of its training."""
    from gatewise import __version__

    best = progress.history[-1]
    return {
        "gatewise": __version__,
        "torch": str(torch.__version__),
        "settings": {name: each for name, each in settings.to_dict().items() if name != "cell"},
        "said": list(parts.said),
        "step": best.step,
        "epoch": best.epoch,
        "seconds": progress.seconds,
        "validation": {"loss": best.validation, **(best.metrics or {})},
        "history": [measured._asdict() for measured in progress.history],
    }


def divide_pairs(
    pairs: Pairs, validation: Pairs | None, fraction: float | None, seed: int
) -> tuple[Pairs, Pairs, bool]:
    """Say what is learned from and what is measured on, and whether that was spared.

    A source that occurs several times is never in both; with fewer than 20 pairs none is spared.

    Raises:
        DataError: The fraction leaves nothing on one side.
    """
    if validation is not None:
        return pairs, validation, True
    if len(pairs) < 20 and fraction is None:
        return pairs, pairs, False
    numbers = {text: k for k, text in enumerate(dict.fromkeys(pairs.sources))}
    share = min(0.1, 1_000 / len(pairs)) if fraction is None else fraction
    order = np.random.default_rng([seed, 1]).permutation(len(numbers))
    held = np.zeros(len(numbers), bool)
    held[order[: max(1, round(share * len(numbers)))]] = True
    which = held[[numbers[text] for text in pairs.sources]]
    if which.all() or not which.any():
        raise DataError(
            f"{pairs.name}: {len(pairs)} pairs with {len(numbers)} different sources cannot be "
            "divided; give more, or --validation"
        )
    return pairs.chosen(np.flatnonzero(~which)), pairs.chosen(np.flatnonzero(which)), True
