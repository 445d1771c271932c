"""Train a task: the one function that starts Lightning."""

from pathlib import Path

import lightning
import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy

from gatewise.data import processes
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.launch import current_launch
from gatewise.training.logbook import logger_of
from gatewise.training.module import TrainingModule
from gatewise.training.plan import Display, Plan, Task
from gatewise.training.quiet import quiet_lightning


def fit(task: Task, plan: Plan, folder: RunFolder, output: Path, display: Display) -> Progress:
    """Train until the budget is spent or nothing improves; go on where a checkpoint is.

    The best model so far stands in `output` from the first validation on.

    Args:
        task: What is trained.
        plan: How.
        folder: Where checkpoints go, entered.
        output: The model file.
        display: Who is told how it goes.

    Returns:
        How far the run came.

    Raises:
        Stopped: The user stopped it (Ctrl-C or SIGTERM).
        RunError: The loss is no number any more, or the checkpoint is damaged.
    """
    if not processes.is_first():  # else all would drop the same units
        torch.manual_seed(task.settings.seed + 1_000_003 * processes.rank())
    with quiet_lightning():
        module = TrainingModule(task, plan, folder, output, display)
        with module.signals:
            logger = logger_of(output, module.progress.step)
            if module.validation_due():
                build_trainer(plan, logger).validate(module, verbose=False)
            if not module.finished():
                build_trainer(plan, logger).fit(module)
    return module.progress


def build_trainer(plan: Plan, logger: Logger | None = None) -> lightning.Trainer:
    """Return a Lightning trainer that leaves files and progress to us."""
    launch = current_launch()
    # a batch may leave weights unused: those of rare tokens. Buffers never change, and the first
    # process validates alone: nobody would take what it broadcasts
    several = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
    return lightning.Trainer(
        accelerator=plan.device,
        devices=launch.devices,
        num_nodes=launch.nodes,
        strategy=several if processes.count() > 1 else "auto",
        max_epochs=-1,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        logger=logger or False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
