"""What is trained and how: the words that tasks, training and display share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import nn

from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.optimizers import OPTIMIZERS, build_optimizer
from gatewise.training.schedule import Budget, learning_rate


@dataclass(frozen=True)
class Plan:
    """How a task is trained.

    Attributes:
        budget: Where it ends.
        validate_every: Steps between validations.
        patience: It ends early after so many validations without improvement.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: Its highest learning rate.
        clip: The gradient's norm is cut to this; 0 never cuts.
        device: Lightning's accelerator: `"auto"`, `"cpu"`, `"cuda"`, `"mps"`.
        checkpoint_seconds: A checkpoint at least so often.
        clip_value: Each number of the gradient is cut to ± this before; 0 never cuts.
    """

    budget: Budget
    validate_every: int
    patience: int
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    clip: float = 1.0
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    clip_value: float = 0.0

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser for a model's parameters."""
        return build_optimizer(self.optimizer, model, self.learning_rate)

    def rate(self, step: int, spent: float) -> float:
        """Return the learning rate of a step; `spent` is the share of the budget used up."""
        constant = OPTIMIZERS[self.optimizer].constant
        return self.learning_rate if constant else learning_rate(self.learning_rate, step, spent)


class Task(Protocol):
    """What is trained, on what, and how it is measured.

    A batch is a named tuple, so that Lightning can move its tensors to a device. It has `fresh`
    (whether the carried state begins anew) and `cursor` (the place behind it in the data, as
    `batches` takes it). A task without a state that is carried from batch to batch is always fresh
    and returns None for its state. A class that names `Task` as its base inherits the methods that
    have a body here.

    Attributes:
        settings: By which, with nothing left open.
        model: What is trained, an `nn.Module`.
        batches_per_epoch: How many training batches make an epoch.
    """

    settings: Any  # of each task's own class
    model: Any
    batches_per_epoch: int

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        ...

    def batches(self, cursor: tuple[int, int]) -> Iterator[Any]:
        """Yield training batches from a place on (epoch and number within it), for ever."""
        ...

    def validation_batches(self) -> Iterator[Any]:
        """Yield the validation batches."""
        ...

    def loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any]:
        """Return the mean loss of a batch, and the state behind it, detached."""
        ...

    def counted(self, batch: Any) -> float:
        """Return what `loss` is the mean over: the number of targets, up to a factor.

        Processes that train together weigh their parts of a batch by it.
        """
        return 1.0

    def total_loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, int, Any]:
        """Return the summed loss of a batch, the number of targets, and the state behind it."""
        ...

    def first_state(self) -> Any:
        """Return a state of the right make, for what a checkpoint holds to be put into."""
        return None

    def begin_validation(self) -> None:
        """Forget what earlier validations measured."""

    def metrics(self) -> dict[str, float]:
        """Return what `total_loss` saw since the validation began, besides the loss, by name.

        The display shows them in this order, and the history keeps them.
        """
        return {}

    def sample(self) -> str | None:
        """Return what the model writes by itself, for those who watch; None for nothing."""
        return None

    def score(self, loss: float, metrics: dict[str, float]) -> float:
        """Return what the best model has the least of: the loss, or minus the accuracy, say.

        It decides which model is kept and when training ends early.
        """
        return loss

    def write_model(self, path: Path, progress: Progress) -> None:
        """Write the model file, whole or not at all."""
        ...


AnyTask = TypeVar("AnyTask", bound=Task)


class Trial(NamedTuple):
    """Settings that are tried before a training.

    Attributes:
        number: From 0.
        trials: How many there will be.
        settings: What is tried, by the settings' names.
    """

    number: int
    trials: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Run(Generic[AnyTask]):
    """A training, as displays and reports know it.

    Attributes:
        name: Of the data.
        task: What is trained.
        plan: How.
        output: The model file.
        progress: How far it came; how far earlier sessions came, when it begins or goes on.
        said: What was found out about the data, in sentences for the user.
    """

    name: str
    task: AnyTask
    plan: Plan
    output: Path
    progress: Progress
    said: tuple[str, ...] = ()

    @property
    def settings(self) -> Any:
        """The settings, with nothing left open."""
        return self.task.settings

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        return sum(weight.numel() for weight in self.task.model.parameters())

    @property
    def spent(self) -> float:
        """The share of the budget that is used up."""
        return self.plan.budget.spent(self.progress.step, self.progress.seconds)


class Display:
    """Who is told how a training goes; this one keeps silent."""

    def preparing(self, stage: str, share: float) -> None:
        """The data are being made ready; `share` of this stage is done."""

    def trying(self, trial: Trial, spent: float) -> None:
        """A step of a trial is done; `spent` is the share of its budget that is used up."""

    def tried(self, trial: Trial, measured: Measurement | None, outcome: str) -> None:
        """A trial is over; `outcome` is "done", or why it ended without a result."""

    def tuned(self, best: Trial, measured: Measurement | None, report: Path) -> None:
        """All trials are over, and reported; training begins with the settings of the best."""

    def started(self, run: Run[Any]) -> None:
        """Training begins or goes on."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """A step is done; `spent` is the share of the budget that is used up."""

    def validating(self) -> None:
        """A validation begins."""

    def validated(self, progress: Progress) -> None:
        """A validation is done; it is the last of `progress.history`."""

    def measuring(self) -> None:
        """Training is over; the best model is measured."""


class Stopped(Exception):  # noqa: N818 - no error: the user asked for it
    """The user stopped the run; its checkpoint is written."""
