import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gatewise as gw
from gatewise.cli import build_app

TEXT = "The quick brown fox jumps over the lazy dog; the dog sleeps.\n" * 60
SMALL = ["--hidden", "8", "--embedding", "6", "--steps", "20", "--validate-every", "10"]
SMALL += ["--device", "cpu", "--threads", "1"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command line in a folder with `text.txt`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT)

    def invoke(*arguments):
        return CliRunner().invoke(build_app(), [str(each) for each in arguments])

    return invoke


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_one_command_makes_a_model(run, tmp_path, tokens):
    result = run("train", "text", "text.txt", "--tokens", tokens, *SMALL)
    assert result.exit_code == 0, result.output
    assert "20 steps" in result.output
    assert "gatewise generate model.safetensors" in result.output
    beside = ["model.course.png", "model.html", "model.md", "model.safetensors"]
    assert sorted(os.listdir(tmp_path)) == [*beside, "text.txt"]
    rows = [line for line in result.output.splitlines() if line.endswith("best")]
    assert rows[0].split()[1] == "10"
    assert ("perplexity" in result.output) == (tokens != "characters")
    assert "bits/char" in result.output


def test_every_option_reaches_the_model(run):
    options = {
        "--cell": "peephole",
        "--hidden": "9",
        "--layers": "2",
        "--embedding": "7",
        "--forget-bias": "-1.5",
        "--dropout": "0.15",
        "--softmax": "full",
        "--embedding-dropout": "0.05",
        "--input-dropout": "0.1",
        "--recurrent-dropout": "0.2",
        "--weight-drop": "0.25",
        "--zoneout": "0.35",
        "--activation-penalty": "2.5",
        "--change-penalty": "1.5",
        "--optimizer": "rmsprop",
        "--learning-rate": "0.003",
        "--batch-size": "3",
        "--window": "11",
        "--clip": "0.7",
        "--epochs": "0.5",
        "--steps": "12",
        "--minutes": "2.5",
        "--validate-every": "6",
        "--patience": "4",
        "--seed": "5",
        "--tokens": "words",
        "--vocabulary-size": "12",
        "--minimum-count": "3",
        "--validation-fraction": "0.25",
        "--device": "cpu",
    }
    flat = [each for pair in options.items() for each in pair]
    result = run("train", "text", "text.txt", "-o", "m.safetensors", *flat, "--no-tie")
    assert result.exit_code == 0, result.output
    model = gw.load("m.safetensors")
    settings = {"cell": model.config["cell"]["name"], **model.training["settings"]}
    for option, value in options.items():
        assert str(settings[option[2:].replace("-", "_")]) in (value, f"{value}.0"), option
    assert model.training["settings"]["tie"] is False
    assert model.tokenizer.size == 12
    assert model.model.recurrent.num_layers == 2
    assert model.training["history"][-1]["step"] == 10  # half an epoch


def test_the_options_are_those_of_the_settings():
    from inspect import signature

    from gatewise.cli.train import text
    from gatewise.training.text.settings import TextSettings

    command, defaults = signature(text).parameters, TextSettings()
    for name in TextSettings.__dataclass_fields__:
        assert command[name].default == getattr(defaults, name), name


def test_another_text_can_be_measured_on(run, tmp_path):
    (tmp_path / "other.txt").write_text("The lazy dog. " * 20)
    result = run("train", "text", "text.txt", "--validation", "other.txt", *SMALL)
    assert f"{len(TEXT):,} characters to learn from, 280 to measure on" in result.output


def test_a_guessed_encoding_is_said(run, tmp_path):
    (tmp_path / "old.txt").write_bytes(("Über den Fluß ging der Müller. " * 60).encode("latin-1"))
    result = run("train", "text", "old.txt", *SMALL)
    assert "old.txt: read as cp1252, a guess; --encoding names another" in result.output
    result = run("train", "text", "old.txt", *SMALL, "--restart", "--encoding", "latin-1")
    assert result.exit_code == 0
    assert "guess" not in result.output


