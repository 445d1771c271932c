"""Two processes on one machine train as one process with the whole batch does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed import sequence_model

ROOT = Path(__file__).parent.parent.parent


def losses_of_two(mode: str) -> list[float]:
    """Losses step by step; torchrun finds a free port, and ends with its processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *launcher, sequence_model.__file__, mode]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.kernels
@pytest.mark.parametrize("mode", ["ddp", pytest.param("fully_shard", marks=pytest.mark.slow)])
def test_two_processes_train_as_one(mode):
    alone, together = sequence_model.train("alone"), losses_of_two(mode)
    assert len(alone) == len(together) == 20
    assert alone[-1] < alone[0] - 0.1  # it learns: equal losses of a frozen model say nothing
    assert together == pytest.approx(alone, abs=1e-5)
