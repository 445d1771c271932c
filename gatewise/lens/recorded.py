"""What an analysis reads of a recurrence: its equations, what it was given, and its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence, evaluate_steps
from gatewise.equations.expression import Value
from gatewise.equations.size import size_number


class Recorded(Protocol):
    """One recurrence as it ran: what a trace holds for one layer, direction and call."""

    @property
    def recurrence(self) -> Recurrence:
        """The equations as they ran, their sizes and their direction."""
        ...

    @property
    def operands(self) -> Operands:
        """What they were given: inputs ``(T, B, size)``, first states, weights."""
        ...

    def before(self, state: str) -> Tensor:
        """What a state was before each step, ``(T, B, size)`` in the order of the input."""
        ...


@dataclass(frozen=True)
class Run:
    """A recurrence as it ran, on tensors of one's own.

    Attributes:
        recurrence: the equations as they ran, their sizes and their direction.
        operands: what they were given.
        past: the states before each step, ``(T, B, size)`` by name.
    """

    recurrence: Recurrence
    operands: Operands
    past: Mapping[str, Tensor]

    def before(self, state: str) -> Tensor:
        """What a state was before each step, ``(T, B, size)`` in the order of the input."""
        return self.past[state]


def evaluate(recorded: Recorded, nodes: Sequence[Value]) -> list[Tensor]:
    """Expressions of the recorded equations at every step, all steps at once.

    Gradients flow where the recorded tensors want them.

    Args:
        recorded: what ran.
        nodes: expressions of its graph, or made of such.

    Returns:
        ``(T, B, size)`` for each.
    """
    recurrence = recorded.recurrence
    values = {str(k): node for k, node in enumerate(nodes)}
    looked_at = replace(recurrence, graph=replace(recurrence.graph, values=values))
    return evaluate_steps(looked_at, recorded.operands, states_before(recorded), list(nodes))


def states_before(recorded: Recorded) -> dict[str, Tensor]:
    """The states before each step, ``(T, B, size)`` by name.

    Raises:
        ValueError: not every step and unit was recorded, or no step at all.
    """
    T, B = recorded.operands.x.shape[:2]
    if not T or not B:
        raise ValueError(f"{T} steps of {B} sequences were recorded: there is nothing to analyse.")
    found: dict[str, Tensor] = {}
    for name, size in state_sizes(recorded.recurrence).items():
        found[name] = recorded.before(name)
        if found[name].shape != (T, B, size):
            raise ValueError(
                f"state {name!r} was recorded as {tuple(found[name].shape)}, not {(T, B, size)}: "
                "this analysis needs every step and unit; trace without every= and units=."
            )
    return found


def alive_steps(recorded: Recorded) -> Tensor:
    """``(T, B)`` bool: where the sequences have not ended."""
    alive = recorded.operands.inputs.get("alive")
    if alive is None:
        return torch.ones(recorded.operands.x.shape[:2], dtype=torch.bool)
    return alive[..., 0] > 0.5


def states_after(recorded: Recorded) -> dict[str, Tensor]:
    """The states after each step, ``(T, B, size)`` by name."""
    graph = recorded.recurrence.graph
    T, B = recorded.operands.x.shape[:2]
    with torch.no_grad():
        values = evaluate(recorded, list(graph.new_states.values()))
    sizes = state_sizes(recorded.recurrence)
    return {
        name: value.expand(T, B, sizes[name])
        for name, value in zip(graph.new_states, values, strict=True)
    }


def state_sizes(recurrence: Recurrence) -> dict[str, int]:
    """How many units each state has."""
    graph = recurrence.graph
    return {name: size_number(size, recurrence.sizes) for name, size in graph.states.items()}


def counted_steps(values: Tensor, alive: Tensor | None) -> Tensor:
    """Bool, without the dimension of units: steps that count.

    Where nothing is said, those without a NaN: a trace shows NaN past the end of a sequence.

    Raises:
        ValueError: `alive` does not have the values' steps and sequences.
    """
    if alive is None:
        return ~values.isnan().any(-1)
    if alive.shape != values.shape[:-1]:
        raise ValueError(
            f"alive is {tuple(alive.shape)}, not one for each step {tuple(values.shape[:-1])}."
        )
    return alive.to(values.device)


def in_running_order(series: Tensor, recurrence: Recurrence) -> Tensor:
    """A series ``(T, ...)`` in the order in which the steps ran; its own inverse."""
    return series.flip(0) if recurrence.reverse else series


def position_of(step: int | Tensor | None, recorded: Recorded) -> Tensor:
    """When the reader's step ran, counted from 0 in running order, for each sequence.

    Args:
        step: in the order of the input, negative ones from its end; one for all sequences or
            ``(B,)``; None for the step that ran last.
        recorded: what ran.

    Raises:
        IndexError: there is no such step.
    """
    T, B = recorded.operands.x.shape[:2]
    if step is None:
        return torch.full((B,), T - 1)
    steps = torch.as_tensor(step).cpu().expand(B)
    if bool(((steps < -T) | (steps >= T)).any()):
        raise IndexError(f"step {step}: there are {T} steps, from 0 or from {-T} on.")
    steps = steps % T
    return T - 1 - steps if recorded.recurrence.reverse else steps
