"""A task in Lightning's terms, with what Lightning leaves out: a state carried between batches."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from gatewise.data import processes
from gatewise.training.checkpoint import Checkpoint, Measurement, Progress, RunError, RunFolder
from gatewise.training.logbook import EVERY, as_code
from gatewise.training.optimizers import NTASGD, clip_gradients
from gatewise.training.plan import Display, Plan, Stopped, Task
from gatewise.training.signals import StopSignals
from gatewise.training.state import pack_optimizer, pack_state, unpack_optimizer, unpack_state


class Batches:
    """Something Lightning can iterate over as often as it likes."""

    def __init__(self, begin: Callable[[], Iterator[Any]]):
        self.begin = begin

    def __iter__(self) -> Iterator[Any]:
        return self.begin()


class TrainingModule(lightning.LightningModule):
    """One run of training: each of Lightning's epochs is what lies between two validations.

    Args:
        task: What is trained.
        plan: How.
        folder: Where checkpoints go, entered; a checkpoint in it is where the run goes on.
        output: The model file; it holds the best model so far.
        display: Who is told how it goes.
    """

    def __init__(self, task: Task, plan: Plan, folder: RunFolder, output: Path, display: Display):
        super().__init__()
        self.model = task.model
        self.task, self.plan, self.folder = task, plan, folder
        self.output, self.display = output, display
        self.progress = Progress()
        self.state: Any = None  # behind the last training batch
        self.losses = [0.0, 0.0]  # of training: their sum and number since the last validation
        self.optimizer = plan.build_optimizer(task.model)
        self.checkpoint = folder.read_checkpoint()
        self.asked_to_stop = False
        self.signals = StopSignals(self.ask_to_stop)
        self.counted_at = self.saved_at = time.monotonic()
        if self.checkpoint is not None:
            self.progress = self.checkpoint.progress
            self.losses = list(self.checkpoint.numbers["losses"])
            weights = self.own_tensors(self.checkpoint)
            self.model.load_state_dict(
                {name: weights[f"model.{name}"] for name in self.model.state_dict()}
            )
            unpack_optimizer(self.optimizer, weights, self.checkpoint.numbers)
            if isinstance(self.optimizer, NTASGD):
                self.optimizer.go_on_from([each.validation for each in self.progress.history])

    # How far it is

    def spent(self, step: int) -> float:
        """Return the share of the budget that is used up after so many steps."""
        now = time.monotonic()
        self.progress.seconds += now - self.counted_at
        self.counted_at = now
        if self.plan.budget.minutes:  # else no clock decides anything
            self.progress.seconds = processes.agreed(self.progress.seconds)
        return self.plan.budget.spent(step, self.progress.seconds)

    def validation_due(self) -> bool:
        """Say whether the steps done so far ask for a validation that has not been made."""
        step = self.progress.step
        since = step - self.progress.validated_step
        return since > 0 and (since >= self.plan.validate_every or self.spent(step) >= 1)

    def finished(self) -> bool:
        """Say whether the budget is spent, or nothing has improved for too long."""
        return self.spent(self.progress.step) >= 1 or self.progress.waited >= self.plan.patience

    # Data

    def train_dataloader(self) -> Batches:
        """Return the batches up to the next validation."""
        return Batches(self.chapter)

    def chapter(self) -> Iterator[Any]:
        """Yield batches until a validation is due: by steps, at the end, or by the clock.

        Lightning asks for each batch before it trains on the one before, so the steps are counted
        as they are handed out.
        """
        step, validated = self.progress.step, self.progress.validated_step
        minutes = self.plan.budget.minutes
        share = 0.1 if minutes else math.inf  # a slow model is validated ten times all the same
        until = self.spent(step) + share
        for batch in self.task.batches(self.progress.cursor):
            yield batch
            step += 1
            spent = self.spent(step)
            if step - validated >= self.plan.validate_every or spent >= min(until, 1):
                return

    def val_dataloader(self) -> Batches:
        """Return the validation batches; the first process measures, the others wait for it."""
        return Batches(self.task.validation_batches if processes.is_first() else lambda: iter(()))

    # Training

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser."""
        return self.optimizer

    def on_train_start(self) -> None:
        """Go on from the checkpoint: carried state, random numbers."""
        self.signals.install()
        if self.checkpoint is None:
            return
        tensors = self.own_tensors(self.checkpoint)
        self.state = unpack_state(self.task.first_state(), tensors, self.device)
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self.checkpoint = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        step = self.progress.step
        rate = self.plan.rate(step, self.spent(step))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """Return the loss, the state carried on from the batch before."""
        loss, self.state = self.task.loss(batch, None if batch.fresh else self.state)
        if processes.count() == 1:
            return loss
        counted = self.task.counted(batch)
        # so that the mean over processes is that over the targets of them all
        return loss * (counted * processes.count() / processes.sums(counted)[0])

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Cut the gradients, and count the steps where there was something to cut."""
        weights = self.model.parameters()
        self.progress.clipped += clip_gradients(weights, self.plan.clip, self.plan.clip_value)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the step; write a checkpoint now and then."""
        loss = processes.sums(float(outputs["loss"]))[0] / processes.count()
        self.refuse_divergence(loss)
        self.progress.step += 1
        self.progress.cursor = batch.cursor
        self.losses[0] += loss
        self.losses[1] += 1
        self.display.stepped(self.progress, loss, self.spent(self.progress.step))
        if self.progress.step % EVERY == 0:
            rate = self.optimizer.param_groups[0]["lr"]
            curves = {"loss/training": loss, "learning rate": rate}
            self.note(curves | {"clipped share": self.progress.clipped_share})
        due = time.monotonic() - self.saved_at >= self.plan.checkpoint_seconds
        stop, due = processes.sums(self.asked_to_stop, due)
        if stop:
            self.stop()
        if due:
            self.save()

    # Validation

    def on_validation_epoch_start(self) -> None:
        """Begin with no state and nothing counted; with averaged weights where there are any."""
        self.signals.install()
        self.display.validating()
        self.show_averages(True)
        self.task.begin_validation()
        self.validation_state: Any = None
        self.validation_losses = [0.0, 0]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add up the loss, the state carried on from the batch before."""
        if self.asked_to_stop and processes.count() == 1:  # several stop behind a step
            self.stop()
        state = None if batch.fresh else self.validation_state
        total, number, self.validation_state = self.task.total_loss(batch, state)
        self.validation_losses[0] += float(total)
        self.validation_losses[1] += number

    def on_validation_epoch_end(self) -> None:
        """Record the loss, keep the best model, and decide whether to go on."""
        progress = self.progress
        measured = Measurement(*processes.told(self.measure() if processes.is_first() else None))
        self.refuse_divergence(measured.validation)
        progress.history.append(measured)
        self.note({"loss/validation": measured.validation, **(measured.metrics or {})})
        self.note_sample()
        self.losses = [0.0, 0.0]
        if progress.best is measured and processes.is_first():
            self.task.write_model(self.output, progress)
        self.show_averages(False)
        if isinstance(self.optimizer, NTASGD):
            self.optimizer.validated(measured.validation)
        self.display.validated(progress)
        if self.trainer.optimizers:  # not when only a validation was left over
            self.save()
            self.trainer.should_stop = self.finished()

    def measure(self) -> Measurement:
        """Return what the validation found."""
        total, number = self.validation_losses
        epoch, batch = self.progress.cursor
        measured = Measurement(
            self.progress.step,
            epoch + batch / self.task.batches_per_epoch,
            self.losses[0] / max(self.losses[1], 1),
            total / number,
        )
        if not math.isfinite(total):
            return measured
        metrics = self.task.metrics()
        score = self.task.score(measured.validation, metrics)
        return measured._replace(score=score, metrics=metrics)

    def note(self, curves: dict[str, float]) -> None:
        """Write a point of each curve, where somebody asked for curves."""
        if self.trainer.logger is not None:
            self.trainer.logger.log_metrics(curves, self.progress.step)

    def note_sample(self) -> None:
        """Write what the model makes by itself, where somebody asked for curves."""
        logger = self.trainer.logger
        if isinstance(logger, TensorBoardLogger) and (sample := self.task.sample()) is not None:
            logger.experiment.add_text("sample", as_code(sample), self.progress.step)

    def refuse_divergence(self, loss: float) -> None:
        """Raise `RunError` if a loss is no number."""
        if not math.isfinite(loss):
            raise RunError(
                f"training diverged: the loss is {loss} after {self.progress.step} steps; "
                "begin anew with a smaller --learning-rate or --clip: --restart"
            )

    def show_averages(self, wanted: bool) -> bool:
        """Give the model the averages of its weights, or the weights; say what it had before."""
        return isinstance(self.optimizer, NTASGD) and self.optimizer.show_averages(wanted)

    # Stopping and going on

    def ask_to_stop(self) -> None:
        """Stop behind the next batch."""
        self.asked_to_stop = True

    def stop(self) -> None:
        """Write a checkpoint and leave, as the user asked for it."""
        if self.checkpoint is None:
            self.save()
        processes.wait()  # none may end before that is written: it would be taken for an accident
        raise Stopped

    def own_tensors(self, checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
        """Return the tensors of a checkpoint that this process goes on with.

        Random numbers and carried states of all processes but the first are marked by `@number`.
        """
        split = [(*name.partition("@"), value) for name, value in checkpoint.tensors.items()]
        common = {name: value for name, _, number, value in split if not number}
        number = str(processes.rank())
        return common | {name: value for name, _, whose, value in split if whose == number}

    def save(self) -> None:
        """Write a checkpoint."""
        self.spent(self.progress.step)
        shown = self.show_averages(False)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        optimizer_tensors, numbers = pack_optimizer(self.optimizer)
        tensors |= optimizer_tensors
        own = {"random": torch.get_rng_state(), **pack_state(self.state)}
        if self.device.type == "cuda":
            own["random.cuda"] = torch.cuda.get_rng_state(self.device)
        for name, value in own.items():
            for number, each in enumerate(processes.gathered(value.detach().cpu())):
                tensors[f"{name}@{number}" if number else name] = each
        whole = {name: value.detach().cpu().clone() for name, value in tensors.items()}
        self.folder.write_checkpoint(
            Checkpoint(self.progress, whole, {**numbers, "losses": self.losses})
        )
        self.show_averages(shown)
        self.saved_at = time.monotonic()
