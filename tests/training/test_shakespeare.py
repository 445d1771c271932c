"""The main job on real text; needs data beside the checkout."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gatewise as gw

TEXT = Path(__file__).parents[3] / "shared/data/text/tinyshakespeare.txt"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not TEXT.exists(), reason="tinyshakespeare.txt is not in ../shared/data/text"
    ),
]


def start(output, *options):
    """Start `gatewise train text` as a person would, with all processor threads."""
    program = "from gatewise.cli import main; main()"
    command = [sys.executable, "-c", program, "train", "text", TEXT, "-o", output, *options]
    environment = {key: each for key, each in os.environ.items() if key != "OMP_NUM_THREADS"}
    return subprocess.Popen(command, env=environment)


def test_ten_minutes_of_defaults_with_a_kill_on_the_way(tmp_path):
    output = tmp_path / "model.safetensors"
    process = start(output)
    time.sleep(200)
    assert process.poll() is None
    process.kill()
    process.wait()
    assert start(output).wait() == 0
    model = gw.load(output)
    assert model.training["seconds"] < 630
    assert model.training["validation_nats_per_token"] <= 1.55
    assert len(model.generate("ROMEO:", 300, seed=1)) == 300
