from types import SimpleNamespace

import pytest

from gatewise.training.text.settings import TextSettings


def corpus(tokens, vocabulary=100):
    tokenizer = SimpleNamespace(size=vocabulary)
    return SimpleNamespace(training=SimpleNamespace(count=tokens), tokenizer=tokenizer)


def test_large_vocabularies_get_an_adaptive_softmax_unless_it_is_tied():
    def chosen(vocabulary, **given):
        found = TextSettings(**given).chosen_for(corpus(10**6, vocabulary))
        return found.softmax, found.tie

    assert chosen(100) == ("full", False)
    assert chosen(10_000, tokens="words") == ("full", False)
    assert chosen(10_000, tokens="words", tie=True) == ("full", True)
    assert chosen(10_000, tokens="words", softmax="adaptive") == ("adaptive", False)
    assert chosen(20_001, tokens="words") == ("adaptive", False)
    assert chosen(20_001, tokens="words", tie=True) == ("full", True)
    assert chosen(20_001, tokens="bpe", softmax="full") == ("full", False)


def test_what_is_left_open_is_chosen_from_the_text():
    short = TextSettings().chosen_for(corpus(1_000))
    usual = TextSettings().chosen_for(corpus(1_000_000))
    long = TextSettings().chosen_for(corpus(100_000_000))
    assert (short.hidden, usual.hidden, long.hidden) == (256, 512, 512)
    assert (short.batch_size, usual.batch_size, long.batch_size) == (3, 32, 32)
    assert (usual.dropout, long.dropout) == (0.3, 0.1)
    assert usual.learning_rate == 2e-3


def test_what_is_given_is_kept():
    given = {"hidden": 7, "batch_size": 2, "dropout": 0.0, "learning_rate": 1.0, "embedding": 3}
    chosen = TextSettings(**given).chosen_for(corpus(1_000_000))
    assert {name: getattr(chosen, name) for name in given} == given


def test_cells_that_use_their_input_unit_by_unit_get_it_as_large_as_they_are():
    assert TextSettings(cell="sru", hidden=96).chosen_for(corpus(10**6)).embedding == 96
    assert TextSettings(cell="lstm", hidden=96).chosen_for(corpus(10**6)).embedding == 64


@pytest.mark.parametrize(
    ("given", "steps", "minutes"),
    [
        ({}, 5000, 10),
        ({"minutes": 3}, None, 3),
        ({"steps": 7}, 7, None),
        ({"epochs": 1.5}, 150, None),
        ({"epochs": 3, "steps": 200, "minutes": 1}, 200, 1),
    ],
)
def test_the_budget(given, steps, minutes):
    budget = TextSettings(**given).budget(100)
    assert (budget.steps, budget.minutes) == (steps, minutes)


def test_a_tiny_text_gets_enough_steps():
    assert TextSettings().budget(2).steps == 1000


@pytest.mark.parametrize(
    ("epoch", "per_step", "validation", "every"),
    [(490, 2048, 111_000, 490), (10, 2048, 100, 50), (100_000, 2048, 500_000, 1000)],
)
def test_measuring_is_neither_rare_nor_dear(epoch, per_step, validation, every):
    assert TextSettings().plan(epoch, per_step, validation).validate_every == every


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tokens": "letters"}, "tokens: 'letters' is none of characters, words, bpe"),
        ({"optimizer": "magic"}, "optimizer: 'magic'"),
        ({"device": "abacus"}, "device: 'abacus'"),
        ({"hidden": 0}, "hidden is at least 1"),
        ({"batch_size": -1}, "batch-size is at least 1"),
        ({"vocabulary_size": 256, "tokens": "bpe"}, "vocabulary-size is at least 257"),
        ({"minutes": 0}, "minutes is a number above 0"),
        ({"learning_rate": float("inf")}, "learning-rate is a number above 0"),
        ({"epochs": float("nan")}, "epochs is a number above 0"),
        ({"clip": float("nan")}, "clip is at least 0"),
        ({"clip_value": -1.0}, "clip-value is at least 0"),
        ({"dropout": 1.0}, "dropout lies from 0 to below 1"),
        ({"weight_drop": 1.0}, "weight-drop lies from 0 to below 1"),
        ({"embedding_dropout": -0.1}, "embedding-dropout lies from 0 to below 1"),
        ({"change_penalty": -1.0}, "change-penalty is at least 0"),
        ({"softmax": "sampled"}, "softmax: 'sampled' is none of full, adaptive"),
        ({"softmax": "adaptive", "tie": True}, "an adaptive softmax has weights of its own"),
        ({"forget_bias": float("nan")}, "forget-bias is a number, not nan"),
        ({"forget_bias": 1.0, "cell": "rnn"}, "'rnn' has no forget gate .* such as lstm or gru"),
        ({"validation_fraction": 1.0}, "validation-fraction lies between 0 and 1"),
    ],
)
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TextSettings(**given)
