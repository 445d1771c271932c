"""NT-ASGD in a run of training: averages are measured and kept, and a kill changes nothing."""

import signal

import pytest
import torch

from gatewise.training.checkpoint import RunFolder
from gatewise.training.load import load
from gatewise.training.model_file import read_model_file
from gatewise.training.plan import Display, Stopped
from gatewise.training.text.training import train_text


class KilledError(Exception):
    """As if the process had ended."""


class KillAt(Display):
    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            raise KilledError


class InterruptValidation(Display):
    def __init__(self, number):
        self.left = number

    def validating(self):
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def settings(small):
    """Steps so large that validation soon goes up and down."""
    return small(
        optimizer="ntasgd", learning_rate=20.0, clip_value=0.05, steps=60, validate_every=4
    )


def checkpoint(output):
    with RunFolder(output) as folder:
        return folder.read_checkpoint()


def test_a_killed_run_goes_on_averaging(english, settings, tmp_path):
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_text([english], straight, settings)
    averaging = []
    for step in (13, 36, 47):
        with pytest.raises(KilledError):
            train_text([english], broken, settings, checkpoint_seconds=0, display=KillAt(step))
        averaging.append("optimizer.0.mean" in checkpoint(broken).tensors)
    with pytest.raises(Stopped):
        train_text([english], broken, settings, display=InterruptValidation(2))
    train_text([english], broken, settings)
    assert averaging[0] is False, "averaging began before validation could stop improving"
    assert averaging[-1] is True
    one, other = read_model_file(straight), read_model_file(broken)
    assert one.training["history"] == other.training["history"]
    clipped = one.training["clipped_share_of_steps"]
    assert 0 < clipped < 1
    assert other.training["clipped_share_of_steps"] == clipped
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_what_is_kept_is_the_average(english, settings, tmp_path):
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    history = train_text([english], straight, settings).history
    losses = [each.validation for each in history]
    improved = [k for k, loss in enumerate(losses[:-1]) if loss == min(losses[: k + 1])]
    best = history[improved[-1]].step
    with pytest.raises(KilledError):  # behind the best validation, which left a checkpoint
        train_text([english], broken, settings, checkpoint_seconds=1e9, display=KillAt(best + 1))
    saved, kept = checkpoint(broken).tensors, read_model_file(broken).tensors
    names = [name for name, _ in load(broken).model.named_parameters()]
    for k, name in enumerate(names):
        assert torch.equal(saved[f"optimizer.{k}.mean"], kept[name])
        assert not torch.equal(saved[f"model.{name}"], kept[name])
