import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.training.model_file import read_model_file

SMALL = ["--hidden", "8", "--steps", "20", "--validate-every", "10", "--device", "cpu"]
SMALL += ["--count", "40", "--threads", "1"]


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    said = {}
    for name in ("reber", "sine"):
        result = run("train", "sequences", name, "-o", folder / f"{name}.safetensors", *SMALL)
        assert result.exit_code == 0, result.output
        said[name] = result.output
    return folder, said


def test_training_says_what_came_out(models):
    folder, said = models
    assert "36 sequences to learn from, 4 held back; 7 symbols" in said["reber"]
    assert "| triples |" in said["reber"]
    assert "| spectrum |" in said["sine"]
    assert f"gatewise sample {folder / 'sine.safetensors'}" in said["sine"]
    assert [line for line in said["sine"].splitlines() if line.endswith("best")]


def test_every_option_reaches_the_run(tmp_path):
    path = tmp_path / "data.csv"
    rows = [[k // 8, k % 8, np.sin(k), k] for k in range(160)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["who", "when", "a", "b"], *rows])
    result = run(
        *("train", "sequences", path, "-o", tmp_path / "m.safetensors"),
        *("--input", "b", "--id", "who", "--time", "when", "--length", "4", "--count", "77"),
        *("--cell", "lstm", "--hidden", "5", "--layers", "2", "--components", "3", "--steps", "4"),
        *("--minutes", "5", "--patience", "3", "--validate-every", "2", "--optimizer", "rmsprop"),
        *("--learning-rate", "0.002", "--batch-size", "7", "--clip", "2", "--clip-value", "3"),
        *("--seed", "6", "--device", "cpu", "--threads", "1", "--checkpoint-seconds", "9"),
    )
    assert result.exit_code == 0, result.output
    file = read_model_file(tmp_path / "m.safetensors")
    assert file.training["settings"] == {
        **{"hidden": 5, "layers": 2, "components": 3, "length": 4, "count": 77},
        **{"optimizer": "rmsprop", "learning_rate": 0.002, "batch_size": 7, "clip": 2.0},
        **{"clip_value": 3.0, "steps": 4, "minutes": 5.0, "validate_every": 2, "patience": 3},
        **{"seed": 6, "device": "cpu"},
    }
    assert file.config["channel_names"] == ["b"]
    assert set(file.config["lengths"]) == {4}
    assert file.config["cell"]["name"] == "lstm"


def test_texts_come_one_a_line(models, tmp_path):
    model = models[0] / "reber.safetensors"
    shown = run("sample", model, "--count", "5", "--seed", "3")
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) == 5
    assert shown.output == run("sample", model, "--count", "5", "--seed", "3").output
    written = run("sample", model, "--count", "5", "--seed", "3", "-o", tmp_path / "t.txt")
    assert written.exit_code == 0, written.output
    assert (tmp_path / "t.txt").read_text() == shown.output


def test_numbers_come_as_a_table_or_an_array(models, tmp_path):
    model = models[0] / "sine.safetensors"
    chosen = ["--count", "3", "--seed", "3", "--length", "7"]
    rows = list(csv.DictReader(run("sample", model, *chosen).output.splitlines()))
    assert [(row["sequence"], row["step"]) for row in rows] == [
        (str(k), str(step)) for k in (1, 2, 3) for step in range(1, 8)
    ]
    assert run("sample", model, *chosen, "-o", tmp_path / "n.npy").exit_code == 0
    array = np.load(tmp_path / "n.npy")
    assert array.shape == (3, 7, 1)
    table = [float(row["channel 1"]) for row in rows]
    np.testing.assert_allclose(table, array.ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("reber", ["-o", "t.csv"], "texts are written as .txt"),
        ("sine", ["-o", "n.txt"], "numbers are written as .csv or .npy"),
        ("sine", ["-o", "nowhere/n.csv"], "no folder"),
        ("missing", [], "no such file"),
    ],
)
def test_errors_write_nothing(models, tmp_path, monkeypatch, name, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = run("sample", models[0] / f"{name}.safetensors", *arguments)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_sequences_of_several_lengths_make_no_array(tmp_path):
    lines = tmp_path / "data.jsonl"
    lines.write_text("".join(json.dumps({"x": list(range(3 + k % 4))}) + "\n" for k in range(40)))
    model = tmp_path / "m.safetensors"
    made = run("train", "sequences", lines, "--input", "x", "-o", model, *SMALL)
    assert made.exit_code == 0, made.output
    result = run("sample", model, "--count", "30", "--seed", "0", "-o", tmp_path / "n.npy")
    assert "an array cannot hold" in " ".join(result.output.split())
    assert run("sample", model, "-o", tmp_path / "n.csv").exit_code == 0


def test_models_of_other_tasks_are_refused(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox " * 100)
    model = tmp_path / "text.safetensors"
    chosen = ["--hidden", "4", "--steps", "2", "--device", "cpu", "--threads", "1"]
    assert run("train", "text", text, "-o", model, *chosen).exit_code == 0
    result = run("sample", model)
    assert result.exit_code == 1
    assert "not a generator of sequences; `gatewise generate` uses it" in result.output
