"""The demonstration: quick but whole, and what it says of numbers that are given."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.cli.demo_display import accuracy_table, gradient_table, shortened, show_guesses
from gatewise.cli.demo_findings import Findings, conclude, guessing, listed, measure_reach, power
from gatewise.cli.demo_picture import draw_picture
from gatewise.tasks.memory import MemoryModel, Vocabulary, draw_examples
from gatewise.tasks.sentences import KINDS, Sentence, vocabulary

PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments):
    return CliRunner().invoke(build_app(), ["demo", *map(str, arguments)])


def findings(**far):
    """Networks that are all right at 5 words, and at 10 as given."""
    return Findings(
        (5, 10),
        {
            cell: {(kind, d): 1.0 if d == 5 else right for kind in KINDS for d in (5, 10)}
            for cell, right in far.items()
        },
        {cell: [1.0] + [1e-9] * 10 for cell in far},
        {cell: [1.0] + [1e-3 * (k + 1)] * 10 for k, cell in enumerate(far)},
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    picture = tmp_path_factory.mktemp("demo") / "picture.png"
    torch.set_num_threads(1)
    result = run("--quick", "--picture", picture)
    assert result.exit_code == 0, result.output
    return result.output, picture


def test_tables_have_every_cell_kind_and_distance(quick):
    output, _ = quick
    lines = output.splitlines()
    header = next(line for line in lines if line.startswith("words between"))
    assert header.split()[2:] == ["5", "10", "20"]
    for cell in ("RNN", "LSTM", "GRU"):
        rows = [line.split() for line in lines if cell in line.split()[:2]]
        percents = [row for row in rows if row[-1].endswith("%") and len(row) in (4, 5)]
        assert len(percents) == len(KINDS), cell
    assert "2,500" not in output
    assert "trained    50 steps" in output


def test_gradients_are_shown_before_and_after_training(quick):
    output, _ = quick
    table = output[output.index("words back") :].splitlines()[:7]
    numbers = [[float(cell) for cell in row.split()[-4:]] for row in table[1:]]
    untrained = numbers[0]  # of the RNN
    assert untrained == sorted(untrained, reverse=True)
    assert untrained[-1] < 1e-4
    assert numbers[3] != untrained


def test_picture_is_written_and_nothing_beside_it(quick):
    output, picture = quick
    assert picture.read_bytes().startswith(PNG)
    assert list(picture.parent.iterdir()) == [picture]
    assert str(picture) in output.replace("\n", "")


def test_equal_seeds_say_the_same(quick, tmp_path):
    again = run("--quick", "--picture", tmp_path / "picture.svg").output
    other = run("--quick", "--seed", "1", "--picture", tmp_path / "other.pdf").output

    def measured(output):
        return output[output.index("Right answers") : output.index("The picture")]

    assert measured(again) == measured(quick[0])
    assert measured(other) != measured(again)
    assert b"<svg" in (tmp_path / "picture.svg").read_bytes()
    assert (tmp_path / "other.pdf").read_bytes().startswith(b"%PDF")


def test_any_cells_can_be_compared(tmp_path):
    chosen = ("--cells", "peephole, mgu", "--hidden", "8")
    result = run("--quick", *chosen, "--picture", tmp_path / "p.png")
    assert result.exit_code == 0, result.output
    weights = 17 * (len(vocabulary()) + 1) + 2 * 4 * 8 * 8 + (4 + 3) * 8  # words, W and U, b and p
    assert f"peephole ({weights:,} weights)" in result.output
    assert "GRU" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cells", "lstn"], "did you mean lstm"),
        (["--cells", "lstm,lstm"], "named twice"),
        (["--cells", "gru_d"], "reads x, m, delta"),
        (["--picture", "picture.bmp"], ".png"),
        (["--picture", "nowhere/picture.png"], "no folder"),
    ],
)
def test_errors_come_before_any_work(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gatewise.tasks.memory.draw_examples", lambda *_: pytest.fail("it began"))
    result = run(*arguments)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_it_cleanly(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", "from gatewise.cli import main; main()", "demo"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "and the like" in line:  # the measuring begins, then the training
                break
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped; no picture was written." in output
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_conclusion_follows_from_the_numbers():
    text, gradient = conclude(findings(rnn=0.3, lstm=0.99, gru=0.98))
    assert text.startswith("LSTM and GRU remember best: after 10 words, LSTM 99%")
    assert "RNN 30% (at 5 words 100%)" in text
    assert "1e-09 (GRU)" in gradient
    assert "0.003 (GRU), 0.002 (LSTM) and 0.001 (RNN) after it" in gradient


def test_conclusion_names_the_rnn_if_it_wins():
    text, _ = conclude(findings(rnn=0.9, lstm=0.5))
    assert text.startswith("RNN remembers best: after 10 words, RNN 90%")


def test_conclusion_admits_a_draw_and_a_failure():
    assert "of the answers are right, alike" in conclude(findings(rnn=0.9, lstm=0.9))[0]
    failed = conclude(findings(rnn=0.05, lstm=0.06))[0]
    assert failed.endswith("no better than guessing (6%).")


def test_guessing_is_one_of_the_possible_answers():
    assert guessing() == pytest.approx(1 / 16)


def test_reach_of_a_known_network():
    """h = relu(h / 2 + x) with all positive halves its gradient at each step."""
    words = Vocabulary(vocabulary())
    model = MemoryModel("rnn_relu", len(words), hidden=8)
    w = model.recurrent.weights()
    with torch.no_grad():
        model.embedding.weight.abs_()
        w["W.h"].copy_(torch.eye(8))
        w["U.h"].copy_(torch.eye(8) / 2)
        w["b.h"].zero_()
    sentences = draw_examples((12,), 5, 0)["name", 12]
    assert measure_reach(model, sentences, words) == pytest.approx([0.5**k for k in range(13)])
    assert model.embedding.weight.dtype == torch.float32


def test_picture_has_a_line_for_each_cell_and_survives_nothing_to_draw():
    assert draw_picture(findings(rnn=0.3, lstm=0.9)).startswith(PNG)
    dead = Findings(
        (5, 10),
        {"rnn": {(kind, d): 0.0 for kind in KINDS for d in (5, 10)}},
        {"rnn": [float("nan")] * 11},
        {"rnn": [0.0] * 11},
    )
    assert draw_picture(dead).startswith(PNG)
    assert "nan (RNN)" in conclude(dead)[1]


def written(*shown):
    console = Console(width=80, record=True, file=io.StringIO())
    for each in shown:
        console.print(each)
    return console.export_text()


def test_tables_fit_eighty_columns():
    numbers = findings(rnn=0.3, lstm=0.9)
    rows = written(accuracy_table(numbers)).splitlines()
    assert rows[1].split() == ["language", "RNN", "100%", "30%"]
    assert rows[2].split() == ["LSTM", "100%", "90%"]
    assert rows[-1].split() == ["guessing", "6%", "6%"]
    assert written(gradient_table(numbers)).splitlines()[1].split()[-3:] == ["1e-09"] * 3


def test_guess_is_marked_right_or_wrong(capsys):
    words = Vocabulary(vocabulary())
    model = MemoryModel("gru", len(words), hidden=8)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.bias[words.numbers["Greek"]] = 9.0
    console = Console(width=80, force_terminal=False)
    for answer in ("Greek", "Danish"):
        sentence = Sentence("language", "I live in Greece. I speak", answer, 5)
        show_guesses(console, {"gru": model}, sentence, words)
    right, wrong = [line for line in capsys.readouterr().out.splitlines() if "GRU" in line]
    assert right.split()[:4] == ["✓", "GRU", "Greek", "97%,"]
    assert wrong.split()[0] == "✗"


def test_words():
    assert shortened("A b. C d e. F g. H i") == "A b. … (5 words) … H i"
    assert shortened("A b. C d. H i") == "A b. C d. H i"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    shares = {0.314: "0.31", 0.04: "0.04", 0.002: "0.002", 3e-33: "3e-33", 0.0: "0", 1.0: "1"}
    assert {share: power(share) for share in shares} == shares
