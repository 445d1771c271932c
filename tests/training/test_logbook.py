import pytest
import torch

from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.generator.training import train_generator
from gatewise.training.launch import launched
from gatewise.training.model_file import read_model_file
from gatewise.training.text.training import train_text


def settings():
    return GeneratorSettings(hidden=8, steps=40, validate_every=20, device="cpu", count=40)


def test_curves_of_a_run(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    with launched(log=tmp_path / "logs"):
        progress = train_generator("reber", tmp_path / "r.safetensors", settings())
    events = accumulator(str(tmp_path / "logs" / "r"))
    events.Reload()
    curves = set(events.Tags()["scalars"])
    assert {"loss/training", "loss/validation", "learning rate", "clipped share"} <= curves
    assert [point.step for point in events.Scalars("loss/training")] == [10, 20, 30, 40]
    measured = [(each.step, each.validation) for each in progress.history]
    assert [(p.step, pytest.approx(p.value)) for p in events.Scalars("loss/validation")] == measured


def test_nothing_is_written_unless_asked_for(tmp_path):
    with launched():
        train_generator("reber", tmp_path / "r.safetensors", settings())
    assert not (tmp_path / "logs").exists()
    assert not list(tmp_path.glob("**/events*"))


def test_what_a_language_model_writes_is_shown(english, small, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    with launched(log=tmp_path / "logs"):
        train_text([english], tmp_path / "m.safetensors", small())
    train_text([english], tmp_path / "n.safetensors", small())
    events = accumulator(str(tmp_path / "logs" / "m"))
    events.Reload()
    shown = events.Tensors("sample/text_summary")
    assert [each.step for each in shown] == [10, 20, 30]
    text = shown[-1].tensor_proto.string_val[0].decode()
    assert len(text) >= 300
    assert all(line.startswith("    ") for line in text.splitlines())
    one, other = (read_model_file(tmp_path / f"{name}.safetensors").tensors for name in "mn")
    assert all(torch.equal(one[name], other[name]) for name in one)  # watching changes nothing
