import json
import math

import pytest

from gatewise.cells import get
from gatewise.tasks.long_lag_catalogue import TASKS
from gatewise.training.checkpoint import RunError
from gatewise.training.comparison import cells as module
from gatewise.training.comparison.cells import Comparison, compare, forget_outcomes, plan_runs
from gatewise.training.comparison.report import (
    HEAD,
    draw_picture,
    explain,
    report_comparison,
    rows_of,
)
from gatewise.training.comparison.run import Outcome, RunSettings
from gatewise.training.plan import Stopped

SMALL = RunSettings(hidden=4, sequences=60)


def plan(cells=("rnn", "gru"), lengths=(20,), seeds=(0, 1), settings=SMALL):
    return plan_runs([TASKS["adding"](T) for T in lengths], list(cells), seeds, settings)


def test_results_do_not_depend_on_jobs_or_company(tmp_path):
    one = compare(plan(), jobs=1)
    three = compare(plan(), tmp_path / "kept", jobs=3)
    alone = compare(plan(["gru"], seeds=[1]))
    losses = [outcome.loss for outcome in one.outcomes]
    assert losses == [outcome.loss for outcome in three.outcomes]
    assert len(set(losses)) == 4
    assert alone.outcomes[0].loss == one.select(20, "gru")[1].loss


def test_finished_runs_are_kept_and_not_done_again(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    first = compare(plan(["rnn"]), folder)
    assert len(list(folder.iterdir())) == 2
    begun = []

    class Watched(module.Learning):
        def __init__(self, task, cell, *rest):
            begun.append(cell)
            super().__init__(task, cell, *rest)

    monkeypatch.setattr(module, "Learning", Watched)
    more = compare(plan(["rnn", "gru"]), folder)
    assert begun == ["gru", "gru"]
    assert more.select(20, "rnn") == first.outcomes
    runs = plan(["rnn"])
    forget_outcomes(runs, folder)
    compare(runs, folder)
    assert begun == ["gru", "gru", "rnn", "rnn"]


def test_ctrl_c_keeps_what_was_finished(tmp_path):
    folder, runs = tmp_path / "kept", plan()

    def interrupt(learning, outcomes):
        if len(outcomes) >= 2:
            raise KeyboardInterrupt

    with pytest.raises(Stopped):
        compare(runs, folder, jobs=1, watch=interrupt)
    assert len(list(folder.iterdir())) >= 2
    whole = compare(plan(), folder)
    assert [o.loss for o in whole.outcomes] == [o.loss for o in compare(plan()).outcomes]


def test_outcomes_of_other_settings_are_refused(tmp_path):
    compare(plan(["rnn"], seeds=[0]), tmp_path)
    other = RunSettings(hidden=5, sequences=60)
    with pytest.raises(RunError, match=r"hidden was 4, now 5.*--restart"):
        compare(plan(["rnn"], seeds=[0], settings=other), tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"outcome": {}}', '{"outcome": 3}', "\x00"])
def test_damaged_outcomes_are_refused(tmp_path, content):
    runs = plan(["rnn"], seeds=[0])
    (tmp_path / runs[0].file).write_text(content)
    with pytest.raises(RunError, match=r"damaged .*--restart"):
        compare(runs, tmp_path)


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="gru is named twice"):
        plan(["gru", get("gru")])
    with pytest.raises(ValueError, match="at least one cell"):
        plan([])
    with pytest.raises(ValueError, match="reads x, m, delta"):
        plan(["gru", "gru_d"])


@pytest.fixture
def made():
    """A comparison whose numbers are known."""
    runs = plan(["rnn", "gru"], lengths=(20, 100))

    def outcome(k, run):
        solved = 1_000 * (k + 1) if run.label == "gru" and run.task.length == 100 else None
        curve = [(500, 0.1), (1_000, 0.01 * (k + 1))]
        return Outcome(solved, 1_000, 0.01 * (k + 1), 0.5, 0.04, 2.0, 99, curve)

    return Comparison(runs, [outcome(k, run) for k, run in enumerate(runs)])


def test_rows_have_means_and_spread(made):
    rows = rows_of(made, 100)
    assert [len(row) for row in rows] == [len(HEAD)] * 3
    rnn, gru, published = rows
    assert rnn[:4] == ["rnn", "0 of 2", "–", "0.055 ± 0.00707"]
    assert gru[:4] == ["gru", "2 of 2", "7,500 ± 707", "0.075 ± 0.00707"]
    assert gru[4:] == ["50.0 ± 0.0 %", "2.0 ± 0.0", "99"]
    assert published[:3] == ["LSTM of 1997", "–", "74,000"]
    assert [row[0] for row in rows_of(made, 20)] == ["rnn", "gru"]
    assert "none had an error of 0.04 or more" in explain(made, 100)
    assert "0.04." in explain(made, 100)


def test_report_is_whole(made, tmp_path):
    files = report_comparison(made, tmp_path / "adding.md", "gatewise compare --seeds 2")
    markdown, page, picture, numbers = files
    assert sorted(tmp_path.iterdir()) == sorted(files)
    text = markdown.read_text()
    assert "gatewise compare --seeds 2" in text
    assert "7,500 ± 707" in text
    assert "![" in text
    assert "7,500 ± 707" in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    runs = json.loads(numbers.read_text())["runs"]
    assert [run["outcome"]["solved"] for run in runs] == [None] * 6 + [7_000, 8_000]
    assert {run["hidden"] for run in runs} == {4}


def test_picture_bears_what_diverged(made):
    outcome = made.outcomes[0]
    outcome.curve[1] = (1_000, math.nan)
    assert draw_picture(made).startswith(b"\x89PNG")
