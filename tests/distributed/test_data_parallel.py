"""Two processes on one machine train as one process with the whole batch does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).with_name("sequence_model.py")


@cache
def losses(mode: str, processes: int = 1) -> list[float]:
    """Losses step by step; torchrun finds a free port, and ends with its processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(SCRIPT), mode]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.kernels
@pytest.mark.parametrize("mode", ["ddp", pytest.param("fully_shard", marks=pytest.mark.slow)])
def test_two_processes_train_as_one(mode):
    alone, together = losses("alone"), losses(mode, 2)
    assert len(alone) == len(together) == 20
    assert alone[-1] < alone[0] - 0.1  # it learns: equal losses of a frozen model say nothing
    assert together == pytest.approx(alone, abs=1e-5)
