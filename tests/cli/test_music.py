import mido
import numpy as np
import pytest
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.data.music.keys import KEYS
from gatewise.training.model_file import read_model_file


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    rolls = (np.random.default_rng(0).random((12, 10, KEYS)) < 0.05).astype(np.uint8)
    np.savez(folder / "data.npz", train=rolls[:8], valid=rolls[8:10], test=rolls[10:])
    result = run(
        *("train", "music", folder / "data.npz", "-o", folder / "m.safetensors"),
        *("--hidden", 6, "--steps", 6, "--device", "cpu", "--threads", 1),
    )
    assert result.exit_code == 0, result.output
    (folder / "said.txt").write_text(result.output)
    return folder


def test_training_says_what_came_out(folder):
    said = (folder / "said.txt").read_text()
    assert "training is train, validation is valid, test is test" in said
    assert "8 pieces of 80 steps to learn from, 2 to measure on, 2 kept for the end" in said
    assert "| nats per step | validation | test |" in said
    assert [line for line in said.splitlines() if line.endswith("best")]
    assert f"gatewise compose {folder / 'm.safetensors'} -o new.mid" in said


def test_every_option_reaches_the_run(folder, tmp_path):
    data = folder / "data.npz"
    result = run(
        *("train", "music", data, "-o", tmp_path / "m.safetensors", "--restart"),
        *("--validation", data, "--test", data, "--steps-per-beat", 2, "--transpose", 1),
        *("--length", 7, "--cell", "gru", "--hidden", 5, "--layers", 2, "--no-chords"),
        *("--forget-bias", 0.5, "--dropout", 0.1, "--input-dropout", 0.2),
        *("--recurrent-dropout", 0.3, "--weight-drop", 0.4, "--zoneout", 0.15),
        *("--epochs", 9, "--steps", 4, "--minutes", 5),
        *("--patience", 3, "--validate-every", 2, "--optimizer", "rmsprop"),
        *("--learning-rate", 0.002, "--batch-size", 7, "--clip", 2, "--clip-value", 3),
        *("--seed", 6, "--device", "cpu", "--threads", 1, "--checkpoint-seconds", 9),
    )
    assert result.exit_code == 0, result.output
    file = read_model_file(tmp_path / "m.safetensors")
    assert file.config["cell"]["name"] == "gru"
    assert file.training["settings"] == {
        **{"steps_per_beat": 2, "transpose": 1, "length": 7, "hidden": 5, "layers": 2},
        **{"chords": False, "forget_bias": 0.5, "dropout": 0.1, "input_dropout": 0.2},
        **{"recurrent_dropout": 0.3, "weight_drop": 0.4, "zoneout": 0.15},
        **{"optimizer": "rmsprop", "learning_rate": 0.002},
        **{"batch_size": 7, "clip": 2.0, "clip_value": 3.0, "epochs": 9.0, "steps": 4},
        **{"minutes": 5.0, "validate_every": 2, "patience": 3, "seed": 6, "device": "cpu"},
    }
    assert (
        "12 of 120 steps for validation, 12 of 120 steps for test"
        in (tmp_path / "m.md").read_text()
    )


def test_music_is_written_by_seed(folder, tmp_path):
    model, path = folder / "m.safetensors", tmp_path / "a.npy"
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        result = run("compose", model, "-o", tmp_path / f"{name}.npy", "--seed", seed)
        assert result.exit_code == 0, result.output
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (128, KEYS)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    result = run("compose", model, "--begin", path, "--steps", 9, "-o", tmp_path / "d.npy")
    assert "137 steps" in result.output
    assert np.array_equal(np.load(tmp_path / "d.npy")[:128], a)


def test_a_midi_file_has_tempo_and_length(folder, tmp_path):
    arguments = ("--seed", 1, "--steps", 40, "--steps-per-beat", 2, "--tempo", 60)
    result = run("compose", folder / "m.safetensors", "-o", tmp_path / "a.mid", *arguments)
    assert result.exit_code == 0, result.output
    run("compose", folder / "m.safetensors", "-o", tmp_path / "a.npy", *arguments)
    last = np.flatnonzero(np.load(tmp_path / "a.npy").any(1))[-1]
    assert mido.MidiFile(tmp_path / "a.mid").length == pytest.approx((last + 1) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m.safetensors", "-o", "a.wav"), "music is written as .mid or .npy"),
        (("m.safetensors", "-o", "no/a.mid"), "no folder"),
        (("m.safetensors", "-o", "a.mid", "--begin", "none.mid"), "none.mid: no such file"),
        (("none.safetensors", "-o", "a.mid"), "no such file"),
    ],
)
def test_what_cannot_be_composed_is_one_line(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    result = run("compose", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not (folder / "a.mid").exists()
