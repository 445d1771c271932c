import pytest

from gatewise.training import logbook
from gatewise.training.checkpoint import RunError
from gatewise.training.generator import train_generator
from gatewise.training.generator_settings import GeneratorSettings
from gatewise.training.logbook import logged


def settings():
    return GeneratorSettings(hidden=8, steps=40, validate_every=20, device="cpu", count=40)


def test_curves_of_a_run(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    with logged(tmp_path / "logs"):
        progress = train_generator("reber", tmp_path / "r.safetensors", settings())
    events = accumulator(str(tmp_path / "logs" / "r"))
    events.Reload()
    curves = set(events.Tags()["scalars"])
    assert {"loss/training", "loss/validation", "learning rate", "clipped share"} <= curves
    assert [point.step for point in events.Scalars("loss/training")] == [10, 20, 30, 40]
    measured = [(each.step, each.validation) for each in progress.history]
    assert [(p.step, pytest.approx(p.value)) for p in events.Scalars("loss/validation")] == measured


def test_nothing_is_written_unless_asked_for(tmp_path):
    with logged(None):
        train_generator("reber", tmp_path / "r.safetensors", settings())
    assert not (tmp_path / "logs").exists()
    assert not list(tmp_path.glob("**/events*"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(RunError, match="name a folder"), logged(tmp_path / "logs"):
        pass


def test_without_tensorboard_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(logbook, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"pip install 'gatewise\[log\]'"), logged(tmp_path):
        pass
