"""Each task says what its paper says: inputs, answers, and where they stand."""

import numpy as np
import pytest
import torch

from gatewise.tasks.long_lag import NO_TARGET
from gatewise.tasks.long_lag_catalogue import SHORTEST, TASKS, pixels

B = 400


def draw(name, T, count=B, seed=0):
    return TASKS[name](T).draw(count, np.random.default_rng(seed))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("T", [SHORTEST, 100])
def test_batches_have_the_announced_make(name, T):
    task = TASKS[name](T)
    batch = task.draw(16, np.random.default_rng(0))
    assert task.name == name
    assert batch.x.shape == (batch.last.max() + 1, 16, task.inputs)
    assert batch.x.dtype == torch.float32
    assert batch.target.shape == ((len(batch.x), 16) if task.answer == "symbols" else (16,))
    if task.answer == "number":
        assert batch.target.dtype == torch.float32
    else:
        asked = batch.target[batch.target != NO_TARGET]
        assert asked.dtype == torch.int64
        assert 0 <= asked.min() <= asked.max() < task.outputs


@pytest.mark.parametrize("name", TASKS)
def test_equal_seeds_draw_equal_batches(name):
    first, again, other = draw(name, 20), draw(name, 20), draw(name, 20, seed=1)
    assert all(map(torch.equal, first, again))
    assert first.x.shape != other.x.shape or not torch.equal(first.x, other.x)


@pytest.mark.parametrize("name", ["adding", "multiplication"])
def test_marked_numbers_are_added_or_multiplied(name):
    x, last, target = draw(name, 100)
    assert 99 <= last.min() < last.max() <= 109
    for b in range(B):
        marks = x[:, b, 1]
        marked = (marks == 1).nonzero()[:, 0]
        assert len(marked) == 2
        assert marked[0] < 10
        assert marked[1] < 50
        assert marks[last[b]] == -1
        assert marks[0] == -1 or marked[0] == 0
        assert not x[last[b] + 1 :, b].any()
        values = [x[k, b, 0] if k else torch.tensor(float(name != "adding")) for k in marked]
        expected = 0.5 + sum(values) / 4 if name == "adding" else values[0] * values[1]
        torch.testing.assert_close(target[b], expected)
    low = -1 if name == "adding" else 0
    assert low <= x[..., 0].min() < low + 0.01
    assert 0.99 < x[..., 0].max() <= 1


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("temporal-order", [(10, 20), (50, 60)]),
        ("temporal-order-3", [(10, 20), (33, 43), (66, 76)]),
    ],
)
def test_class_is_the_order_of_x_and_y(name, places):
    x, last, target = draw(name, 100)
    tokens = x.argmax(-1)
    seen = set()
    for b in range(B):
        found = ((tokens[:, b] == 4) | (tokens[:, b] == 5)).nonzero()[:, 0].tolist()
        assert len(found) == len(places)
        assert all(low <= at <= high for at, (low, high) in zip(found, places, strict=True))
        bits = "".join(str(int(tokens[at, b]) - 4) for at in found)
        assert int(bits, 2) == target[b]
        assert (tokens[0, b], tokens[last[b], b]) == (6, 7)
        seen.add(bits)
    assert len(seen) == 2 ** len(places)


def test_lag_asks_for_the_first_symbol():
    x, last, target = draw("noise-free-lag", 30)
    tokens = x.argmax(-1)
    assert (last == 29).all()
    assert torch.equal(target[:-1], tokens[1:])
    assert torch.equal(target[-1], tokens[0])
    assert set(tokens[0].tolist()) == {29, 30}
    assert (tokens[1:] == torch.arange(29)[:, None]).all()
    x, _, target = draw("noisy-lag", 30)
    tokens = x.argmax(-1)
    assert torch.equal(target, tokens[0] - 29)
    assert set(tokens[1:].flatten().tolist()) == set(range(29))


def test_two_sequences_differ_in_the_first_steps_alone():
    x, last, target = draw("two-sequences", 100)
    assert torch.equal(x[:3, :, 0], (1 - 2.0 * target).expand(3, -1))
    noise = torch.cat([x[3 : last[b] + 1, b, 0] for b in range(B)])
    assert noise.var() == pytest.approx(0.2, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.01)


def test_copied_symbols_are_asked_for_after_the_lag():
    x, _, target = draw("copy", 50)
    tokens = x.argmax(-1)
    assert len(tokens) == 70
    assert torch.equal(target[60:], tokens[:10])
    assert not target[:60].any()
    assert not tokens[10:59].any()
    assert (tokens[59:] == 9).all()
    assert set(tokens[:10].flatten().tolist()) == set(range(1, 9))


def test_recall_settles_the_answer_within_the_length():
    x, last, _ = draw("recall", 40)
    assert (x.sum(-1)[0] == 1).all()
    assert last.max() < 70
    assert last.unique().numel() > 10


def test_pixels_come_one_by_one_and_all_tests_are_measured_on():
    images = np.arange(5 * 6, dtype=np.uint8).reshape(5, 2, 3)
    classes = np.arange(5)
    task = pixels((images, classes), (images[:3], classes[:3]))
    x, last, target = task.draw(8, np.random.default_rng(0))
    assert (task.length, task.outputs, task.mistakes) == (6, 5, None)
    assert (last == 5).all()
    expected = torch.from_numpy(images.reshape(5, 6).astype(np.float32) / 255)[target].T
    torch.testing.assert_close(x[..., 0], expected)
    assert torch.cat([each.target for each in task.tests()]).tolist() == [0, 1, 2]
