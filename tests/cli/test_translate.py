"""The commands `gatewise train translate` and `gatewise translate`."""

import gzip
import random

import pytest
from typer.testing import CliRunner

from gatewise.cli import build_app


def run(*words, **options):
    return CliRunner().invoke(build_app(), [str(word) for word in words], **options)


def write_pairs(folder):
    draw = random.Random(0)
    words = ["".join(draw.choices("abcd", k=draw.randint(2, 5))) for _ in range(200)]
    (folder / "a.src").write_text("".join(f"{word}\n" for word in words))
    (folder / "a.tgt").write_text("".join(f"{word[::-1]}\n" for word in words))
    return folder / "a.src", folder / "a.tgt"


OPTIONS = ("--hidden", "16", "--steps", "80", "--validate-every", "40", "--learning-rate", "0.02")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translate")
    source, target = write_pairs(folder)
    model = folder / "m.safetensors"
    told = run(
        *("train", "translate", source, target, "-o", model, *OPTIONS, "--dropout", "0"),
        *("--test", source, "--test", target),
    )
    assert told.exit_code == 0, told.output
    return folder, model, told.output


def test_training_says_what_it_does(trained):
    folder, _, told = trained
    assert "the source is read as characters (5 tokens)" in told
    assert "character error" in told
    assert "Leaving the sources as they are would give" in told
    assert "gatewise translate" in told
    assert (folder / "m.html").exists()


def test_a_file_is_translated_line_by_line(trained, tmp_path):
    _, model, _ = trained
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(b"abcd\n\ndad\n"))
    (tmp_path / "ref.txt").write_text("dcba\n\ndad\n")
    told = run(
        *("translate", model, tmp_path / "in.txt.gz", "-o", tmp_path / "out.txt"),
        *("--references", tmp_path / "ref.txt", "--beam", "3"),
    )
    assert told.exit_code == 0, told.output
    assert "3 lines translated" in told.output
    assert "character error rate" in told.output
    lines = (tmp_path / "out.txt").read_text().split("\n")
    assert len(lines) == 4
    assert lines[1] == ""
    assert all(lines[k] for k in (0, 2))
    told = run("translate", model, input="abcd\n\ndad\n")
    assert told.stdout.split("\n") == lines


def test_faults_are_named_and_nothing_is_written(trained, tmp_path):
    folder, model, _ = trained
    output = tmp_path / "out.txt"
    (tmp_path / "bad.txt").write_bytes("äöü\n".encode() * 9 + b"\xff\n")
    (tmp_path / "one.txt").write_text("abc\n")
    (tmp_path / "none.safetensors").write_bytes(b"nothing")
    bad, one = tmp_path / "bad.txt", tmp_path / "one.txt"
    for words, message in (
        (("translate", model, tmp_path / "no.txt", "-o", output), "no such file"),
        (("translate", model, bad, "-o", output), "damaged UTF-8"),
        (("translate", model, one, "-o", one), "is a file to read"),
        (("translate", model, one, "-o", tmp_path / "no" / "out.txt"), "no folder"),
        (("translate", model, one, "-o", output, "--references", bad), "damaged UTF-8"),
        (
            ("translate", model, one, "-o", output, "--references", folder / "a.src"),
            "has 1 lines",
        ),
        (("translate", tmp_path / "none.safetensors", one), "not a whole safetensors file"),
        (("train", "translate", one, bad, "-o", tmp_path / "m.safetensors"), "damaged UTF-8"),
        (
            ("train", "translate", folder / "a.src", one, "-o", tmp_path / "m.safetensors"),
            "has 200 lines",
        ),
        (("train", "translate", one, "-o", tmp_path / "m.safetensors"), "has no tab"),
        (("train", "translate", one, one, "-o", tmp_path / "m.txt"), "called something.safetens"),
    ):
        told = run(*words)
        assert told.exit_code == 1, words
        assert message in told.output, told.output
    names = ["bad.txt", "none.safetensors", "one.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
