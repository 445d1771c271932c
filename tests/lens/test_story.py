"""Accuracy, gradient and ledger tell one story: a network remembers what still reaches it."""

import copy

import pytest
import torch

import gatewise as gw
from gatewise.lens import compare_reach, memory_ledger
from gatewise.tasks.memory import Course, MemoryModel, Vocabulary, draw_examples
from gatewise.tasks.sentences import LANGUAGES, vocabulary
from gatewise.training.side_by_side import Pace, train_side_by_side

DISTANCES = (5, 20, 40, 70, 100)


@pytest.fixture(scope="module")
def story():
    """An RNN and an LSTM that have learned "I live in Italy. ... I speak perfect Italian"."""
    words = Vocabulary(vocabulary())
    examples = draw_examples(DISTANCES, 200, 0)
    models = {}
    for name in ("rnn", "lstm"):
        torch.manual_seed(0)
        models[name] = MemoryModel(name, len(words))
    course = Course(100, 0, (s for sentences in examples.values() for s in sentences))
    train_side_by_side(
        models, lambda share: words.batch(course.sentences(64, share)), Pace(2500), lambda *_: None
    )
    found = {}
    for distance in DISTANCES:
        sentences = examples["language", distance]
        found[distance] = measure(models, words.batch(sentences), sentences, distance)
        print(distance, found[distance])
    return found


def measure(models, batch, sentences, distance):
    wide = {name: copy.deepcopy(model).double().eval() for name, model in models.items()}
    reach = compare_reach(
        {name: lambda m=m: m.loss(batch, reduction="sum")[0] for name, m in wide.items()},
        last=batch.last,
    )
    with gw.trace(models["lstm"]) as t, torch.no_grad():
        models["lstm"](batch)
    ledger = memory_ledger(t["recurrent"], step=batch.last)
    clue = [next(k for k, word in enumerate(s.words) if word in LANGUAGES) for s in sentences]
    return {
        "accuracy": {name: float(m.loss(batch)[1].float().mean()) for name, m in wide.items()},
        "gradient": {name: float(shares[distance]) for name, shares in reach.shares.items()},
        "survives": float(ledger.survival[torch.tensor(clue), torch.arange(len(sentences))].mean()),
        "error": ledger.error,
    }


@pytest.mark.slow
def test_the_lstm_remembers_what_the_rnn_forgets(story):
    near, far = story[5], story[100]
    assert near["accuracy"]["rnn"] > 0.85
    assert far["accuracy"]["lstm"] > 0.9
    assert far["accuracy"]["lstm"] - far["accuracy"]["rnn"] > 0.2


@pytest.mark.slow
def test_and_so_does_the_gradient(story):
    for distance in (70, 100):
        gradient = story[distance]["gradient"]
        assert gradient["lstm"] > 1e-4 > gradient["rnn"]
    assert story[5]["gradient"]["rnn"] > 0.01


@pytest.mark.slow
def test_and_so_does_the_ledger(story):
    """Of what the country wrote into the cell state, much is left a hundred words later."""
    left = [story[distance]["survives"] for distance in DISTANCES]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0.1
    assert max(story[distance]["error"] for distance in DISTANCES) < 1e-6
