"""Accuracy, gradient and ledger tell one story: a network remembers what still reaches it.

How far an RNN's gradient falls is a matter of chance: over 100 words by a factor of 10⁶ to 10¹⁴ in
the seeds 0 to 5, by which the bounds were chosen; 6 to 8 kept them. So each seed must show the
order of both cells, and by how much they differ is asked of the median.
"""

import statistics

import pytest
from scipy.stats import spearmanr

from benchmarks.story import DISTANCES, Story, draw, table, tell

SEEDS = (0, 1, 2)
NEAR, FAR = DISTANCES[0], DISTANCES[-1]
BEYOND = 0.1  # of 200 sentences: a share of them is uncertain by 0.07


@pytest.fixture(scope="module")
def stories():
    """What RNNs and LSTMs have learned of "I live in Italy. ... I speak perfect Italian"."""
    found = [tell(seed) for seed in SEEDS]
    print(table(found))
    return found


def fall(story, cell, distance):
    """How many times less of the gradient reaches a country far away than one nearby."""
    return story[NEAR].gradient[cell] / story[distance].gradient[cell]


def falls_farther(story, distance):
    """How many times farther the RNN's gradient falls than the LSTM's."""
    return fall(story, "rnn", distance) / fall(story, "lstm", distance)


@pytest.mark.slow
def test_the_lstm_remembers_what_the_rnn_forgets(stories):
    for story in stories:
        assert min(story[distance].right["lstm"] for distance in DISTANCES) > 0.9
        assert story[NEAR].right["rnn"] > 0.75
        assert story[FAR].right["rnn"] < story[FAR].right["lstm"]
    for lost in (
        [story[NEAR].right["rnn"] - story[FAR].right["rnn"] for story in stories],
        [story[FAR].right["lstm"] - story[FAR].right["rnn"] for story in stories],
    ):
        assert statistics.median(lost) > BEYOND


@pytest.mark.slow
def test_and_so_does_the_gradient(stories):
    for story in stories:
        for cell in ("rnn", "lstm"):
            reached = [story[distance].gradient[cell] for distance in (NEAR, 40, FAR)]
            assert reached == sorted(reached, reverse=True)
        assert story[NEAR].gradient["rnn"] > 0.01
        assert fall(story, "lstm", FAR) < 1000
        for distance in (70, FAR):
            assert story[distance].gradient["lstm"] > story[distance].gradient["rnn"]
        assert falls_farther(story, FAR) > 10
    assert statistics.median(falls_farther(story, 70) for story in stories) > 100
    assert statistics.median(falls_farther(story, FAR) for story in stories) > 10_000


@pytest.mark.slow
def test_and_so_does_the_ledger(stories):
    """Of what the country wrote into the cell state, much is left a hundred words later."""
    for story in stories:
        left = [story[distance].survival for distance in DISTANCES]
        assert left == sorted(left, reverse=True)
        assert left[-1] > 0.1
        assert max(story[distance].error for distance in DISTANCES) < 1e-6


@pytest.mark.slow
def test_they_put_the_distances_in_one_order(stories):
    def ranks(measure, other):
        columns = [
            [[measure(story[d]) for d in DISTANCES], [other(story[d]) for d in DISTANCES]]
            for story in stories
        ]
        return [spearmanr(*each).statistic for each in columns]

    rnn = ranks(lambda found: found.right["rnn"], lambda found: found.gradient["rnn"])
    lstm = ranks(lambda found: found.survival, lambda found: found.gradient["lstm"])
    assert min(rnn) > 0
    assert statistics.median(rnn) > 0.5
    assert min(lstm) > 0.5


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
