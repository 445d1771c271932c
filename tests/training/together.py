"""Tiny trainings as programs of their own: `python -m tests.training.together KIND DATA …`."""

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
        output: The model file; the data are written into its folder.
        devices: Processes.
        changes: Of the tiny settings.
    """
    data = TINY[kind].data(output.parent)  # before there are several who would write it
    words = [kind, str(data), str(output), str(devices), json.dumps(changes)]
    return subprocess.Popen([sys.executable, "-m", "tests.training.together", *words])


def train(kind: str, output: Path, devices: int = 1, **changes: Any) -> ModelFile:
    """Return what such a program makes."""
    assert start(kind, output, devices, **changes).wait() == 0
    return read_model_file(output)


def main(kind: str, data: str, output: str, devices: str, changes: str) -> None:
    """Train."""
    logs = Path(output).parent / "logs"
    with launched(devices=int(devices), log=logs, device="cpu"):
        chosen = TINY[kind].chosen(**json.loads(changes))
        TINY[kind].train(Path(data), output, chosen, checkpoint_seconds=0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
