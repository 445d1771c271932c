"""A generator with the sequences it learns from, as the training loop wants it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gatewise.data import processes
from gatewise.data.sequence_set import SequenceSet
from gatewise.tasks.generating import SequenceGenerator, Sequences
from gatewise.training.checkpoint import Progress
from gatewise.training.generator.model import GeneratorModel
from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.plan import Plan, Task
from gatewise.training.text.settings import describe_cell

VALIDATION_BATCH = 256
LENGTHS_KEPT = 1_000


class Batch(NamedTuple):
    """Sequences side by side; see `Sequences`."""

    values: Tensor
    lengths: Tensor
    cursor: tuple[int, int] = (0, 0)
    fresh: bool = True

    @property
    def sequences(self) -> Sequences:
        """What the network takes."""
        return Sequences(self.values, self.lengths)


class GeneratorTraining(Task):
    """Maximum likelihood of whole sequences: a `Task`.

    Args:
        settings: How it is trained.
        data: What it learns from.

    Raises:
        ValueError: The sizes do not fit the cell.
    """

    def __init__(self, settings: GeneratorSettings, data: SequenceSet):
        self.settings, self.data = settings, data
        self.config = describe_generator(settings, data)
        self.training, self.held = (self.tensors(part) for part in (data.training, data.held))
        self.batch_size = settings.batch_size * processes.count()
        self.batches_per_epoch = -(-len(self.training) // self.batch_size)
        self.model = SequenceGenerator(cell=settings.cell, **self.config["model"])

    def tensors(self, sequences: Sequence[Any]) -> list[Tensor]:
        """Return sequences as the network takes them."""
        if self.data.is_text:
            tokenizer = self.data.tokenizer
            return [torch.from_numpy(tokenizer.encode(text)) for text in sequences]
        mean, spread = (np.array(self.config[name], np.float32) for name in ("mean", "spread"))
        return [torch.from_numpy((values - mean) / spread) for values in sequences]

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return self.settings.plan()

    def batches(self, cursor: tuple[int, int]) -> Iterator[Batch]:
        """See `Task.batches`."""
        epoch, number = cursor
        size = self.batch_size
        while True:
            draw = np.random.default_rng([self.settings.seed, epoch])
            order = draw.permutation(len(self.training))
            for k in range(number, self.batches_per_epoch):
                own = processes.own_part(order[k * size : (k + 1) * size])
                chosen = [self.training[j] for j in own]
                last = k + 1 == self.batches_per_epoch
                yield side_by_side(chosen)._replace(
                    cursor=(epoch + 1, 0) if last else (epoch, k + 1)
                )
            epoch, number = epoch + 1, 0

    def validation_batches(self) -> Iterator[Batch]:
        """See `Task.validation_batches`."""
        for at in range(0, len(self.held), VALIDATION_BATCH):
            yield side_by_side(self.held[at : at + VALIDATION_BATCH])

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, None]:
        """See `Task.loss`."""
        total, count = self.model.surprise(batch.sequences)
        return total / count, None

    def counted(self, batch: Batch) -> float:
        """See `Task.counted`."""
        ends = len(batch.lengths) if self.data.is_text else 0
        return int(batch.lengths.sum()) + ends

    def total_loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, None]:
        """See `Task.total_loss`."""
        total, count = self.model.surprise(batch.sequences)
        return total, int(count), None

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        told = describe_training(self.settings, self.data, progress)
        weights = dict(self.model.state_dict())
        write_model_file(path, ModelFile(GeneratorModel.task, self.config, told, weights))


def side_by_side(sequences: Sequence[Tensor]) -> Batch:
    """Return sequences as a batch, filled up with zeros."""
    lengths = torch.tensor([len(each) for each in sequences])
    return Batch(pad_sequence(list(sequences)), lengths)


def describe_generator(settings: GeneratorSettings, data: SequenceSet) -> dict[str, Any]:
    """Return the configuration of the model file."""
    mean, spread = ([], []) if data.is_text else data.scale()
    return {
        "characters": data.tokenizer.characters if data.is_text else None,
        "channel_names": list(data.channels),
        "mean": mean,
        "spread": spread,
        "lengths": [len(each) for each in data.training[:LENGTHS_KEPT]],
        "cell": describe_cell(settings.cell),
        "model": {
            "symbols": data.tokenizer.size if data.is_text else None,
            "channels": max(1, len(data.channels)),
            "hidden": settings.hidden,
            "layers": settings.layers,
            "components": settings.components,
        },
    }


def describe_training(
    settings: GeneratorSettings, data: SequenceSet, progress: Progress
) -> dict[str, Any]:
    """Return what a model file says of its training."""
    from gatewise import __version__

    best = progress.history[-1]
    return {
        "gatewise": __version__,
        "torch": str(torch.__version__),
        "settings": {name: each for name, each in settings.to_dict().items() if name != "cell"},
        "said": list(data.said),
        "step": best.step,
        "epoch": best.epoch,
        "seconds": progress.seconds,
        "validation_nats_per_value": best.validation,
        "history": [measured._asdict() for measured in progress.history],
    }
