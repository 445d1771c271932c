"""A run's curves for TensorBoard: loss, learning rate, clipping, and what validations measure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from gatewise.training.checkpoint import RunError

EVERY = 10
"""Steps between two points of the training loss."""

_directory: ContextVar[Path | None] = ContextVar("gatewise_logbook", default=None)


@contextmanager
def logged(directory: str | os.PathLike[str] | None) -> Iterator[None]:
    """Let every training inside the ``with`` block write its curves, whatever its task.

    Args:
        directory: Where; each model has a folder in it, named like its file. None for nowhere.

    Raises:
        RunError: TensorBoard is not installed, or the directory is a file.

    Example:
        with logged("logs"):
            train_text(["novel.txt"], "novel.safetensors")  # tensorboard --logdir logs
    """
    if directory is not None:
        if find_spec("tensorboard") is None:
            raise RunError("--log needs TensorBoard: pip install 'gatewise[log]'")
        if Path(directory).exists() and not Path(directory).is_dir():
            raise RunError(f"--log {directory}: is a file; name a folder")
    token = _directory.set(None if directory is None else Path(directory))
    try:
        yield
    finally:
        _directory.reset(token)


def logger_of(output: Path, step: int) -> TensorBoardLogger | None:
    """Return what writes the curves of a model's training; None where nobody asked for them.

    Args:
        output: The model file.
        step: How far the run is; points beyond, of a session that was killed, are dropped.
    """
    directory = _directory.get()
    if directory is None:
        return None
    return TensorBoardLogger(directory, name=output.stem, version="", purge_step=step)
