"""Long-lag tasks: what a sequence asks for was said many steps before."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.cells import get
from gatewise.equations import Cell
from gatewise.equations.memory import has_forget_bias
from gatewise.tasks.language import recurrent_layers

NO_TARGET = -100
"""The target of a step at which nothing is asked."""


class Batch(NamedTuple):
    """Sequences with their answers.

    Attributes:
        x: Inputs, `(T, B, I)` in float32; zeros after a sequence's end.
        last: The last step of each sequence, `(B,)` int64.
        target: A number, `(B,)` float32, or a class, `(B,)` int64, to say at the last step; or a
            class at every step, `(T, B)` int64, `NO_TARGET` where none is asked.
    """

    x: Tensor
    last: Tensor
    target: Tensor


class Measure(NamedTuple):
    """How good the answers to a batch are.

    Attributes:
        loss: The mean loss: squared error of numbers, cross entropy in nats of classes.
        error: `(B,)`, the largest error of any output at any step where something is asked: of a
            number its absolute error, of a class 1 minus the probability of the right one.
        right: `(B,)`, whether a sequence was answered rightly.
    """

    loss: Tensor
    error: Tensor
    right: Tensor


@dataclass(frozen=True)
class LongLagTask:
    """A task that is generated without end, or drawn from given examples.

    Attributes:
        name: Of `TASKS`.
        length: T, the lag or length that the task is made for.
        inputs: I, numbers that a step reads.
        outputs: K, numbers that come out.
        answer: `"number"`, `"class"` or `"symbols"`: see `Batch.target`.
        tolerance: A sequence is right if its largest error is smaller; None asks only that the
            right class is the likeliest wherever one is asked for.
        draw: Makes a batch of B sequences from a source of random numbers.
        tests: Makes the batches to measure on; None is drawn ones.
        mistakes: The task is solved when at most so many of the last 2,000 sequences that were
            learned from were wrong, each judged before it was learned from; None is never.
        published: The number of sequences that Hochreiter & Schmidhuber (1997) report; None where
            they do not.
        data: What identifies the given examples.
    """

    name: str
    length: int
    inputs: int
    outputs: int
    answer: Literal["number", "class", "symbols"]
    tolerance: float | None
    draw: Callable[[int, np.random.Generator], Batch]
    tests: Callable[[], Iterable[Batch]] | None = None
    mistakes: int | None = 0
    published: int | None = None
    data: str = ""

    def measure(self, outputs: Tensor, target: Tensor) -> Measure:
        """Measure the outputs of a `LongLagNetwork`.

        Args:
            outputs: `(B, K)`, or `(T, B, K)` where symbols are asked.
            target: As in the batch.
        """
        if self.answer == "number":
            error = (outputs[:, 0] - target).abs()
            return Measure(error.square().mean(), error.detach(), error < (self.tolerance or 0.0))
        losses = functional.cross_entropy(
            outputs.movedim(-1, 1), target, ignore_index=NO_TARGET, reduction="none"
        )
        asked = target != NO_TARGET
        error = -torch.expm1(-losses.detach())  # 0 where nothing is asked
        likeliest = (outputs.argmax(-1) == target) | ~asked
        right = likeliest if self.tolerance is None else error < self.tolerance
        if self.answer == "symbols":
            error, right = error.amax(0), right.all(0)
        return Measure(losses.sum() / asked.sum(), error, right)

    def guessing(self, target: Tensor) -> float:
        """Return the loss of the best answer that knows how frequent targets are, step by step."""
        if self.answer == "number":
            return float(target.var(correction=0))
        found, asked = 0.0, 0
        for step in target if self.answer == "symbols" else target[None]:
            counts = step[step != NO_TARGET].bincount().double()
            counts = counts[counts > 0]
            found -= float((counts * (counts / counts.sum()).log()).sum())
            asked += int(counts.sum())
        return found / asked


class LongLagNetwork(nn.Module):
    """One recurrent layer and a linear head.

    Cells that use their input unit by unit get it through a linear map to H numbers.

    Args:
        task: What it is for.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size, H.
        forget: What forget gates with a bias begin with: a number (Gers et al. 2000), or
            `"chrono"`, biases of log U(1, T − 1) and input biases of the negative (Tallec &
            Ollivier 2018, eq. 16), so that units begin with time scales up to the task's lag.
            None leaves the cell as it is.

    Raises:
        ValueError: The cell reads more than one input.

    Example:
        >>> import numpy as np
        >>> from gatewise.tasks.long_lag_catalogue import TASKS
        >>> task = TASKS["adding"](100)
        >>> batch = task.draw(4, np.random.default_rng(0))
        >>> LongLagNetwork(task, "gru", 8)(batch).shape
        torch.Size([4, 1])
    """

    def __init__(
        self,
        task: LongLagTask,
        cell: str | Cell,
        hidden: int = 64,
        forget: float | Literal["chrono"] | None = "chrono",
    ):
        super().__init__()
        graph = get(cell).graph
        options: dict[str, Any] = {}
        if forget is not None and has_forget_bias(graph):
            chrono = {"chrono": float(max(task.length, 3))}
            options = chrono if forget == "chrono" else {"forget_bias": forget}
        fits = task.inputs == hidden or not graph.sizes.equal
        self.map = None if fits else nn.Linear(task.inputs, hidden)
        size = task.inputs if fits else hidden
        self.recurrent = recurrent_layers(cell, size, hidden, **options)
        self.head = nn.Linear(getattr(self.recurrent, "output_size", hidden), task.outputs)
        self.every_step = task.answer == "symbols"

    def forward(self, batch: Batch) -> Tensor:
        """Return `(T, B, K)` where symbols are asked at every step, else `(B, K)` of the last."""
        x = batch.x if self.map is None else self.map(batch.x)
        y, _ = self.recurrent(x)
        if not self.every_step:
            y = y[batch.last, torch.arange(len(batch.last))]
        return self.head(y)
