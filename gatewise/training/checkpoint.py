"""The folder of a training run: what a killed or stopped run needs to go on."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from safetensors.torch import save

from gatewise.data import processes
from gatewise.data.whole_file import part_of, write_whole
from gatewise.training.model_file import ModelFileError, digest, read_safetensors

VERSION = 1


class RunError(ValueError):
    """A run that cannot start or go on; the message says why and what to do."""


class Measurement(NamedTuple):
    """One validation.

    Attributes:
        step: Steps done by then.
        epoch: Epochs done by then, with a fraction.
        training: Mean training loss since the last validation; nats per token for a text.
        validation: Mean validation loss.
        score: What the best model has the least of; None is the validation loss.
        metrics: What else the task measured, by name.
    """

    step: int
    epoch: float
    training: float
    validation: float
    score: float | None = None
    metrics: dict[str, float] | None = None

    @property
    def merit(self) -> float:
        """What the best model has the least of."""
        return self.validation if self.score is None else self.score


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: Steps of the optimiser done.
        cursor: The place in the training data behind the last step.
        seconds: Time spent on training and validation, all sessions together.
        history: All validations.
        clipped: Steps whose gradient was cut.
    """

    step: int = 0
    cursor: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    history: list[Measurement] = field(default_factory=list)
    clipped: int = 0

    @property
    def best(self) -> Measurement | None:
        """The validation with the smallest score, the first of equals."""
        return min(self.history, key=lambda measured: measured.merit, default=None)

    @property
    def validated_step(self) -> int:
        """The step of the last validation, 0 before the first."""
        return self.history[-1].step if self.history else 0

    @property
    def waited(self) -> int:
        """Validations since the best."""
        return 0 if self.best is None else len(self.history) - 1 - self.history.index(self.best)

    @property
    def clipped_share(self) -> float:
        """The share of steps whose gradient was cut."""
        return self.clipped / max(self.step, 1)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `dataclasses.asdict`."""
        history = [Measurement(*measured) for measured in data["history"]]
        epoch, window = data["cursor"]
        return cls(data["step"], (epoch, window), data["seconds"], history, data.get("clipped", 0))


@dataclass(frozen=True)
class Checkpoint:
    """Everything that changes in training.

    Attributes:
        progress: How far the run has come.
        tensors: Weights, optimiser, carried state, random numbers, losses since the validation.
        numbers: What the optimiser keeps that is no tensor.
    """

    progress: Progress
    tensors: dict[str, torch.Tensor]
    numbers: dict[str, Any]


class RunFolder:
    """The folder beside an unfinished model file, held by one training at a time.

    Of processes that train together the first holds it, and writes; the others read.

    Args:
        output: The model file; the folder is called after it, `model.run`.
        prepared: Names of further files in it: the data, made ready.
        restart: Whether what is there goes when the folder is entered.
    """

    def __init__(self, output: Path, prepared: Sequence[str] = (), restart: bool = False):
        self.prepared, self.restart = prepared, restart
        self.path = output.with_suffix(".run")
        self.checkpoint_path = self.path / "checkpoint.safetensors"
        self.description_path = self.path / "run.json"
        self.study_path = self.path / "tuning.db"
        self.lock: int | None = None

    def exists(self) -> bool:
        """Say whether an unfinished run is here."""
        return self.path.is_dir()

    def __enter__(self) -> Self:
        """Make the folder if need be, and lock it; or wait until the first process is prepared.

        Raises:
            RunError: Another process holds it, or the name is taken by something else.
        """
        if not processes.is_first():
            processes.wait()
            if not self.exists():
                raise RunError(f"{self.path}: not here; machines must share the model's folder")
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise RunError(f"{self.path} is needed as a folder, but is a file") from error
        self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        if not lock_file(self.lock):
            os.close(self.lock)
            raise RunError(
                f"{self.path}: another process trains this model; wait for it, or use another -o"
            )
        if self.restart:
            self.clear()
        return self

    def __exit__(self, *_: object) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def write_description(self, description: dict[str, Any]) -> None:
        """Record what is trained on what."""
        if not processes.is_first():
            return
        text = json.dumps({"version": VERSION, **description}, ensure_ascii=False)
        write_whole(self.description_path, text.encode())

    def read_description(self) -> dict[str, Any] | None:
        """Return what is trained on what, or None before that is written.

        Raises:
            RunError: It cannot be read.
        """
        try:
            description = json.loads(self.description_path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RunError(f"{self.description_path}: damaged; begin anew: --restart") from error
        if not isinstance(description, dict) or description.get("version") != VERSION:
            raise RunError(f"{self.path}: of another version of Gatewise; begin anew: --restart")
        return description

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, whole or not at all."""
        if not processes.is_first():
            return
        text = json.dumps({**asdict(checkpoint.progress), "numbers": checkpoint.numbers})
        metadata = {"progress": text, "sha256": digest(text, checkpoint.tensors)}
        write_whole(self.checkpoint_path, save(checkpoint.tensors, metadata))

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint, or None if there is none yet.

        Raises:
            RunError: It is damaged.
        """
        if not self.checkpoint_path.exists():
            return None
        try:
            metadata, tensors = read_safetensors(self.checkpoint_path)
        except ModelFileError as error:
            raise RunError(f"{error}; or begin anew: --restart") from error
        text = metadata.get("progress", "")
        if metadata.get("sha256") != digest(text, tensors):
            raise RunError(f"{self.checkpoint_path}: damaged; begin anew: --restart")
        data = json.loads(text)
        return Checkpoint(Progress.from_dict(data), tensors, data["numbers"])

    def clear(self) -> None:
        """Remove the run's files, and nothing else."""
        if not processes.is_first():
            return
        own = [self.checkpoint_path, self.description_path, self.study_path]
        own += [self.path / "tuning.db-journal", *(self.path / name for name in self.prepared)]
        for path in [*own, *map(part_of, own)]:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the run's files, and the folder if nothing else is in it."""
        if not processes.is_first():
            return
        self.clear()
        (self.path / "lock").unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def lock_file(descriptor: int) -> bool:
    """Take a lock that ends with the process, however that ends; False if another holds it."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
