"""What holds for the training of every task: it survives a kill, and the explorer shows it."""

import time

import pytest
import torch
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.training.model_file import read_model_file
from tests.training.tiny import TINY
from tests.training.together import start, train

READS = {"text": "the", "classify": "a fine film", "translate": "abcd", "sequences": "abab"}


def kill_at_a_checkpoint(kind, output, devices, **changes):
    """Start a training, and kill it once it has written a checkpoint, at no particular moment."""
    checkpoint = output.with_suffix(".run") / "checkpoint.safetensors"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    program = start(kind, output, devices, **changes)
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert program.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    time.sleep(0.1)
    program.kill()
    program.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "devices"), [*((kind, 1) for kind in TINY), ("text", 2)])
def test_sigkill_at_any_moment_loses_nothing_but_time(tmp_path, kind, devices):
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    changes = {"steps": 400, "validate_every": 100}
    one = train(kind, straight, devices, **changes)
    for _ in range(2):
        kill_at_a_checkpoint(kind, broken, devices, **changes)
    other = train(kind, broken, devices, **changes)
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert one.training["history"] == other.training["history"]
    files = [{each.name[1:] for each in tmp_path.glob(f"{name}.*")} for name in "ab"]
    assert files[0] == files[1]
    assert {".md", ".html"} < files[0]
    assert ".run" not in files[0]


@pytest.mark.parametrize("kind", TINY)
def test_the_explorer_shows_it(tmp_path, kind):
    task, model, page = TINY[kind], tmp_path / "m.safetensors", tmp_path / "page.html"
    data = task.data(tmp_path)
    task.train(data, model, task.chosen(steps=2))
    command = ["explore", str(model), "--input", READS.get(kind, str(data)), "-o", str(page)]
    result = CliRunner().invoke(build_app(), command)
    assert result.exit_code == 0, result.output
    assert read_model_file(model).config["cell"]["name"] in page.read_text()
