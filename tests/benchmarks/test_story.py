"""Accuracy, gradient and ledger tell one story: a network remembers what still reaches it.

The bounds hold for every seed, not for one training on one processor. They were chosen by seeds 0
to 5 (tightest of what was found there in parentheses), and held for 6 to 8 too.
"""

import pytest
from scipy.stats import spearmanr

from benchmarks.story import DISTANCES, Story, draw, table, tell

SEEDS = (0, 1, 2)
NEAR, FAR = DISTANCES[0], DISTANCES[-1]
BEYOND = 0.1  # of 200 sentences: a share is uncertain by 0.07


@pytest.fixture(scope="module", params=SEEDS)
def story(request):
    """What an RNN and an LSTM have learned of "I live in Italy. ... I speak perfect Italian"."""
    found = tell(request.param)
    for distance, measured in found.items():
        print(request.param, distance, measured)
    return found


def fall(story, cell, distance):
    """How many times less of the gradient reaches a country far away than one nearby."""
    return story[NEAR].gradient[cell] / story[distance].gradient[cell]


def agreement(first, second):
    """Spearman's correlation of the ranks: 1 where both put the distances in one order."""
    return spearmanr(first, second).statistic


@pytest.mark.slow
def test_the_lstm_remembers_what_the_rnn_forgets(story):
    assert min(story[distance].right["lstm"] for distance in DISTANCES) > 0.9
    assert story[NEAR].right["rnn"] > 0.85
    assert story[FAR].right["rnn"] < story[NEAR].right["rnn"] - BEYOND
    assert story[FAR].right["rnn"] < story[FAR].right["lstm"] - BEYOND


@pytest.mark.slow
def test_and_so_does_the_gradient(story):
    for cell in ("rnn", "lstm"):
        reached = [story[distance].gradient[cell] for distance in DISTANCES]
        assert reached == sorted(reached, reverse=True)
    for distance, orders in ((70, 10), (100, 1000)):
        measured = story[distance].gradient
        assert measured["lstm"] > orders * measured["rnn"]
        assert fall(story, "rnn", distance) > orders * fall(story, "lstm", distance)
    assert story[NEAR].gradient["rnn"] > 0.01
    assert fall(story, "lstm", FAR) < 100


@pytest.mark.slow
def test_and_so_does_the_ledger(story):
    """Of what the country wrote into the cell state, much is left a hundred words later."""
    left = [story[distance].survival for distance in DISTANCES]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0.1
    assert max(story[distance].error for distance in DISTANCES) < 1e-6


@pytest.mark.slow
def test_they_put_the_distances_in_one_order(story):
    right = [story[distance].right["rnn"] for distance in DISTANCES]
    reached = {cell: [story[d].gradient[cell] for d in DISTANCES] for cell in ("rnn", "lstm")}
    assert agreement(right, reached["rnn"]) >= 0.6
    assert agreement([story[d].survival for d in DISTANCES], reached["lstm"]) >= 0.9
    for distance in DISTANCES[2:]:  # where words are few, the RNN's gradient may be the larger
        far = story[distance]
        assert max(far.gradient, key=far.gradient.get) == max(far.right, key=far.right.get)


def test_tables_and_pictures_show_what_was_measured(tmp_path):
    right, gradient = {"rnn": 0.5, "lstm": 1.0}, {"rnn": 2e-8, "lstm": 0.02}
    stories = [
        dict.fromkeys(DISTANCES, Story(right | {"rnn": share}, gradient, 0.3, 0.0))
        for share in (0.5, 0.25, 0.75)
    ]
    head, rule, *rows = table(stories).splitlines()
    assert rows[0] == "| 5 | 50 % (25 % to 75 %) | 100 % | 2e-08 | 0.02 | 30 % |"
    assert [row.split()[1] for row in rows] == [str(distance) for distance in DISTANCES]
    assert head.count("|") == rule.count("|") == 7
    draw(stories, tmp_path / "story.png")
    assert (tmp_path / "story.png").read_bytes().startswith(b"\x89PNG")
