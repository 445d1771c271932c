"""A trained model of music: load it, compose with it, measure music with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gatewise.data.music.keys import KEYS, Roll
from gatewise.tasks.music import MusicNetwork, Pieces
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import cell_from_description

AT_ONCE = 64  # pieces


class MusicModel:
    """A trained model of music, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file: cell, sizes, steps per beat.
        training: How it was trained: settings, steps, losses.
        model: The network, in evaluation mode.
    """

    task = "music"

    def __init__(self, config: dict[str, Any], training: dict[str, Any], model: MusicNetwork):
        self.config, self.training, self.model = config, training, model.eval()

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "MusicModel":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            cell = cell_from_description(file.config["cell"])
            model = MusicNetwork(cell, KEYS, **file.config["model"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a model of music: {error}"
            ) from error
        load_weights(model, file.tensors, path)
        return cls(file.config, file.training, model)

    def compose(
        self,
        steps: int = 128,
        temperature: float = 1.0,
        seed: int | None = None,
        begin: Roll | None = None,
    ) -> Roll:
        """Return new music.

        Args:
            steps: T.
            temperature: Below 1 the likely becomes likelier; 0 always takes it.
            seed: Equal seeds compose equal music; None takes another each time.
            begin: What it goes on after, `(S, 88)`; None begins a piece.

        Returns:
            What follows the beginning, `(T, 88)`.

        Raises:
            ValueError: Steps or temperature cannot be, or the beginning is no roll.
        """
        if steps < 1 or not 0 <= temperature < float("inf"):
            raise ValueError(
                f"steps are at least 1 and temperature at least 0, not {steps} and {temperature}"
            )
        given = None if begin is None or not len(begin) else as_tensor(begin)
        source = torch.Generator()
        source.seed() if seed is None else source.manual_seed(seed)
        noise = torch.rand(steps, KEYS, generator=source)
        return self.model.compose(steps, noise, temperature, given).numpy().astype(np.uint8)

    def surprise(self, roll: Roll) -> np.ndarray:
        """Return how surprising each step of music is, in nats summed over the keys: `(T,)`."""
        with torch.inference_mode():
            return self.model.surprise(side_by_side([whole(as_tensor(roll))]))[:, 0].numpy()

    def score(self, pieces: Sequence[Roll]) -> float:
        """Return the mean surprise of a step over all pieces, in nats; first steps do not count.

        As the figures of the field: nothing comes before the first step of a piece.
        """
        total, count = 0.0, 0
        with torch.inference_mode():
            for batch in batches_of([as_tensor(roll) for roll in pieces]):
                total += float(self.model.surprise(batch)[1:].double().sum())
                count += int(batch.lengths.sum()) - len(batch.lengths)
        return total / count

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        return f"MusicModel({weights:,} weights)"


def as_tensor(roll: Roll) -> Tensor:
    """Return a roll as numbers.

    Raises:
        ValueError: It is none.
    """
    values = np.asarray(roll)
    if values.ndim != 2 or values.shape[1] != KEYS:
        raise ValueError(f"music is (steps, {KEYS}), not {values.shape}")
    return torch.from_numpy((values > 0).astype(np.float32))


def whole(roll: Tensor) -> tuple[Tensor, Tensor]:
    """Return a piece as `Pieces` has it: silence comes before its first step."""
    return torch.cat([torch.zeros_like(roll[:1]), roll[:-1]]), roll


def side_by_side(pairs: Sequence[tuple[Tensor, Tensor]]) -> Pieces:
    """Return pairs of what comes before and what is held as one batch, filled up with zeros."""
    before, keys = zip(*pairs, strict=True)
    lengths = torch.tensor([len(each) for each in keys])
    return Pieces(pad_sequence(list(before)), pad_sequence(list(keys)), lengths)


def batches_of(rolls: Sequence[Tensor]) -> Iterator[Pieces]:
    """Yield whole pieces side by side, those of like length together."""
    order = sorted(range(len(rolls)), key=lambda k: len(rolls[k]))
    for at in range(0, len(order), AT_ONCE):
        yield side_by_side([whole(rolls[k]) for k in order[at : at + AT_ONCE]])
