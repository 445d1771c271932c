import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gatewise as gw
from gatewise.cli import build_app
from gatewise.training.text.settings import TextSettings
from gatewise.training.text.training import train_text

TEXT = "The quick brown fox jumps over the lazy dog; naïve 日本 sleeps.\n" * 60


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with one small model for each kind of tokens."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "text.txt").write_text(TEXT)
    for tokens in ("characters", "words", "bpe"):
        settings = TextSettings(tokens, hidden=8, embedding=6, steps=20, device="cpu")
        train_text([folder / "text.txt"], folder / f"{tokens}.safetensors", settings)
    return folder


@pytest.fixture
def run(models, monkeypatch):
    """Run `gatewise generate` where the models lie."""
    monkeypatch.chdir(models)

    def invoke(*arguments):
        return CliRunner().invoke(build_app(), ["generate", *map(str, arguments)])

    return invoke


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_it_writes_what_python_writes(run, tokens):
    file = f"{tokens}.safetensors"
    options = ["--prompt", "The quick", "--length", 30, "--seed", 4, "--temperature", 1.1]
    result = run(file, *options, "--top-k", 9, "--top-p", 0.9)
    assert result.exit_code == 0, result.output
    expected = gw.load(file).generate("The quick", 30, 1.1, 9, 0.9, 4)
    assert result.stdout_bytes.decode() == f"The quick{expected}\n"


def test_defaults_are_those_of_python(run):
    result = run("characters.safetensors", "--seed", 1)
    assert result.stdout == gw.load("characters.safetensors").generate(seed=1) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.safetensors"], "no such file"),
        (["text.txt"], "not a whole safetensors file"),
        (["characters.safetensors", "--prompt", "Zürich"], "lacks 'Z'"),
        (["characters.safetensors", "--top-p", "1.5"], "top-p lies above 0 and up to 1"),
        (["characters.safetensors", "--temperature", "inf"], "temperature"),
    ],
)
def test_failures_are_one_clear_line(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("option", ["--length", "--top-k", "--seed", "--temperature"])
def test_numbers_out_of_range_are_refused_by_name(run, option):
    result = run("characters.safetensors", option, "-1")
    assert result.exit_code == 2
    assert option in result.stderr


def test_a_reader_that_has_enough_ends_it_quietly(models):
    command = [sys.executable, "-m", "gatewise", "generate", models / "bpe.safetensors"]
    process = subprocess.Popen(
        [*command, "--length", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(10)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == b""
