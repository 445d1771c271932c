import math

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.equations.memory import forget_gates
from gatewise.tasks.long_lag import NO_TARGET, Batch, LongLagNetwork
from gatewise.tasks.long_lag_catalogue import TASKS


def test_numbers_are_measured_by_their_error():
    task = TASKS["adding"](20)
    measure = task.measure(torch.tensor([[0.5], [0.3]]), torch.tensor([0.5, 0.7]))
    torch.testing.assert_close(measure.error, torch.tensor([0.0, 0.4]))
    assert measure.right.tolist() == [True, False]
    assert measure.loss.item() == pytest.approx(0.08)


def test_classes_are_measured_by_what_is_missing_to_certainty():
    task = TASKS["two-sequences"](20)
    logits = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    measure = task.measure(logits, torch.tensor([0, 1]))
    torch.testing.assert_close(measure.error, torch.tensor([0.25, 0.75]))
    assert measure.right.tolist() == [True, False]
    assert measure.loss.item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


def test_symbols_are_as_wrong_as_their_worst_step_and_unasked_steps_do_not_count():
    task = TASKS["copy"](20)
    logits = torch.zeros(3, 2, 9)
    logits[:, :, 4] = 20.0
    target = torch.tensor([[4, 4], [NO_TARGET, 4], [4, 2]])
    measure = task.measure(logits, target)
    torch.testing.assert_close(measure.error, torch.tensor([0.0, 1.0]), atol=1e-4, rtol=0)
    assert measure.right.tolist() == [True, False]
    assert measure.loss.item() == pytest.approx(20 / 5, abs=1e-3)


def test_the_likeliest_class_is_enough_where_no_paper_asks_for_more():
    logits = torch.tensor([[1.0, 0.9, 0.8], [1.0, 0.9, 0.8]])
    task = TASKS["recall"](20)
    assert task.measure(logits, torch.tensor([0, 1])).right.tolist() == [True, False]
    strict = TASKS["temporal-order"](20)
    assert not strict.measure(logits, torch.tensor([0, 1])).right.any()


def test_guessing_knows_frequencies_alone():
    numbers, copy = TASKS["adding"](20), TASKS["copy"](20)
    assert numbers.guessing(torch.tensor([1.0, 3.0])) == pytest.approx(1.0)
    target = torch.tensor([[0, 0], [1, 2], [NO_TARGET, 3]])
    assert copy.guessing(target) == pytest.approx(2 * math.log(2) / 5)
    # what Bai, Kolter & Koltun (2018) give as the loss of an LSTM at T = 1000, where it guesses
    copied = TASKS["copy"](1000).draw(3_000, np.random.default_rng(0)).target
    assert copy.guessing(copied) == pytest.approx(10 * math.log(8) / 1020, rel=2e-3)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "peephole", "sru", "indrnn"])
def test_answer_is_that_of_the_last_step_of_each_sequence(cell):
    task = TASKS["temporal-order"](20)
    network = LongLagNetwork(task, cell, 8)
    batch = task.draw(6, np.random.default_rng(0))
    together = network(batch)
    for b, last in enumerate(batch.last.tolist()):
        alone = Batch(batch.x[: last + 1, [b]], batch.last[[b]], batch.target[[b]])
        torch.testing.assert_close(network(alone)[0], together[b])


def test_symbols_are_answered_at_every_step():
    task = TASKS["copy"](20)
    batch = task.draw(3, np.random.default_rng(0))
    assert LongLagNetwork(task, "gru", 8)(batch).shape == (40, 3, 9)


def test_forget_gates_begin_as_asked():
    task = TASKS["adding"](100)
    chrono = LongLagNetwork(task, "lstm", 64).recurrent.weights()
    assert 0 <= chrono["b.f"].min() < chrono["b.f"].max() <= math.log(99)
    torch.testing.assert_close(chrono["b.i"], -chrono["b.f"])
    assert (LongLagNetwork(task, "lstm", 8, 2.0).recurrent.weights()["b.f"] == 2).all()
    torch.manual_seed(0)
    plain = LongLagNetwork(task, "peephole", 8, None).recurrent.weights()["b.f"]
    torch.manual_seed(0)
    torch.testing.assert_close(plain, gw.Recurrent("peephole", 2, 8).weights()["b.f"])
    assert not forget_gates(gw.cells.get("rnn").graph)
    LongLagNetwork(task, "rnn", 8)  # has none, and learns all the same


def test_cell_with_further_inputs_is_refused():
    with pytest.raises(ValueError, match="'gru_d' reads x, m, delta"):
        LongLagNetwork(TASKS["adding"](20), "gru_d")