def test_a_cell_of_ones_own(run, tmp_path):
    (tmp_path / "cells.py").write_text(
        "from gatewise.equations import U, W, b, cell, tanh\n\n\n"
        '@cell(states=("h",))\n'
        "def mine(x, h):\n"
        "    h = tanh(W.h @ x + U.h @ h + b.h)\n"
        "    return dict(h=h)\n"
    )
    result = run("train", "text", "text.txt", "--cell", "cells.py:mine", *SMALL)
    assert result.exit_code == 0, result.output
    assert "mine, 1 layer of 8" in result.output
    (tmp_path / "cells.py").unlink()
    assert gw.load("model.safetensors").generate("The", 5, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "missing.txt: no such file"),
        (["empty.txt"], "the file is empty"),
        (["short.txt"], "too short"),
        (["binary.bin"], "not a text but a binary file"),
        (["cut.txt"], "damaged UTF-8: byte 3"),
        (["."], "is a folder"),
        (["text.txt", "--encoding", "klingon"], "not a text encoding"),
        (["text.txt", "--encoding", "utf-16"], "cannot be read as utf-16"),
        (["text.txt", "--validation", "missing.txt"], "missing.txt: no such file"),
        (["text.txt", "--cell", "tesla"], "no cell is called 'tesla'"),
        (["text.txt", "--cell", "cells.py"], "there is no file cells.py"),
        (["text.txt", "--cell", "other.py"], "the file defines no cell; write @cell above"),
        (["text.txt", "--cell", "cells.py:a"], "there is no file cells.py"),
        (["text.txt", "--cell", "broken.py:a"], "ZeroDivisionError"),
        (["text.txt", "--cell", "other.py:a"], "no such cell; the file has none"),
        (["text.txt", "--cell", "other.py:f"], "f is no cell; write @cell above it"),
        (["text.txt", "--tokens", "letters"], "none of characters, words, bpe"),
        (["text.txt", "--dropout", "1"], "dropout lies from 0 to below 1"),
        (["text.txt", "--cell", "rnn", "--forget-bias", "1"], "take a cell that has one, such as"),
        (["text.txt", "--batch-size", "9999"], "too few for 9999 streams"),
        (["text.txt", "-o", "model.bin"], "something.safetensors"),
        (["text.txt", "-o", "text.txt"], "something.safetensors"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(run, tmp_path, arguments, message):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("brief")
    (tmp_path / "binary.bin").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "cut.txt").write_bytes("日本語日本".encode()[:4] + b"\n" + "日本".encode() * 9)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "other.py").write_text("a = 1\ndef f(x, h): return {}")
    before = sorted(os.listdir(tmp_path))
    result = run("train", "text", *arguments)
    assert result.exit_code == 1, result.output
    assert message in result.stderr.replace("\n", " ")
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
    assert sorted(set(os.listdir(tmp_path)) - {"__pycache__"}) == before


@pytest.mark.parametrize("option", ["--hidden", "--steps", "--window", "--layers", "--patience"])
def test_numbers_out_of_range_are_refused_by_name(run, option):
    result = run("train", "text", "text.txt", option, "0")
    assert result.exit_code == 2
    assert option in result.stderr


def test_a_missing_file_is_asked_for(run):
    assert run("train", "text").exit_code == 2


def test_a_second_command_does_not_overwrite(run):
    assert run("train", "text", "text.txt", *SMALL).exit_code == 0
    result = run("train", "text", "text.txt", *SMALL)
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert run("train", "text", "text.txt", *SMALL, "--restart").exit_code == 0


def test_built_again_it_is_the_same():
    def commands():
        (train,) = build_app().registered_groups
        return [command.callback.__name__ for command in train.typer_instance.registered_commands]

    assert commands() == commands()
    assert commands().count("text") == 1


def run_python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)  # noqa: PLW1510


def test_missing_packages_are_named():
    program = "import sys; sys.modules['typer'] = None\nfrom gatewise.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "typer is not installed; run: pip install 'gatewise[train]'" in done.stderr


def test_the_command_line_itself_imports_nothing_heavy():
    program = (
        "import sys; before = set(sys.modules); import gatewise; base = set(sys.modules)\n"
        "from gatewise.cli import build_app; build_app()\n"
        "heavy = {'torch', 'lightning', 'tokenizers', 'safetensors', 'numpy'}\n"
        "print(sorted(heavy & (set(sys.modules) - base)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
