"""A classifier with the examples it learns from, as the training loop wants it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatewise.data.labelled.batches import Batch, Batches
from gatewise.data.labelled.dataset import Dataset
from gatewise.data.labelled.examples import Roles
from gatewise.data.labelled.targets import NumberTargets
from gatewise.data.tokens.vectors import WordVectors
from gatewise.tasks.measures import Findings, measure_classes, measure_numbers
from gatewise.training.checkpoint import Progress
from gatewise.training.classification.model import (
    Classifier,
    assemble,
    build_outcome,
    describe_model,
    sizes,
)
from gatewise.training.classification.settings import ClassificationSettings
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.plan import Plan, Task

VALIDATION_BATCH = 256
LEARNED = 1e-3  # a smaller loss is no better: so training ends where all is learned


class ClassificationTraining(Task):
    """Whole sequences in batches of about equal length: a `Task`.

    Args:
        settings: With nothing left open.
        dataset: The examples.
        roles: Which columns they were, for the model file.
        vectors: Pretrained, of some words.

    Raises:
        ValueError: The sizes do not fit the cell.
    """

    def __init__(
        self,
        settings: ClassificationSettings,
        dataset: Dataset,
        roles: Roles,
        vectors: WordVectors | None = None,
    ):
        assert settings.batch_size is not None
        self.settings, self.dataset, self.roles = settings, dataset, roles
        part = dataset.open("training")
        held = dataset.open("validation")
        learned = self.learnable(part.targets)
        self.training = Batches(part.inputs, learned, settings.batch_size, settings.seed)
        self.batches_per_epoch = self.training.per_epoch
        self.validation = Batches(held.inputs, self.learnable(held.targets), VALIDATION_BATCH)
        weights = class_weights(part.targets, dataset.targets.size) if settings.balance else None
        self.outcome = build_outcome(dataset.targets, weights)
        self.model = assemble(
            dataset.features, self.outcome, settings.cell, sizes(settings), settings.memory or 0.0
        )
        if vectors is not None:
            self.take_vectors(vectors)
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def learnable(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the loss takes them; some devices know no float64."""
        if isinstance(self.dataset.targets, NumberTargets):
            scaled = (targets - self.dataset.targets.mean) / self.dataset.targets.deviation
            return scaled.astype(np.float32)
        return targets.astype(np.int64)

    def take_vectors(self, vectors: WordVectors) -> None:
        """Begin with pretrained vectors; words without one begin at random, as widely spread."""
        for member in self.model.members:
            weight = member.source.embedding.weight
            with torch.no_grad():
                found = torch.from_numpy(vectors.rows)
                weight.normal_(std=float(vectors.values.std()))
                weight[found] = torch.from_numpy(vectors.values)
            weight.requires_grad_(not self.settings.freeze_vectors)

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return self.settings.plan(self.batches_per_epoch, len(self.training.inputs))

    def batches(self, cursor: tuple[int, int]) -> Iterator[Batch]:
        """See `Task.batches`."""
        return self.training.training(cursor)

    def validation_batches(self) -> Iterator[Batch]:
        """See `Task.validation_batches`."""
        return self.validation.once()

    def loss(self, batch: Batch, state: Any) -> tuple[torch.Tensor, None]:
        """See `Task.loss`."""
        each = self.model.each(batch.inputs, batch.lengths)
        losses = [self.outcome.loss(outputs, batch.targets) for outputs in each]
        return torch.stack(losses).mean(), None

    def counted(self, batch: Batch) -> float:
        """See `Task.counted`."""
        return len(batch.targets)

    def total_loss(self, batch: Batch, state: Any) -> tuple[torch.Tensor, int, None]:
        """See `Task.total_loss`."""
        outputs = self.model(batch.inputs, batch.lengths)
        self.seen.append((outputs.float().cpu(), batch.targets.cpu()))
        return self.outcome.loss(outputs, batch.targets, "sum"), len(batch.targets), None

    def begin_validation(self) -> None:
        """See `Task.begin_validation`."""
        self.seen = []

    def metrics(self) -> dict[str, float]:
        """See `Task.metrics`."""
        figures = self.measure(*self.validated()).figures
        if self.dataset.targets.kind == "regression":
            return figures
        names = ("accuracy", "macro_f1", "steps_off")
        return {name: figures[name] for name in names if name in figures}

    def validated(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs `(N, K)` and targets `(N,)` of the last validation."""
        outputs, targets = zip(*self.seen, strict=True)
        return torch.cat(outputs), torch.cat(targets)

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> Findings:
        """Measure outputs `(N, K)`, not calibrated, against targets `(N,)`."""
        found = self.outcome.probabilities(outputs)
        if self.dataset.targets.kind == "regression":
            return measure_numbers(found[:, 0], self.outcome.probabilities(targets.double()))
        return measure_classes(found, targets, self.dataset.targets.kind == "ordinal")

    def score(self, loss: float, metrics: dict[str, float]) -> float:
        """See `Task.score`: what `monitor` says; between equals the loss decides."""
        monitor = self.settings.monitor
        loss = max(loss, LEARNED)
        if monitor is None or monitor == "loss":
            return loss
        return -metrics[monitor] + 1e-6 * min(loss, 100.0)

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        config = describe_model(self.dataset, self.settings, self.roles)
        history = describe_training(self.settings, self.dataset, progress)
        write_model_file(
            path, ModelFile(Classifier.task, config, history, dict(self.model.state_dict()))
        )


def class_weights(targets: np.ndarray, classes: int) -> torch.Tensor:
    """Return how much an example of each class counts so that all classes count alike."""
    counts = np.bincount(targets.astype(np.int64), minlength=classes)
    return torch.tensor(len(targets) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def describe_training(
    settings: ClassificationSettings, dataset: Dataset, progress: Progress
) -> dict[str, Any]:
    """Return what a model file says of its training."""
    from gatewise import __version__

    best = progress.history[-1]
    return {
        "gatewise": __version__,
        "torch": str(torch.__version__),
        "settings": {name: each for name, each in settings.to_dict().items() if name != "cell"},
        "said": list(dataset.said),
        "step": best.step,
        "epoch": best.epoch,
        "seconds": progress.seconds,
        "validation": {"loss": best.validation, **(best.metrics or {})},
        "history": [measured._asdict() for measured in progress.history],
    }
