import os
import signal

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.data.made_up import is_reber, reber_strings
from gatewise.data.source import DataError
from gatewise.training.checkpoint import RunError
from gatewise.training.generator.model import GeneratorModel
from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.generator.training import train_generator
from gatewise.training.model_file import ModelFileError, read_model_file
from gatewise.training.plan import Display, Stopped

# the models that all tests share are made before a test says what it runs on
pytestmark = pytest.mark.kernels


def small(**changes):
    chosen = {"hidden": 8, "steps": 20, "validate_every": 10, "device": "cpu", "count": 40}
    return GeneratorSettings(**{**chosen, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of each kind that has learned next to nothing."""
    folder = tmp_path_factory.mktemp("models")
    train_generator("reber", folder / "reber.safetensors", small())
    train_generator("sine", folder / "sine.safetensors", small())
    return folder


def weights(path):
    return read_model_file(path).tensors


def test_texts_come_back_from_a_model_file(folder):
    model = gw.load(folder / "reber.safetensors")
    assert isinstance(model, GeneratorModel)
    drawn = model.generate(300, seed=1)
    assert len(drawn) == 300
    assert drawn == model.generate(300, seed=1) != model.generate(300, seed=2)
    assert set("".join(drawn)) <= set("BTPSXVE")
    assert max(map(len, model.generate(50, seed=1, length=4))) <= 4


def test_numbers_come_back_in_the_data_s_units(tmp_path):
    draw = np.random.default_rng(0)
    data = [1000 + 5 * draw.normal(size=(n, 2)) for n in draw.integers(5, 9, 60)]
    train_generator(data, tmp_path / "m.safetensors", small())
    model = gw.load(tmp_path / "m.safetensors")
    drawn = model.generate(50, seed=0)
    assert {len(each) for each in drawn} == {5, 6, 7, 8}
    assert {each.shape[1] for each in drawn} == {2}
    assert 900 < np.concatenate(drawn).mean() < 1100
    assert [each.shape for each in model.generate(3, length=4)] == [(4, 2)] * 3
    assert np.array_equal(model.generate(4, seed=3)[2], model.generate(4, seed=3)[2])


@pytest.mark.parametrize("name", ["reber", "sine"])
def test_report_stands_beside_the_model(folder, name):
    text = (folder / f"{name}.md").read_text()
    assert "| distance to sequences held back | generated | real |" in text
    assert ("keep the grammar" in text) == (name == "reber")
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png" in (folder / f"{name}.html").read_text()
    assert not (folder / f"{name}.run").exists()


class Stop(Display):
    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("data", ["reber", "sine"])
def test_a_stopped_run_that_goes_on_equals_one_that_was_not(folder, tmp_path, data):
    output = tmp_path / "m.safetensors"
    torch.manual_seed(99)  # what the caller did before must not matter
    for step in (3, 14):
        with pytest.raises(Stopped):
            train_generator(data, output, small(), display=Stop(step))
    with pytest.raises(RunError, match="--hidden was 8, now 9"):
        train_generator(data, output, small(hidden=9))
    train_generator(data, output, small())
    straight = weights(folder / f"{data}.safetensors")
    for name, weight in weights(output).items():
        assert torch.equal(weight, straight[name]), name
    with pytest.raises(RunError, match="exists already"):
        train_generator(data, output, small())


def test_a_grammar_is_learned(tmp_path):
    path = tmp_path / "strings.txt"
    path.write_text("\n".join(reber_strings(600, 5)))
    settings = small(hidden=32, steps=160, validate_every=80)
    train_generator(path, tmp_path / "m.safetensors", settings)
    drawn = gw.load(tmp_path / "m.safetensors").generate(200, seed=0)
    assert np.mean([is_reber(text) for text in drawn]) > 0.8
    assert len(set(drawn)) > 20


def test_cell_of_ones_own_comes_back_with_its_equations(tmp_path):
    own = gw.cells.get("mgu")
    train_generator("reber", tmp_path / "m.safetensors", small(cell=own, layers=2, steps=2))
    model = gw.load(tmp_path / "m.safetensors")
    assert model.model.recurrent.num_layers == 2
    assert len(model.generate(2, seed=0)) == 2


@pytest.mark.parametrize(
    ("data", "changes", "error", "said"),
    [
        (["a", "b"], {}, DataError, "at least 10"),
        ("nowhere.txt", {}, DataError, "no such file"),
        ("reber", {"cell": "gru_d"}, ValueError, "reads x, m, delta"),
        ("reber", {"device": "cuda"}, RunError, "--device cuda"),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(tmp_path, monkeypatch, data, changes, error, said):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        train_generator(data, tmp_path / "m.safetensors", small(**changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": 0}, "hidden is at least 1"),
        ({"length": 1}, "length is at least 2"),
        ({"learning_rate": 0.0}, "learning-rate"),
        ({"optimizer": "none"}, "none of adamw"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        small(**changes)


def test_a_damaged_configuration_is_refused(folder, tmp_path):
    file = read_model_file(folder / "sine.safetensors")
    for key in ("model", "cell", "characters"):
        config = {name: each for name, each in file.config.items() if name != key}
        damaged = type(file)(file.task, config, file.training, file.tensors)
        with pytest.raises(ModelFileError, match="not that of a generator"):
            GeneratorModel.from_file(damaged, tmp_path / "m.safetensors")


def test_counts_below_one_are_refused(folder):
    model = gw.load(folder / "sine.safetensors")
    with pytest.raises(ValueError, match="at least 1"):
        model.generate(0)
    with pytest.raises(ValueError, match="at least 1"):
        model.generate(1, length=0)
