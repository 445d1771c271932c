"""What an analysis reads of a recurrence: its equations, what it was given, and its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from gatewise.backends import PAST, Operands, Recurrence, Result, evaluate_steps, run, use_backend
from gatewise.backends.choose import BACKENDS
from gatewise.equations.expression import Value
from gatewise.equations.size import size_number
from gatewise.layers.layer import RecurrentLayer


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
    """A recorded recurrence, made by `record`.

    Attributes:
        recurrence: the equations as they ran, their sizes and their direction.
        operands: what they were given; no gradient flows into it.
        past: the states before each step, ``(T, B, size)`` by name.
    """

    recurrence: Recurrence
    operands: Operands
    past: Mapping[str, Tensor]

    def before(self, state: str) -> Tensor:
        """What a state was before each step, ``(T, B, size)`` in the order of the input."""
        return self.past[state]


def record(recurrence: Recurrence, operands: Operands) -> Run:
    """Run a bare recurrence and keep what analyses need.

    Args:
        recurrence: the graph, its sizes and its direction.
        operands: inputs ``(T, B, size)``, states ``(B, size)`` and weights.

    Example:
        >>> import gatewise as gw
        >>> (track,), = gw.Recurrent("lstm", 3, 5).tracks()
        >>> states = {name: torch.zeros(2, 5) for name in track.recurrence.graph.states}
        >>> operands = Operands({"x": torch.randn(7, 2, 3)}, states, track.parameters)
        >>> record(track.recurrence, operands).before("c").shape
        torch.Size([7, 2, 5])
    """
    operands = detached(operands)
    keep = tuple(PAST + name for name in recurrence.graph.states)
    with torch.no_grad():
        values = run(recurrence, operands, keep).values
    return Run(recurrence, operands, {name.removeprefix(PAST): values[name] for name in keep})


def record_layer(
    layer: RecurrentLayer, x: Tensor, number: int = 0, reverse: bool = False, **marks: Any
) -> Run:
    """Run a bare layer of Gatewise and keep one of its recurrences.

    Args:
        layer: such as `gatewise.LSTM` or `gatewise.Recurrent`.
        x: its input, and in `marks` whatever else its call takes (``lengths``, ``reset``, ...).
        number: which layer of a stack, from 0.
        reverse: whether to keep the recurrence that runs from the last step to the first.
        **marks: see x.

    Raises:
        IndexError: the layer has no such recurrence.

    Example:
        >>> import gatewise as gw
        >>> run = record_layer(gw.GRU(3, 5, bidirectional=True), torch.randn(7, 2, 3), reverse=True)
        >>> run.before("h").shape
        torch.Size([7, 2, 5])
    """
    watch = _Watch()
    with use_backend(watch), torch.no_grad():
        layer(x, **marks)  # type: ignore[operator]
    tracks = [track for row in layer.tracks() for track in row]
    for track, found in zip(tracks, watch.runs, strict=True):
        if track.layer == number and track.recurrence.reverse == reverse:
            return found
    raise IndexError(
        f"no layer {number}{' in reverse' if reverse else ''}: {len(tracks)} recurrences ran."
    )


class _Watch:
    """A backend that records what it is given to run."""

    name = "record"

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        return None

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        return "what runs otherwise, with the states of every step kept"

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        past = tuple(PAST + name for name in recurrence.graph.states)
        result = next(
            backend.run(recurrence, operands, (*keep, *past))
            for backend in BACKENDS.values()
            if backend.refusal(recurrence, operands) is None
        )
        states = {name.removeprefix(PAST): result.values[name].detach() for name in past}
        self.runs.append(Run(recurrence, detached(operands), states))
        return result


def detached(operands: Operands) -> Operands:
    """The same tensors, cut off from any graph of gradients."""
    groups = (operands.inputs, operands.states, operands.parameters, operands.givens)
    return Operands(*({name: value.detach() for name, value in g.items()} for g in groups))


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
        ValueError: not every step and unit was recorded.
    """
    T, B = recorded.operands.x.shape[:2]
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
