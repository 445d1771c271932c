import time

import pytest
import torch
from torch import nn

from gatewise.training.side_by_side import Pace, train_side_by_side


class Line(nn.Module):
    """Learns to multiply by two; keeps what it was given."""

    def __init__(self, start: float):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(start))
        self.seen: list[float] = []

    def loss(self, batch):
        self.seen.append(float(batch.sum()))
        off = self.factor * batch - 2 * batch
        return off.pow(2).mean(), off.abs() < 0.1


def batches(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda share: torch.randn(16, generator=generator)


def test_all_models_learn_from_the_same_batches():
    models = {name: Line(start) for name, start in (("low", 0.0), ("high", 3.0))}
    shares = []
    steps = train_side_by_side(
        models, batches(), Pace(400, learning_rate=0.05), lambda _, share, __: shares.append(share)
    )
    assert steps == 400
    assert models["low"].seen == models["high"].seen
    assert len(models["low"].seen) == 400
    assert shares == pytest.approx([k / 400 for k in range(1, 401)])
    for model in models.values():
        assert model.factor.item() == pytest.approx(2, abs=0.05)


def test_company_changes_nothing():
    alone, beside = Line(0.0), Line(0.0)
    pace = Pace(50)
    train_side_by_side({"one": alone}, batches(), pace, lambda *_: None)
    train_side_by_side({"one": beside, "other": Line(5.0)}, batches(), pace, lambda *_: None)
    assert torch.equal(alone.factor, beside.factor)


def test_watcher_sees_loss_and_accuracy():
    def watch(step, share, learners):
        last.update(learners)

    last = {}
    train_side_by_side({"line": Line(2.0)}, batches(), Pace(3), watch)
    assert last["line"].recent_loss == pytest.approx(0, abs=1e-3)
    assert last["line"].recent_accuracy == pytest.approx(1)


def test_time_ends_training_and_shapes_it():
    class Slow(Line):
        def loss(self, batch):
            time.sleep(0.01)
            return super().loss(batch)

    class Impatient(Pace):
        PATIENCE = 0.0

    shares = []
    begin = time.perf_counter()
    steps = train_side_by_side(
        {"slow": Slow(0.0)},
        batches(),
        Impatient(10_000, minutes=0.3 / 60),
        lambda _, share, __: shares.append(share),
    )
    assert steps < 100
    assert 0.25 < time.perf_counter() - begin < 10
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_slow_start_is_no_slow_machine():
    pace = Pace(1000, minutes=1)
    assert pace.share(10, 5.0) == 0.01  # a twelfth of the time, but only the beginning
    assert pace.share(10, 30.0) == 0.5
    assert pace.share(900, 30.0) == 0.9
    assert pace.share(10, 90.0) == 1.0


def test_learning_rate_rises_then_falls():
    pace = Pace(1000, learning_rate=1.0)
    rates = [pace.rate(step, step / 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[50:600] == [1.0] * 550
    assert rates[600:] == sorted(rates[600:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_threads_are_given_back():
    torch.set_num_threads(2)
    seen = []
    train_side_by_side(
        {"line": Line(0.0)}, batches(), Pace(1), lambda *_: seen.append(torch.get_num_threads())
    )
    assert seen == [1]
    assert torch.get_num_threads() == 2


def test_error_of_one_model_stops_all():
    class Broken(Line):
        def loss(self, batch):
            raise RuntimeError("no")

    before = torch.get_num_threads()
    models = {"line": Line(0.0), "broken": Broken(0.0)}
    with pytest.raises(RuntimeError, match="no"):
        train_side_by_side(models, batches(), Pace(5), lambda *_: None)
    assert torch.get_num_threads() == before
