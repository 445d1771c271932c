"""Processes that train one model together: each has its part, and the step is that of all."""

import os
from itertools import islice

import numpy as np
import pytest
import torch

from gatewise.data import processes
from gatewise.data.labelled.batches import Batches
from gatewise.data.labelled.ragged import Sequences
from gatewise.data.tokens.streams import Cursor, TrainingStreams
from tests.training.tiny import TINY
from tests.training.together import train

PLAIN = {"optimizer": "sgd", "learning_rate": 0.05, "steps": 12, "validate_every": 6}
NO_DROPOUT = {
    "text": {"dropout": 0.0},
    "classify": {"dropout": 0.0, "word_dropout": 0.0},
    "numbers": {"dropout": 0.0},
    "forecast": {"dropout": 0.0},
    "translate": {"dropout": 0.0},
    "sequences": {},
    "music": {"dropout": 0.0, "recurrent_dropout": 0.0},
}


@pytest.fixture
def as_process(monkeypatch):
    """Let this process take itself for one of several."""

    def be(rank, count):
        monkeypatch.setattr(processes, "rank", lambda: rank)
        monkeypatch.setattr(processes, "count", lambda: count)

    return be


def test_the_parts_of_a_batch_are_the_batch(as_process):
    whole = np.arange(7)
    parts = []
    for rank in range(3):
        as_process(rank, 3)
        parts.append(processes.own_part(whole))
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted(np.concatenate(parts)) == list(whole)
    as_process(2, 3)
    assert list(processes.own_part(np.arange(2))) == [0, 1]  # none may be without anything


def test_an_epoch_of_two_is_an_epoch(as_process):
    lengths = np.arange(1, 12)
    inputs = Sequences(np.zeros(lengths.sum()), np.concatenate([[0], np.cumsum(lengths)]))
    seen = []
    for rank in range(2):
        as_process(rank, 2)
        batches = Batches(inputs, lengths, batch_size=2)
        assert batches.per_epoch == 3
        seen += [each.targets for each in islice(batches.training((0, 0)), 3)]
    assert sorted(torch.cat(seen).tolist()) == list(lengths)


def test_each_process_reads_streams_of_its_own(as_process):
    tokens = np.arange(100)
    both = next(TrainingStreams(tokens, 4, 10).windows(Cursor(0, 0))).inputs
    parts = []
    for rank in range(2):
        as_process(rank, 2)
        parts.append(next(TrainingStreams(tokens, 2, 10).windows(Cursor(0, 0))).inputs)
    torch.testing.assert_close(torch.cat(parts, 1), both)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TINY)
def test_two_processes_take_the_steps_of_one_with_their_batches_together(tmp_path, kind):
    batch = TINY[kind].options["batch_size"]
    changes = PLAIN | NO_DROPOUT[kind]
    one = train(kind, tmp_path / "one.safetensors", 1, **changes, batch_size=2 * batch)
    two = train(kind, tmp_path / "two.safetensors", 2, **changes, batch_size=batch)
    assert one.tensors.keys() == two.tensors.keys()
    for key, value in one.tensors.items():  # up to the order of sums
        torch.testing.assert_close(two.tensors[key], value, rtol=1e-3, atol=1e-5)
    steps = [[each["step"] for each in model.training["history"]] for model in (one, two)]
    assert steps[0] == steps[1]
    curves = os.listdir(tmp_path / "logs" / "two")
    assert len([each for each in curves if each.startswith("events")]) == 1
