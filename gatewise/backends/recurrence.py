"""What a backend runs: a graph over time in one direction, and the tensors it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gatewise.equations import Graph
from gatewise.equations.size import size_number


@dataclass(frozen=True)
class Recurrence:
    """A cell's time loop.

    Attributes:
        graph: one step.
        sizes: the number each size name stands for; ``"I"`` and ``"H"`` at least.
        reverse: whether time runs from the last step to the first.
    """

    graph: Graph
    sizes: Mapping[str, int]
    reverse: bool = False

    def state_size(self, state: str) -> int:
        """How many units a state has."""
        return size_number(self.graph.states[state], self.sizes)

    @property
    def output_size(self) -> int:
        """How many units the output has."""
        return size_number(self.graph.sizes.values[self.graph.output], self.sizes)


@dataclass(frozen=True)
class Operands:
    """The tensors of one call.

    Attributes:
        inputs: by name, ``(T, B, size)``; ``x`` is among them.
        states: by name, ``(B, size)``.
        parameters: by name (``"W.i"``): ``(rows, columns)``, ``(size,)`` or ``()``; the columns of
            a block-diagonal matrix are stored divided by its blocks.
        givens: by name, ``(B, size)`` or broadcast to it.
    """

    inputs: Mapping[str, Tensor]
    states: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    givens: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def x(self) -> Tensor:
        """The first input."""
        return next(iter(self.inputs.values()))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the arithmetic: that of the states."""
        return next(iter(self.states.values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.x.device


PAST = "past."
"""``past.c`` names the state c as it was before each step."""


class Result(NamedTuple):
    """What a recurrence returns.

    Attributes:
        output: ``(T, B, size)``.
        states: the states after the last step that was run, ``(B, size)`` by name.
        values: the named values that were asked for, ``(T, B, size)`` by name. Compiled kernels
            hand them out without gradients (`equations.rewrite.with_change` gives those).
    """

    output: Tensor
    states: dict[str, Tensor]
    values: dict[str, Tensor]


class Backend(Protocol):
    """A way to run a recurrence."""

    name: str

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why this backend cannot run it; None where it can."""
        ...

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        """How it runs it: tiles, threads, compile time."""
        ...

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps.

        `keep` names values to return at every step, and states as they were before each step:
        ``"past.c"``.
        """
        ...
