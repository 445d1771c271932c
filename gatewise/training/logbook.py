"""A run's curves for TensorBoard: loss, learning rate, clipping, and what validations measure."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from gatewise.data import processes
from gatewise.training.launch import current_launch

EVERY = 10
"""Steps between two points of the training loss."""


def logger_of(output: Path, step: int) -> TensorBoardLogger | None:
    """Return what writes the curves of a model's training; None where nobody asked for them.

    Args:
        output: The model file.
        step: How far the run is; points beyond, of a session that was killed, are dropped.
    """
    directory = current_launch().log
    if directory is None or not processes.is_first():
        return None
    return TensorBoardLogger(directory, name=output.stem, version="", purge_step=step)


def as_code(text: str) -> str:
    """Return a text as Markdown that shows every sign and line of it."""
    return "\n".join(f"    {line}" for line in text.splitlines())
