"""Depth and direction: several recurrences, one above the other and side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from gatewise.backends import Operands, Recurrence, run
from gatewise.equations.rewrite import with_lengths, with_reset


@dataclass(frozen=True)
class Track:
    """One layer's recurrence in one direction, with its weights by name.

    Attributes:
        recurrence: graph, sizes and direction.
        parameters: weights by their names in the equations.
        layer: which layer it belongs to, from 0.
    """

    recurrence: Recurrence
    parameters: Mapping[str, Tensor]
    layer: int = 0


@dataclass(frozen=True)
class Between:
    """What happens between layers.

    Attributes:
        dropout: probability that a number of a layer's output becomes zero on its way up.
        residual: whether each layer after the first adds its input to its output.
    """

    dropout: float = 0.0
    residual: bool = False


@dataclass(frozen=True)
class Marks:
    """What the caller says about single steps, ``(T, B, 1)`` each.

    Attributes:
        alive: where a sequence has not ended; None where all count.
        reset: where the state returns to its initial value before the step; None for nowhere.
    """

    alive: Tensor | None = None
    reset: Tensor | None = None


def run_tracks(
    tracks: Sequence[Sequence[Track]],
    x: Tensor,
    inputs: Mapping[str, Tensor],
    states: Sequence[Mapping[str, Tensor]],
    initial: Sequence[Mapping[str, Tensor]],
    marks: Marks,
    between: Between,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Run every layer and direction.

    Args:
        tracks: by layer, then direction.
        x: ``(T, B, I)``.
        inputs: further inputs of every step, seen by every layer.
        states: the state that each layer and direction starts from, ``(B, size)`` by name; in the
            order layer 0 forward, layer 0 reverse, layer 1 forward, ...
        initial: the state that a reset returns to, in the same order.
        marks: lengths and resets.
        between: dropout and residual connections; dropout acts here, so leave it at 0 to evaluate.

    Returns:
        The last layer's output ``(T, B, size · directions)`` and the last states, in order.
    """
    last: list[dict[str, Tensor]] = []
    for depth, layer in enumerate(tracks):
        if depth and between.dropout:
            x = functional.dropout(x, between.dropout, training=True)
        outputs = []
        for track in layer:
            k = len(last)
            result = _run(track, {"x": x, **inputs}, states[k], initial[k], marks)
            outputs.append(result.output)
            last.append(result.states)
        y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
        x = y + x if depth and between.residual else y
    return x, last


def _run(
    track: Track,
    inputs: dict[str, Tensor],
    states: Mapping[str, Tensor],
    initial: Mapping[str, Tensor],
    marks: Marks,
):
    graph, givens = track.recurrence.graph, {}
    dtype = next(iter(states.values())).dtype
    if marks.reset is not None:
        graph = with_reset(graph)
        # a mark in the padding, past the end of its sequence, starts nothing
        reset = marks.reset if marks.alive is None else marks.reset * marks.alive
        inputs["reset"] = _facing(reset, track.recurrence.reverse).to(dtype)
        givens = {f"initial_{name}": value for name, value in initial.items()}
    if marks.alive is not None:
        graph = with_lengths(graph)
        inputs["alive"] = marks.alive.to(dtype)
    recurrence = replace(track.recurrence, graph=graph)
    return run(recurrence, Operands(inputs, states, track.parameters, givens))


def _facing(reset: Tensor, reverse: bool) -> Tensor:
    """Where a direction resets: a segment that starts at t ends, seen from behind, before t − 1."""
    if not reverse:
        return reset
    return torch.cat([reset[1:], torch.zeros_like(reset[:1])]) if len(reset) else reset
