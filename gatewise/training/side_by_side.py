"""Train several models on the same batches, step by step beside each other."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Learns(Protocol):
    """A model that can be compared with others."""

    def loss(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The mean loss of a batch, and which of its rows are right."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102 - torch's own

    def train(self) -> Any: ...  # noqa: D102 - torch's own


@dataclass(frozen=True)
class Pace:
    """How long the models learn, and how fast.

    Attributes:
        steps: how many batches, if the time allows it.
        minutes: when the last step is taken at the latest; the learning rate then falls, and the
            course advances, by the time instead of the steps.
        learning_rate: of RMSprop, after the first 50 steps and before the last 40 %, in which it
            falls to nothing.
        clip: the norm that gradients are cut to.
    """

    steps: int
    minutes: float = math.inf
    learning_rate: float = 3e-3
    clip: float = 1.0

    PATIENCE = 10.0  # seconds in which a slow start does not yet count as a slow machine

    def share(self, step: int, seconds: float) -> float:
        """How much of the training is over, from 0 to 1."""
        by_time = seconds / (60 * self.minutes)
        return min(1.0, max(step / self.steps, by_time if seconds > self.PATIENCE else 0.0))

    def rate(self, step: int, share: float) -> float:
        """The learning rate of a step."""
        return self.learning_rate * min(1.0, (step + 1) / 50, max(0.02, (1 - share) / 0.4))


@dataclass
class Learner:
    """A model at school.

    Attributes:
        model: what learns.
        optimizer: what changes it.
        recent_loss: mean of the last 50 batches or so.
        recent_accuracy: likewise, from 0 to 1.
    """

    model: Learns
    optimizer: torch.optim.Optimizer
    recent_loss: float = math.nan
    recent_accuracy: float = math.nan

    def step(self, batch: Any, rate: float, clip: float) -> None:
        """Learn from one batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, right = self.model.loss(batch)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimizer.step()
        self.recent_loss = _blend(self.recent_loss, loss.item())
        self.recent_accuracy = _blend(self.recent_accuracy, right.float().mean().item())


def _blend(mean: float, value: float) -> float:
    return value if math.isnan(mean) else 0.98 * mean + 0.02 * value


def train_side_by_side(
    models: Mapping[str, Learns],
    draw_batch: Callable[[float], Any],
    pace: Pace,
    watch: Callable[[int, float, Mapping[str, Learner]], None],
) -> int:
    """Train models on the same batches in the same order.

    Each model has a thread of its own, and its operators have one thread each: they are too small
    to share. Results depend on the seed alone, unless the time runs out before the steps do.

    Args:
        models: by name.
        draw_batch: makes the batch for a point of the course, from 0 to 1.
        pace: how long and how fast.
        watch: called after each step with the number of steps, the share done and the learners.

    Returns:
        How many steps were taken.
    """
    learners = {}
    for name, model in models.items():
        model.train()
        optimizer = torch.optim.RMSprop(model.parameters(), lr=pace.learning_rate)
        learners[name] = Learner(model, optimizer)
    begin = time.perf_counter()
    step, share = 0, 0.0
    with _one_thread_each(list(learners.values())) as each:
        batch = draw_batch(share)
        while share < 1.0:
            rate = pace.rate(step, share)
            wait = each(partial(Learner.step, batch=batch, rate=rate, clip=pace.clip))
            step += 1
            share = pace.share(step, time.perf_counter() - begin)
            batch = draw_batch(share)  # while the models learn
            wait()
            watch(step, share, learners)
    return step


@contextlib.contextmanager
def _one_thread_each(learners: Sequence[Learner]) -> Iterator[Callable[[Any], Callable[[], None]]]:
    """Run a function on all learners at once; it returns what waits for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(len(learners), os.cpu_count() or 1)) as pool:

            def each(function: Callable[[Learner], None]) -> Callable[[], None]:
                futures = [pool.submit(function, learner) for learner in learners]

                def wait() -> None:
                    for future in futures:
                        future.result()

                return wait

            yield each
    finally:
        torch.set_num_threads(before)
