import math
import threading

import pytest
import torch

from gatewise.tasks.long_lag_catalogue import TASKS
from gatewise.training.comparison.run import JUDGED, Judgement, Learning, Outcome, RunSettings
from gatewise.training.plan import Stopped

SMALL = RunSettings(hidden=8, sequences=200, batch=10)


def learning(cell="gru", seed=0, settings=SMALL, task="adding"):
    made = TASKS[task](20)
    return Learning(made, cell, seed, settings.for_task(made))


def test_solved_by_the_last_sequences_alone():
    lenient = Judgement(mistakes=1)
    lenient.add([False] * 5 + [True] * (JUDGED - 2))
    assert lenient.wrong == 2
    assert not lenient.solved
    lenient.add([True])
    assert lenient.solved
    judgement = Judgement(mistakes=0)
    judgement.add([False] + [True] * (JUDGED - 1))
    assert not judgement.solved
    judgement.add([True])
    assert judgement.solved
    judgement.add([False])
    assert not judgement.solved
    never = Judgement(mistakes=None)
    never.add([True] * JUDGED)
    assert not never.solved


def test_budget_is_kept_to_the_sequence():
    outcome = learning(settings=RunSettings(hidden=8, sequences=205, batch=10)).finish(
        threading.Event()
    )
    assert outcome.sequences == 205
    assert outcome.solved is None
    assert outcome.curve[-1][0] == 205
    assert outcome.weights == 3 * 8 * (2 + 8 + 2) + 8 + 1


def test_equal_seeds_learn_the_same_and_cells_see_equal_data():
    first, again = (learning().finish(threading.Event()) for _ in range(2))
    assert (first.loss, first.curve) == (again.loss, again.curve)
    assert learning(seed=1).finish(threading.Event()).loss != first.loss
    gru, rnn = learning("gru"), learning("rnn")
    batches = [each.task.draw(4, each.source).x for each in (gru, rnn)]
    assert torch.equal(*batches)


def test_random_state_of_the_caller_is_kept():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    learning()
    assert torch.equal(torch.rand(1), expected)


def test_rate_rises_stays_and_falls():
    run = learning(settings=RunSettings(hidden=4, learning_rate=0.5))
    assert run.rate_now() == pytest.approx(0.01)
    run.seconds = [0.0] * 100
    run.share = 0.6
    assert run.rate_now() == pytest.approx(0.5)
    run.share = 0.9
    assert run.rate_now() == pytest.approx(0.125)


def test_gru_solves_the_two_sequence_problem_and_stops():
    settings = RunSettings(hidden=8, sequences=8_000, batch=40)
    outcome = learning(settings=settings, task="two-sequences").finish(threading.Event())
    assert outcome.solved is not None
    assert JUDGED <= outcome.solved == outcome.sequences < 8_000
    assert outcome.right > 0.99
    assert outcome.loss < 0.1 < outcome.guessing
    assert outcome.curve[-1][0] == outcome.solved


def test_minutes_end_a_run():
    settings = RunSettings(hidden=4, minutes=1e-9)
    assert learning(settings=settings).finish(threading.Event()).sequences == settings.batch


def test_whoever_stops_gets_no_outcome():
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        learning().finish(stop)


def test_outcome_survives_json_even_where_it_diverged():
    kept = Outcome(None, 10, math.nan, 0.0, 0.1, 1.0, 5, [(5, 0.5), (10, math.inf)]).to_dict()
    assert kept["loss"] is None
    again = Outcome.from_dict(kept)
    assert math.isnan(again.loss)
    assert again.curve[0] == (5, 0.5)
    assert math.isnan(again.curve[1][1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 0}, "hidden is at least 1"),
        ({"batch": 0}, "batch is at least 1"),
        ({"learning_rate": 0.0}, "learning-rate is a number above 0"),
        ({"minutes": -1.0}, "minutes is a number above 0"),
        ({"optimizer": "adagrad"}, "'adagrad' is none of"),
        ({"optimizer": "ntasgd"}, "'ntasgd' is none of"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        RunSettings(**settings)


def test_budget_is_the_papers_within_bounds():
    def budget(name, T):
        return RunSettings().for_task(TASKS[name](T)).sequences

    assert budget("adding", 100) == 74_000
    assert budget("adding", 500) == 209_000
    assert budget("adding", 1000) == 250_000
    assert budget("adding", 77) == 100_000
    assert budget("noisy-lag", 100) == 20_000
