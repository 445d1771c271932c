"""Depth and direction: several recurrences, one above the other and side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.backends import (
    Job,
    Operands,
    Recurrence,
    Result,
    constant,
    run_all,
    with_graph,
    with_products,
)
from gatewise.backends.interception import interceptors
from gatewise.equations.rewrite import with_lengths, with_reset
from gatewise.layers.options import Options
from gatewise.layers.regularizers import Regularizers
from gatewise.layers.segments import run_in_segments, segment_steps
from gatewise.layers.state import States


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
class Marks:
    """What the caller says about single steps, ``(T, B, 1)`` each.

    Attributes:
        alive: where a sequence counts; None where all steps do.
        reset: where the state returns to its initial value before the step; None for nowhere.
    """

    alive: Tensor | None = None
    reset: Tensor | None = None

    def marked(self, operands: Operands, initial: Mapping[str, Tensor], reverse: bool) -> Operands:
        """What the equations with these marks read besides."""
        if self.alive is None and self.reset is None:
            return operands
        inputs, givens, dtype = dict(operands.inputs), dict(operands.givens), operands.dtype
        if self.reset is not None:
            # a mark in the padding, outside its sequence, starts nothing
            reset = self.reset if self.alive is None else self.reset * self.alive
            inputs["reset"] = _facing(reset, reverse).to(dtype)
            givens |= {f"initial_{name}": value for name, value in initial.items()}
        if self.alive is not None:
            inputs["alive"] = self.alive.to(dtype)
        return replace(operands, inputs=inputs, givens=givens)


@constant
def changed(
    recurrence: Recurrence,
    regularizers: Regularizers,
    noisy: bool,
    resets: bool,
    ends: bool,
    products: str,
) -> Recurrence:
    """The loop over the equations of a call.

    Args:
        recurrence: of the plain cell.
        regularizers: the layer's.
        noisy: whether their noise is on.
        resets: whether states are reset.
        ends: whether sequences have lengths.
        products: what their factors may be rounded to.
    """
    graph = recurrence.graph
    graph = regularizers.noisy(graph) if noisy else regularizers.in_evaluation(graph)
    if resets:
        graph = with_reset(graph)
    if ends:
        graph = with_lengths(graph)
    made = with_products(with_graph(recurrence, graph), products)
    assert made.document  # computed here, once: no trace could
    return made


@dataclass(frozen=True)
class Passage:
    """How one call goes through the layers.

    Attributes:
        options: the layers' own.
        training: whether there is noise.
        dropout: probability that a number of a layer's output becomes zero on its way up.
        norms: of the inputs of all layers after the first; empty for none.
        marks: lengths and resets.
        products: what the factors of products may be rounded to; empty for nothing.
    """

    options: Options = field(default_factory=Options)
    training: bool = False
    dropout: float = 0.0
    norms: Sequence[nn.Module] = ()
    marks: Marks = field(default_factory=Marks)
    products: str = ""

    def read(self, depth: int, x: Tensor) -> Tensor:
        """What a layer reads of what comes up to it: normalised and, in training, dropped."""
        if depth and self.norms:
            x = self.norms[depth - 1](x)
        if not self.training:
            return x
        if depth and self.dropout:
            x = functional.dropout(x, self.dropout)
        return self.options.regularizers.drop_input(x)

    def job(self, track: Track, operands: Operands, initial: Mapping[str, Tensor]) -> Job:
        """What is run for one layer in one direction.

        Args:
            track: which.
            operands: its inputs, states and weights.
            initial: the state that a reset returns to.
        """
        marks, regularizers = self.marks, self.options.regularizers
        if self.training and regularizers.acts_in_training:
            operands = regularizers.draw(track.recurrence.graph, operands)
        operands = marks.marked(operands, initial, track.recurrence.reverse)
        recurrence = changed(
            track.recurrence,
            regularizers,
            self.training,
            marks.reset is not None,
            marks.alive is not None,
            self.products,
        )
        return recurrence, operands

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """Run one layer in all its directions."""
        if not self.options.recompute or interceptors():  # who looks inside sees all steps at once
            return run_all(jobs)
        T, B = jobs[0][1].x.shape[:2]
        steps = segment_steps(T, B, self.options.recompute)
        return [run_in_segments(*job, steps) for job in jobs]


def run_tracks(
    tracks: Sequence[Sequence[Track]],
    x: Tensor,
    inputs: Mapping[str, Tensor],
    states: States,
    initial: States,
    passage: Passage,
) -> tuple[Tensor, States]:
    """Run every layer and direction.

    Args:
        tracks: by layer, then direction.
        x: ``(T, B, I)``.
        inputs: further inputs of every step, seen by every layer.
        states: the state that each layer and direction starts from, ``(B, size)`` by name; in the
            order layer 0 forward, layer 0 reverse, layer 1 forward, ...
        initial: the state that a reset returns to, in the same order.
        passage: options, noise, lengths and resets.

    Returns:
        The last layer's output ``(T, B, size · directions)`` and the last states, in order.
    """
    last: States = []
    for depth, layer in enumerate(tracks):
        read, jobs = passage.read(depth, x), []
        for k, track in enumerate(layer, len(last)):
            operands = Operands({"x": read, **inputs}, states[k], track.parameters)
            jobs.append(passage.job(track, operands, initial[k]))
        results = passage.run(jobs)
        last += [dict(result.states) for result in results]
        outputs = [result.output for result in results]
        y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
        x = y + x if depth and passage.options.residual else y
    return x, last


def _facing(reset: Tensor, reverse: bool) -> Tensor:
    """Where a direction resets: a segment that starts at t ends, seen from behind, before t − 1."""
    if not reverse:
        return reset
    # longer first, so that no trace is told that there are two steps at least
    return functional.pad(reset, (0, 0, 0, 0, 0, 1))[1:]
