"""Tiny trainings as programs of their own: `python -m tests.training.together KIND FOLDER …`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gatewise.training.launch import launched
from gatewise.training.model_file import ModelFile, read_model_file
from tests.training.tiny import TINY


def start(kind: str, output: Path, devices: int = 1, **changes: Any) -> subprocess.Popen[bytes]:
    """Start a program that trains a task's tiny network on so many processes.

    Args:
        kind: A key of `TINY`.
        output: The model file; its folder holds the data.
        devices: Processes.
        changes: Of the tiny settings.
    """
    words = [kind, str(output), str(devices), json.dumps(changes)]
    return subprocess.Popen([sys.executable, "-m", "tests.training.together", *words])


def train(kind: str, output: Path, devices: int = 1, **changes: Any) -> ModelFile:
    """Return what such a program makes."""
    assert start(kind, output, devices, **changes).wait() == 0
    return read_model_file(output)


def main(kind: str, output: str, devices: str, changes: str) -> None:
    """Train."""
    task, folder = TINY[kind], Path(output).parent
    with launched(devices=int(devices), log=folder / "logs", device="cpu"):
        chosen = task.chosen(**json.loads(changes))
        task.train(task.data(folder), output, chosen, checkpoint_seconds=0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
