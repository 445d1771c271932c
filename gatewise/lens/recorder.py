"""Who looks over a layer's shoulder: one call becomes one record for each recurrence in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gatewise.backends import PAST, Operands, Proceed, Recurrence, Result
from gatewise.equations.rewrite import with_change, with_lengths
from gatewise.equations.size import size_number
from gatewise.layers.depth import Track
from gatewise.lens.modules import Visit
from gatewise.lens.place import Kept, Place
from gatewise.lens.record import Record
from gatewise.lens.torch_operators import TorchCall
from gatewise.lens.versions import Versions, detached


class Recorder:
    """An interceptor that records one call of one layer.

    Args:
        visit: the call.
        call: how often the layer had been called before.
        kept: which units and steps are wanted.
        grads: whether gradients are wanted: of states, or of the values named.
        take: is given the records, in order.
    """

    rank = 1

    def __init__(
        self,
        visit: Visit,
        call: int,
        kept: Kept,
        grads: bool | Sequence[str],
        take: Callable[..., None],
    ):
        self.visit, self.call, self.kept, self.grads, self.take = visit, call, kept, grads, take

    def run(
        self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...], proceed: Proceed
    ) -> Result:
        """Run the recurrence, and keep the states before each step."""
        past = tuple(PAST + name for name in recurrence.graph.states)
        changed, zeros = recurrence, {}
        given = operands
        if self.grads and torch.is_grad_enabled():
            names = self._gradient_names(recurrence)
            changed, given, zeros = with_zeros(recurrence, operands, names)
        result = proceed(changed, given, tuple(dict.fromkeys((*keep, *past))))
        self.take(
            Record(
                self._place(recurrence),
                recurrence,
                detached(operands),
                {name.removeprefix(PAST): result.values[name] for name in past},
                {name: value.detach() for name, value in result.states.items()},
                self.kept,
                zeros,
                saved=result.saved,
            )
        )
        return result._replace(values={name: result.values[name] for name in keep})

    def needs_equations(self, call: TorchCall) -> bool:
        """For gradients inside, and for a mask of dropout that torch would not tell."""
        return bool(self.grads and torch.is_grad_enabled()) or call.dropout > 0

    def saw_operator(self, call: TorchCall) -> None:
        """Record the recurrences of an operator; they run again when they are read."""
        records: list[Record] = []
        for row in call.tracks:
            below = records[-len(row) :]  # every layer has as many directions
            for track in row:
                again = Again(call, track, len(records), tuple(below))
                place, versions = self._place(track.recurrence), Versions(again.known)
                kept = self.kept
                record = Record(place, again.recurrence, again, kept=kept, versions=versions)
                records.append(record)
        self.take(*records)

    def _place(self, recurrence: Recurrence) -> Place:
        layer, direction = self.visit.place(recurrence)
        visit = self.visit
        return Place(visit.name, layer, direction, self.call, visit.batch_first, visit.batched)

    def _gradient_names(self, recurrence: Recurrence) -> Sequence[str]:
        asked, graph = self.grads, recurrence.graph
        if isinstance(asked, bool):
            return [name for name in graph.states if name in graph.values]
        return [name for name in asked if name in graph.values]


class Again:
    """The operands of a recurrence that torch's operator ran, once they are asked for.

    Args:
        call: of the operator.
        track: one of its recurrences.
        row: which, in order.
        below: the records of the layer below.
    """

    def __init__(self, call: TorchCall, track: Track, row: int, below: tuple[Record, ...]):
        self.alive, self.below = call.alive, below
        graph = (
            track.recurrence.graph if call.alive is None else with_lengths(track.recurrence.graph)
        )
        self.recurrence = replace(track.recurrence, graph=graph)
        inputs = {} if track.layer else {"x": call.x}
        self.known = detached(Operands(inputs, call.states[row], track.parameters))

    def __call__(self) -> Operands:
        """Operands whose input is what the layer below returned."""
        inputs = dict(self.known.inputs)
        if self.below:
            inputs["x"] = torch.cat([record.output for record in self.below], -1)
        if self.alive is not None:
            inputs["alive"] = self.alive.to(inputs["x"].dtype)
        return replace(self.known, inputs=inputs)


def with_zeros(
    recurrence: Recurrence, operands: Operands, names: Sequence[str]
) -> tuple[Recurrence, Operands, dict[str, Tensor]]:
    """Add a zero to values at every step; the gradient of these zeros is that of the values.

    Returns:
        The recurrence and operands with the zeros, and the zeros ``(T, B, size)`` by name.
    """
    graph, zeros = recurrence.graph, {}
    T, B = operands.x.shape[:2]
    for name in dict.fromkeys(names):
        graph = with_change(graph, name)
        size = size_number(graph.inputs[f"change_{name}"], recurrence.sizes)
        # one row of zeros for all steps and sequences; its gradient has them all
        zero = torch.zeros(size, dtype=operands.dtype, device=operands.device)
        zeros[name] = zero.expand(T, B, size).requires_grad_()
    inputs = {**operands.inputs, **{f"change_{name}": zero for name, zero in zeros.items()}}
    return replace(recurrence, graph=graph), replace(operands, inputs=inputs), zeros
