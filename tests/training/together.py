"""`python -m tests.training.together KIND FOLDER MODEL DEVICES CHANGES`: train a tiny network."""

import json
import sys
from pathlib import Path

from gatewise.training.launch import launched
from tests.training.tiny import TINY


def main(kind: str, folder: str, output: str, devices: str, changes: str) -> None:
    task = TINY[kind]
    with launched(devices=int(devices), log=f"{folder}/logs", device="cpu"):
        task.train(task.data(Path(folder)), output, task.chosen(**json.loads(changes)))


if __name__ == "__main__":
    main(*sys.argv[1:])
