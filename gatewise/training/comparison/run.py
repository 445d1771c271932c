"""One run of a comparison: a network learns a long-lag task until it is solved or time is up."""

import math
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from gatewise.equations import Cell
from gatewise.tasks.long_lag import Batch, LongLagNetwork, LongLagTask
from gatewise.training.optimizers import OPTIMIZERS, build_optimizer, clip_gradients
from gatewise.training.plan import Stopped
from gatewise.training.ranges import check_above_zero, check_choices, check_least

JUDGED = 2_000  # sequences, the papers' number
MEASURED = 2_560  # sequences to measure on, the papers' number
MEASURED_AT_ONCE = 128
POINTS = 200  # of the curve, if the whole budget is used
BUDGETS, BUDGET = (20_000, 250_000), 100_000  # sequences, where none are given
BATCH_NUMBERS = {"training": 0, "test": 1}  # what keeps the two from the same random numbers
WARM_UP, FALLING = 50, 0.4  # steps; share of the budget
RATES = {"adam": 1e-2, "adamw": 1e-2, "rmsprop": 1e-2}  # 2e-3 learns too slowly here
WEIGHTS = threading.Lock()  # drawing weights uses torch's one source of random numbers


@dataclass(frozen=True)
class RunSettings:
    """How a network learns.

    Attributes:
        hidden: Hidden size H.
        sequences: The budget; None is what the paper needed, but from 20,000 to 250,000, or 100,000
            where no paper says.
        minutes: A run ends after so many minutes at the latest; None is no limit. Runs with a limit
            depend on the machine.
        batch: Sequences that are learned from at once.
        optimizer: A key of `OPTIMIZERS` other than `"ntasgd"`: there are no validations to go by.
        learning_rate: The highest: reached after 50 steps, it falls to nothing in the last 40 % of
            the budget. None is that of `RATES`, or else the optimiser's.
        clip: The norm that gradients are cut to; 0 never cuts.
        forget: See `LongLagNetwork`.
    """

    hidden: int = 64
    sequences: int | None = None
    minutes: float | None = None
    batch: int = 20
    optimizer: str = "adam"
    learning_rate: float | None = None
    clip: float = 1.0
    forget: float | Literal["chrono"] | None = "chrono"

    def __post_init__(self):
        """Raise a `ValueError` for what cannot be."""
        check_least(self, {"hidden": 1, "sequences": 1, "batch": 1, "clip": 0})
        check_above_zero(self, ["minutes", "learning_rate"])
        check_choices(self, {"optimizer": [name for name in OPTIMIZERS if name != "ntasgd"]})

    def for_task(self, task: LongLagTask) -> Self:
        """Return the settings with nothing left open."""
        known = min(max(task.published or BUDGET, BUDGETS[0]), BUDGETS[1])
        usual = RATES.get(self.optimizer, OPTIMIZERS[self.optimizer].learning_rate)
        rate = self.learning_rate or usual
        return replace(self, sequences=self.sequences or known, learning_rate=rate)

    def build_network(self, task: LongLagTask, cell: str | Cell, seed: int) -> LongLagNetwork:
        """Return a network whose weights depend on the seed alone."""
        with WEIGHTS, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return LongLagNetwork(task, cell, self.hidden, self.forget)


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        solved: Sequences that it took until the task was solved; None where it was not.
        sequences: That it learned from.
        loss: On sequences that it did not learn from.
        right: The share of those that are right, from 0 to 1.
        guessing: The loss of one who knows the frequency of answers alone.
        milliseconds: Of processor time for one step of the optimiser, drawing aside; the
            median.
        weights: Numbers that it learns.
        curve: Sequences seen so far, and the mean loss since the last point.
    """

    solved: int | None
    sequences: int
    loss: float
    right: float
    guessing: float
    milliseconds: float
    weights: int
    curve: list[tuple[int, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a loss that is no number is None."""
        curve = [(at, as_json(loss)) for at, loss in self.curve]
        return {**asdict(self), "loss": as_json(self.loss), "curve": curve}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Return what `to_dict` made a dictionary of."""
        curve = [(int(at), from_json(loss)) for at, loss in kept["curve"]]
        return cls(**{**kept, "loss": from_json(kept["loss"]), "curve": curve})


def as_json(loss: float) -> float | None:
    """Return a loss, or None where it is infinite or no number."""
    return loss if math.isfinite(loss) else None


def from_json(loss: float | None) -> float:
    """Return the loss that `as_json` wrote."""
    return math.nan if loss is None else float(loss)


@dataclass
class Judgement:
    """Whether a task is solved, by the last 2,000 sequences, each judged before it is learned from.

    Attributes:
        mistakes: How many of them may be wrong; None is never solved.
        last: Which were right.
        wrong: How many were not.
    """

    mistakes: int | None
    last: deque[bool] = field(default_factory=lambda: deque(maxlen=JUDGED))
    wrong: int = 0

    def add(self, right: list[bool]) -> None:
        """Take note of further sequences."""
        for each in right:
            if len(self.last) == JUDGED:
                self.wrong -= not self.last[0]
            self.last.append(each)
            self.wrong += not each

    @property
    def solved(self) -> bool:
        """Whether it is."""
        whole = len(self.last) == JUDGED
        return self.mistakes is not None and whole and self.wrong <= self.mistakes


class Learning:
    """A network that learns.

    Args:
        task: What.
        cell: By which cell.
        seed: What weights and data come from.
        settings: How; nothing left open.

    Attributes:
        seen: Sequences learned from so far.
        share: Of the budget that is used up, from 0 to 1.
        loss: Mean loss of the last point of the curve.
        over: Whether it has come to its end.
    """

    def __init__(self, task: LongLagTask, cell: str | Cell, seed: int, settings: RunSettings):
        assert settings.sequences is not None
        assert settings.learning_rate is not None
        self.task, self.settings, self.seed = task, settings, seed
        self.budget, self.rate = settings.sequences, settings.learning_rate
        self.network = settings.build_network(task, cell, seed)
        self.optimizer = build_optimizer(settings.optimizer, self.network, self.rate)
        self.source = np.random.default_rng([seed, BATCH_NUMBERS["training"]])
        self.judgement = Judgement(task.mistakes)
        self.seen, self.share = 0, 0.0
        self.loss, self.over, self.begin = math.nan, False, time.monotonic()
        self.curve: list[tuple[int, float]] = []
        self.seconds: list[float] = []  # of each step
        self.since: list[float] = []  # losses since the last point of the curve

    def finish(self, stop: threading.Event) -> Outcome:
        """Learn until the task is solved or the budget is used up, then measure.

        Raises:
            Stopped: Somebody set the event.
        """
        while self.share < 1.0 and not self.judgement.solved:
            if stop.is_set():
                raise Stopped
            count = min(self.settings.batch, self.budget - self.seen)
            self.step(self.task.draw(count, self.source))
        solved = self.seen if self.judgement.solved else None
        outcome = self.measure(solved)
        self.over = True
        return outcome

    def step(self, batch: Batch) -> None:
        """Learn from a batch, and judge how it was answered."""
        begin = time.thread_time()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate_now()
        measure = self.task.measure(self.network(batch), batch.target)
        self.optimizer.zero_grad()
        measure.loss.backward()
        clip_gradients(self.network.parameters(), self.settings.clip, 0.0)
        self.optimizer.step()
        self.seconds.append(time.thread_time() - begin)
        self.note(measure.loss, measure.right)

    def rate_now(self) -> float:
        """Return the learning rate of the next step."""
        risen, left = (len(self.seconds) + 1) / WARM_UP, (1 - self.share) / FALLING
        return self.rate * min(1.0, risen, left)

    def note(self, loss: Tensor, right: Tensor) -> None:
        """Take note of a step."""
        self.judgement.add(right.tolist())
        self.seen += len(right)
        self.since.append(loss.item())
        minutes = self.settings.minutes
        spent = 0.0 if minutes is None else (time.monotonic() - self.begin) / (60 * minutes)
        self.share = max(self.seen / self.budget, min(1.0, spent))
        if self.share * POINTS >= len(self.curve) + 1 or self.judgement.solved:
            self.loss = float(np.mean(self.since))
            self.curve.append((self.seen, self.loss))
            self.since.clear()

    @torch.no_grad()
    def measure(self, solved: int | None) -> Outcome:
        """Measure on sequences that are the same for all cells and seeds."""
        batches = list(self.task.tests() if self.task.tests else self.draw_tests())
        measures = [self.task.measure(self.network(each), each.target) for each in batches]
        right = torch.cat([each.right for each in measures])
        counts = [len(each.right) for each in measures]
        return Outcome(
            solved=solved,
            sequences=self.seen,
            loss=float(np.average([each.loss.item() for each in measures], weights=counts)),
            right=float(right.float().mean()),
            guessing=self.task.guessing(torch.cat([each.target for each in batches], -1)),
            milliseconds=1000 * statistics.median(self.seconds),
            weights=sum(weight.numel() for weight in self.network.parameters()),
            curve=self.curve,
        )

    def draw_tests(self) -> Iterator[Batch]:
        """Yield the sequences to measure on, whose numbers no run learns from."""
        source = np.random.default_rng([0, BATCH_NUMBERS["test"]])
        for _ in range(MEASURED // MEASURED_AT_ONCE):
            yield self.task.draw(MEASURED_AT_ONCE, source)
