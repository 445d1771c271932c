"""A model of music with the pieces it learns from, as the training loop wants it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gatewise.data import processes
from gatewise.data.music.keys import KEYS, Roll, room, shares_of, transposed
from gatewise.data.music.rolls import Music
from gatewise.tasks.music import MusicNetwork, Pieces
from gatewise.training.checkpoint import Progress
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.music.model import MusicModel, as_tensor, batches_of, side_by_side
from gatewise.training.music.settings import MusicSettings
from gatewise.training.plan import Plan, Task
from gatewise.training.text.settings import describe_cell


class Batch(NamedTuple):
    """Pieces side by side; see `Pieces`."""

    before: Tensor
    keys: Tensor
    lengths: Tensor
    cursor: tuple[int, int] = (0, 0)
    fresh: bool = True

    @property
    def pieces(self) -> Pieces:
        """What the network takes."""
        return Pieces(self.before, self.keys, self.lengths)


class Part(NamedTuple):
    """A stretch of a piece, at most as long as is learned from at once.

    Attributes:
        roll: `(T, 88)`.
        before: The step before its first, `(1, 88)`; zeros at the beginning of a piece.
        room: How far the whole piece can be moved down and up.
    """

    roll: Roll
    before: Roll
    room: tuple[int, int]


class MusicTraining(Task):
    """Maximum likelihood of pieces, moved to other keys at random: a `Task`.

    Args:
        settings: How it is trained.
        music: What it learns from, divided.

    Raises:
        ValueError: The sizes do not fit the cell.
    """

    def __init__(self, settings: MusicSettings, music: Music):
        self.settings, self.music = settings, music
        self.parts = [part for roll in music.training for part in cut(roll, settings.length)]
        self.held = [as_tensor(roll) for roll in music.validation]
        self.batch_size = settings.batch_size * processes.count()
        self.batches_per_epoch = -(-len(self.parts) // self.batch_size)
        self.model = MusicNetwork(
            settings.cell,
            KEYS,
            **sizes(settings),
            dropout=settings.dropout,
            options=settings.layer_options(),
        )
        # as often as they are: else the first thousand steps are spent on learning that
        self.model.output.expect_always(torch.from_numpy(shares_of(music.training)))

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        return self.settings.plan(self.batches_per_epoch)

    def batches(self, cursor: tuple[int, int]) -> Iterator[Batch]:
        """See `Task.batches`."""
        epoch, number = cursor
        size = self.batch_size
        while True:
            draw = np.random.default_rng([self.settings.seed, epoch])
            order = draw.permutation(len(self.parts))
            moves = {k: self.draw_move(self.parts[k], draw) for k in order}
            for k in range(number, self.batches_per_epoch):
                own = processes.own_part(order[k * size : (k + 1) * size])
                pairs = [moved(self.parts[j], moves[j]) for j in own]
                last = k + 1 == self.batches_per_epoch
                yield Batch(*side_by_side(pairs), (epoch + 1, 0) if last else (epoch, k + 1))
            epoch, number = epoch + 1, 0

    def draw_move(self, part: Part, draw: np.random.Generator) -> int:
        """Draw by how many semitones a part is moved."""
        most = self.settings.transpose
        low, high = part.room
        return int(np.clip(draw.integers(-most, most + 1), low, high))

    def validation_batches(self) -> Iterator[Batch]:
        """See `Task.validation_batches`."""
        for pieces in batches_of(self.held):
            yield Batch(*pieces)

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, None]:
        """See `Task.loss`."""
        return self.model.surprise(batch.pieces).sum() / batch.lengths.sum(), None

    def counted(self, batch: Batch) -> float:
        """See `Task.counted`."""
        return int(batch.lengths.sum())

    def total_loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, None]:
        """See `Task.total_loss`; first steps do not count, as in the figures of the field."""
        total = self.model.surprise(batch.pieces)[1:].sum()
        return total, int(batch.lengths.sum()) - len(batch.lengths), None

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        config = {
            "cell": describe_cell(self.settings.cell),
            "model": sizes(self.settings),
            "steps_per_beat": self.music.steps_per_beat,
        }
        told = describe_training(self.settings, self.music, progress)
        weights = dict(self.model.state_dict())
        write_model_file(path, ModelFile(MusicModel.task, config, told, weights))


def sizes(settings: MusicSettings) -> dict[str, Any]:
    """Return the arguments of `MusicNetwork` that a trained one needs, beside the cell."""
    return {name: getattr(settings, name) for name in ("hidden", "layers", "chords")}


def cut(roll: Roll, length: int) -> Iterator[Part]:
    """Yield a piece in parts of at most so many steps."""
    silence = np.zeros_like(roll[:1])
    for at in range(0, len(roll), length):
        before = roll[at - 1 : at] if at else silence
        yield Part(roll[at : at + length], before, room(roll))


def moved(part: Part, semitones: int) -> tuple[Tensor, Tensor]:
    """Return a part in another key, as what comes before each step and what is held in it."""
    whole = as_tensor(transposed(np.concatenate([part.before, part.roll]), semitones))
    return whole[:-1], whole[1:]


def describe_training(settings: MusicSettings, music: Music, progress: Progress) -> dict[str, Any]:
    """Return what a model file says of its training."""
    from gatewise import __version__

    best = progress.history[-1]
    return {
        "gatewise": __version__,
        "torch": str(torch.__version__),
        "settings": {name: each for name, each in settings.to_dict().items() if name != "cell"},
        "said": list(music.said),
        "step": best.step,
        "epoch": best.epoch,
        "seconds": progress.seconds,
        "validation_nats_per_step": best.validation,
        "history": [measured._asdict() for measured in progress.history],
    }
