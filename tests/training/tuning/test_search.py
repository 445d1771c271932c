"""The search for settings before a training: what it tries, what it takes, and going on."""

import re

import pytest
import torch

from gatewise.training.checkpoint import RunError
from gatewise.training.launch import launched
from gatewise.training.model_file import read_model_file
from gatewise.training.plan import Display
from gatewise.training.text.training import train_text
from tests.training.tiny import TINY

optuna = pytest.importorskip("optuna")


class KilledError(Exception):
    """As if the process had ended."""


class Trials(Display):
    """Remembers trials; ends the run within one, without a chance to save."""

    def __init__(self, kill_in=None):
        self.kill_in, self.seen = kill_in, {}

    def trying(self, trial, spent):
        if trial.number == self.kill_in and spent > 0.5:
            raise KilledError

    def tried(self, trial, measured, outcome):
        self.seen[trial.number] = (trial.settings, measured, outcome)

    def stepped(self, progress, loss, spent):
        if self.kill_in == "training" and progress.step == 17:
            raise KilledError


@pytest.mark.parametrize("name", TINY)
def test_every_task_is_tuned(tmp_path, name):
    task = TINY[name]
    with launched(tune=2):
        task.train(task.data(tmp_path), tmp_path / "m.safetensors", task.chosen(steps=40))
    report = (tmp_path / "m.tuning.md").read_text()
    assert len(re.findall(r"^\| [12] \|", report, re.MULTILINE)) == 2
    [best] = re.findall(r"took the settings of trial (\d):", report)
    storage = f"sqlite:///{tmp_path}/m.tuning.db"
    [study] = optuna.get_all_study_summaries(storage)
    chosen = read_model_file(tmp_path / "m.safetensors").training["settings"]
    found = optuna.load_study(study_name=study.study_name, storage=storage)
    assert found.best_trial.number == int(best) - 1
    assert {"learning_rate", "layers"} <= found.best_params.keys()
    assert "batch_size" not in found.best_params  # it was given
    assert {each: chosen[each] for each in found.best_params} == found.best_params
    assert not (tmp_path / "m.run").exists()


def test_a_poor_setting_is_replaced_by_a_better_one(english, small, tmp_path):
    settings = small(optimizer="sgd", steps=200, validate_every=50)
    trials = Trials()
    with launched(tune=8, tune_over=("learning_rate",)):
        tuned = train_text([english], tmp_path / "a.safetensors", settings, display=trials)
    usual = train_text([english], tmp_path / "b.safetensors", settings)
    assert trials.seen[0][0] == {"learning_rate": 0.5}  # the first is what it takes without
    best = min(
        measured.validation for _, measured, outcome in trials.seen.values() if outcome == "done"
    )
    assert best < trials.seen[0][1].validation
    assert tuned.best.validation < usual.best.validation


def test_a_search_that_was_killed_goes_on_to_the_same_end(english, small, tmp_path):
    settings = small(steps=40)
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    whole = Trials()
    with launched(tune=5):
        train_text([english], straight, settings, display=whole)
        for moment in (0, 3):
            with pytest.raises(KilledError):
                train_text([english], broken, settings, display=Trials(moment))
        again = Trials("training")
        with pytest.raises(KilledError):
            train_text([english], broken, settings, display=again)
        last = Trials()
        train_text([english], broken, settings, display=last)
    assert again.seen == {number: whole.seen[number] for number in (3, 4)}
    assert last.seen == {}  # the search was over
    one, other = (read_model_file(path) for path in (straight, broken))
    assert one.training["history"] == other.training["history"]
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    with pytest.raises(RunError, match="exists already"), launched(tune=5):
        train_text([english], broken, settings)


def test_a_run_does_not_go_on_with_another_search(english, small, tmp_path):
    output = tmp_path / "m.safetensors"
    with launched(tune=1), pytest.raises(KilledError):
        train_text([english], output, small(), display=Trials("training"))
    with pytest.raises(RunError, match="--tune was 1, now not given"):
        train_text([english], output, small())
    trials = Trials()
    with launched(tune=2):
        train_text([english], output, small(), display=trials, restart=True)
    assert len(trials.seen) == 2


def test_settings_that_cannot_be_end_a_trial_and_not_the_search(english, small, tmp_path):
    trials, settings = Trials(), small(batch_size=9000, seed=3)
    with launched(tune=3, tune_over=("batch_size",)):
        train_text([english], tmp_path / "m.safetensors", settings, display=trials)
    assert trials.seen[0][2] == "done"
    assert any("too few for" in outcome for _, _, outcome in trials.seen.values())


@pytest.mark.parametrize(
    ("over", "changes", "message"),
    [
        (("patience",), {}, "--tune-over patience: what can be tried here is batch-size, hidden"),
        (("components",), {}, "--tune-over components: what can be tried"),
        (("clip",), {"clip": 0.0}, "--tune-over clip: give it a value to look around"),
        (
            (),
            {"learning_rate": 1e-3, "layers": 2, "dropout": 0.1},
            "every setting that it would try is given",
        ),
    ],
)
def test_what_cannot_be_tried(english, small, tmp_path, over, changes, message):
    with launched(tune=2, tune_over=over), pytest.raises(RunError, match=message):
        train_text([english], tmp_path / "m.safetensors", small(**changes))
    assert [each.name for each in tmp_path.iterdir()] == ["english.txt"]


def test_ranges_surround_what_is_usual():
    from gatewise.training.tuning.space import find_range

    assert find_range("batch_size", 8).choices == (2, 4, 8, 16, 32)
    assert find_range("batch_size", 1).choices == (1, 2, 4)
    assert (find_range("layers", 4).low, find_range("layers", 4).high) == (1, 4)
    assert find_range("dropout", 0.7).high == 0.7
