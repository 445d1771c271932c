import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from gatewise.cli import build_app
from tests.training.comparison.test_images import write_idx

SMALL = ["--hidden", "4", "--sequences", "60", "--seeds", "2"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(build_app(), ["compare", *map(str, arguments)])

    return invoke


def test_one_command_compares_and_reports(run, tmp_path):
    result = run("--task", "adding", "--cells", "rnn, gru", "--length", "20,30", *SMALL)
    assert result.exit_code == 0, result.output
    for length in (20, 30):
        table = result.output.split(f"adding, length {length}")[1].splitlines()
        assert table[1].split()[:2] == ["cell", "solved"]
        assert [line.split()[:4] for line in table[2:4]] == [
            ["rnn", "0", "of", "2"],
            ["gru", "0", "of", "2"],
        ]
    beside = {f"compare.{kind}" for kind in ("md", "html", "png", "json")}
    assert {path.name for path in tmp_path.iterdir()} == beside | {"compare.runs"}
    assert len(list((tmp_path / "compare.runs").iterdir())) == 8
    runs = json.loads((tmp_path / "compare.json").read_text())["runs"]
    assert {(each["cell"], each["length"], each["seed"]) for each in runs} == {
        (cell, length, seed) for cell in ("rnn", "gru") for length in (20, 30) for seed in (0, 1)
    }


def test_more_cells_do_what_is_missing_and_other_settings_are_refused(run):
    assert run("--cells", "rnn", "--length", "20", *SMALL).exit_code == 0
    more = run("--cells", "rnn,mgu", "--length", "20", *SMALL)
    assert more.output.count("from before") == 2
    other = ["--cells", "rnn", "--length", "20", *SMALL, "--clip", "0.5"]
    refused = run(*other)
    assert refused.exit_code == 1
    assert "clip was 1.0, now 0.5" in " ".join(refused.output.split())
    again = run(*other, "--restart")
    assert again.exit_code == 0
    assert "from before" not in again.output


@pytest.mark.parametrize("task", ["multiplication", "noisy-lag", "copy", "recall"])
def test_every_option_reaches_the_runs(run, tmp_path, task):
    result = run(
        *("--task", task, "--cells", "lstm", "--length", "25", "--seeds", "1", "--seed", "7"),
        *("--hidden", "5", "--sequences", "40", "--minutes", "3", "--batch", "8", "--jobs", "1"),
        *("--optimizer", "rmsprop", "--learning-rate", "0.002", "--clip", "2", "--forget", "1.5"),
        *("-o", "other.md"),
    )
    assert result.exit_code == 0, result.output
    (kept,) = json.loads((tmp_path / "other.json").read_text())["runs"]
    del kept["outcome"], kept["equations"]
    assert kept == {
        **{"task": task, "length": 25, "data": "", "cell": "lstm", "seed": 7, "hidden": 5},
        **{"sequences": 40, "minutes": 3.0, "batch": 8, "optimizer": "rmsprop"},
        **{"learning_rate": 0.002, "clip": 2.0, "forget": 1.5},
    }


def test_cell_of_ones_own_takes_part(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from gatewise.equations import U, W, b, cell, tanh\n\n\n"
        '@cell(states=("h",))\n'
        "def mine(x, h):\n"
        '    """Mine: me (2020)."""\n'
        "    h = tanh(W.h @ x + U.h @ h + b.h)\n"
        "    return dict(h=h)\n"
    )
    result = run("--cells", "rnn,mine.py:mine", "--length", "20", *SMALL)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert [row[0] for row in rows if row[1:3] == ["0", "of"]] == ["rnn", "mine"]


def test_pixels_are_read_from_files(run, tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.arange(80).reshape(20, 2, 2))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.arange(20) % 2)
    chosen = ["--task", "pixels", "--cells", "gru", *SMALL]
    result = run(*chosen, "--data", "train-images-idx3-ubyte")
    assert result.exit_code == 0, result.output
    assert "pixels, length 4" in result.output
    assert "Solved:" not in result.output
    refused = run(*chosen, "--data", "train-images-idx3-ubyte", "--length", "4")
    assert "have their own" in refused.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "subtracting"], "there are adding, multiplication"),
        (["--cells", "lstn"], "did you mean lstm"),
        (["--cells", "gru,gru"], "named twice"),
        (["--cells", "gru_d"], "reads x, m, delta"),
        (["--length", "10"], "from 20 on"),
        (["--length", "many"], "whole number"),
        (["--length", "30,30"], "named twice"),
        (["--forget", "wide"], "chrono, none, or a number"),
        (["--optimizer", "adagrad"], "none of adamw"),
        (["--learning-rate", "-1"], "above 0"),
        (["-o", "report.txt"], "something.md"),
        (["-o", "nowhere/report.md"], "no folder"),
        (["--task", "pixels"], "--data"),
        (["--data", "images"], "is generated"),
        (["--task", "pixels", "--data", "train-images-idx3-ubyte"], "no such file"),
    ],
)
def test_errors_come_before_any_work(run, tmp_path, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert said in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-c", "from gatewise.cli import main; main()", "compare"]
    command += ["--cells", "rnn", "--length", "20", "--seeds", "12", "--jobs", "1"]
    command += ["--hidden", "4", "--sequences", "400"]
    folder = tmp_path / "compare.runs"
    begun = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while not (folder.is_dir() and len(os.listdir(folder)) >= 2):
        assert begun.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert not (tmp_path / "compare.md").exists()
    for path in folder.glob("[!.]*"):
        assert json.loads(path.read_text())["outcome"]["sequences"] == 400
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "from before" in done.stdout
    assert "0 of 12" in done.stdout
    assert not list(folder.glob(".*"))
