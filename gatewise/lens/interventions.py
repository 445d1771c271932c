"""What may be done to a recurrence while it runs: clamp, freeze, ablate, replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence, run
from gatewise.backends.interception import unobserved
from gatewise.equations.intervention import FROZEN, with_freeze, with_replaced_state
from gatewise.equations.rewrite import with_clamp
from gatewise.equations.size import size_number
from gatewise.lens.naming import Names

Units = int | slice | Sequence[int] | None
Steps = int | slice | Sequence[int] | Tensor | None


@dataclass(frozen=True)
class Intervention:
    """A change of what one layer computes; made by `clamp`, `freeze`, `ablate`, `replace_state`.

    Attributes:
        module: the layer's path within the model; empty for the model itself.
        name: the value or state that is changed; empty for the cell's output.
        units: which units; None for all.
        steps: which steps, in the order of the input; None for all.
        layer: which layer of a stack; None for every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.
    """

    module: str
    name: str
    units: Units = None
    steps: Steps = None
    layer: int | None = None
    direction: str | None = None

    def concerns(self, layer: int, direction: str) -> bool:
        """Whether it speaks of this layer and direction."""
        return self.layer in (None, layer) and self.direction in (None, direction)

    def check(self, recurrence: Recurrence) -> None:
        """Raise a ValueError where the recurrence has no such value or units."""
        known = self.candidates(recurrence)
        if self.name and self.name not in known:
            raise ValueError(
                f"{self.module!r}: cell {recurrence.graph.name!r} has no {self.name!r} to change; "
                f"it has {', '.join(known)}."
            )
        _chosen_units(self.units, self.size(recurrence), self.module)

    def candidates(self, recurrence: Recurrence) -> Sequence[str]:
        """The names it may be applied to."""
        return tuple(recurrence.graph.values)

    def target(self, recurrence: Recurrence) -> str:
        """The name of what it changes."""
        return self.name or Names(recurrence.graph).output

    def size(self, recurrence: Recurrence) -> int:
        """How many units that has."""
        value = recurrence.graph.values[self.target(recurrence)]
        return size_number(recurrence.graph.sizes.values[value], recurrence.sizes)

    def mask(self, recurrence: Recurrence, operands: Operands, batch_first: bool) -> Tensor:
        """``(T, B, size)`` bool: where it acts; not past the end of a sequence."""
        T, B = operands.x.shape[:2]
        units = torch.zeros(self.size(recurrence), dtype=torch.bool, device=operands.device)
        units[_chosen_units(self.units, len(units), self.module)] = True
        steps = _chosen_steps(self.steps, T, B, batch_first, self.module).to(operands.device)
        alive = operands.inputs.get("alive")
        steps = steps if alive is None else steps & (alive[..., 0] > 0.5)
        return steps[..., None] & units

    def apply(
        self, recurrence: Recurrence, operands: Operands, batch_first: bool
    ) -> tuple[Recurrence, Operands]:
        """The recurrence with the change in it, and operands that say where and what."""
        raise NotImplementedError


@dataclass(frozen=True)
class Clamp(Intervention):
    """A value is a number, or a tensor, or its own mean.

    Attributes:
        value: what it becomes; None for the mean over the steps and sequences of the call.
    """

    value: float | Tensor | None = 0.0

    def apply(
        self, recurrence: Recurrence, operands: Operands, batch_first: bool
    ) -> tuple[Recurrence, Operands]:
        """Write a clamp into the graph."""
        name, mask = self.target(recurrence), self.mask(recurrence, operands, batch_first)
        if self.value is None:
            value = _mean(recurrence, operands, name).expand(mask.shape)
        else:
            value = _filled(self, mask, operands, batch_first)
        graph = recurrence.graph
        if f"clamped_{name}" not in graph.inputs:
            graph = with_clamp(graph, name)
        inputs = _merged(operands, f"clamped_{name}", f"clamp_{name}", mask, value)
        return replace(recurrence, graph=graph), replace(operands, inputs=inputs)


@dataclass(frozen=True)
class Freeze(Intervention):
    """A value stays what it was at the first of the steps."""

    def apply(
        self, recurrence: Recurrence, operands: Operands, batch_first: bool
    ) -> tuple[Recurrence, Operands]:
        """Write a state that hands on the value into the graph."""
        name, mask = self.target(recurrence), self.mask(recurrence, operands, batch_first)
        before = torch.zeros_like(mask)  # where the step that ran before is one of them too
        if recurrence.reverse:
            before[:-1] = mask[1:]
        else:
            before[1:] = mask[:-1]
        held, key = (mask & before).to(operands.dtype), f"hold_{name}"
        graph, states = recurrence.graph, operands.states
        if key in graph.inputs:
            held = torch.maximum(held, operands.inputs[key])
        else:
            graph = with_freeze(graph, name)
            start = held.new_zeros(held.shape[1:])
            states = {**states, FROZEN + name: start}
        inputs = {**operands.inputs, key: held}
        return replace(recurrence, graph=graph), replace(operands, inputs=inputs, states=states)


@dataclass(frozen=True)
class Replacement(Intervention):
    """A state is another before the steps.

    Attributes:
        value: what it becomes.
    """

    value: float | Tensor = 0.0

    def candidates(self, recurrence: Recurrence) -> Sequence[str]:
        """The cell's states."""
        return Names(recurrence.graph).states

    def size(self, recurrence: Recurrence) -> int:
        """How many units the state has."""
        return recurrence.state_size(self.name)

    def apply(
        self, recurrence: Recurrence, operands: Operands, batch_first: bool
    ) -> tuple[Recurrence, Operands]:
        """Write a replacement of the state into the graph."""
        name, mask = self.name, self.mask(recurrence, operands, batch_first)
        value = _filled(self, mask, operands, batch_first)
        graph = recurrence.graph
        if f"replaced_{name}" not in graph.inputs:
            graph = with_replaced_state(graph, name)
        inputs = _merged(operands, f"replaced_{name}", f"replacement_{name}", mask, value)
        return replace(recurrence, graph=graph), replace(operands, inputs=inputs)


def clamp(
    module: str,
    gate: str,
    value: float | Tensor,
    units: Units = None,
    steps: Steps = None,
    *,
    layer: int | None = None,
    direction: str | None = None,
) -> Clamp:
    """Set a gate, or any named value, to a number over a span; all that reads it sees the change.

    Args:
        module: the layer's path within the model; empty for the model itself.
        gate: the name of the value, such as ``"f"``.
        value: a number, or a tensor that broadcasts to ``(T, B, units)``, in the layer's order
            (``(B, T, units)`` with batch_first); gradients flow into it.
        units: which hidden units, one or several; None for all.
        steps: which steps in the order of the input: one, several, a slice, or a bool tensor
            ``(T,)`` or ``(T, B)``; None for all.
        layer: which layer of a stack; None for every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.
    """
    return Clamp(module, gate, units, steps, layer, direction, value)


def freeze(
    module: str,
    gate: str,
    units: Units = None,
    steps: Steps = None,
    *,
    layer: int | None = None,
    direction: str | None = None,
) -> Freeze:
    """Hold a gate, or any named value, over a span at what it is at the span's first step.

    First means the one that runs first: in the reverse direction the last of the input. Each of
    several spans holds its own.

    Args:
        module: the layer's path within the model; empty for the model itself.
        gate: the name of the value, such as ``"f"``.
        units: which hidden units; None for all.
        steps: which steps; see `clamp`.
        layer: which layer of a stack; None for every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.
    """
    return Freeze(module, gate, units, steps, layer, direction)


def ablate(
    module: str,
    units: Units = None,
    mode: str = "zero",
    *,
    value: str | None = None,
    mean: Tensor | None = None,
    steps: Steps = None,
    layer: int | None = None,
    direction: str | None = None,
) -> Clamp:
    """Take units out: they say zero, or always the same (Lakretz et al. 2019, arXiv:1903.07435).

    Args:
        module: the layer's path within the model; empty for the model itself.
        units: which hidden units; None for all.
        mode: ``"zero"``, or ``"mean"`` for the unit's mean.
        value: what is ablated; the cell's output (``h``) where left out.
        mean: ``(units,)``: means measured elsewhere, such as over a data set; with ``"mean"`` and
            without these, the mean over the steps and sequences of each call, run as it would be
            without the ablation.
        steps: which steps; see `clamp`.
        layer: which layer of a stack; None for every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.

    Raises:
        ValueError: there is no such mode.
    """
    if mode not in ("zero", "mean") or (mode == "zero" and mean is not None):
        raise ValueError(f"mode={mode!r}: 'zero', or 'mean' with or without mean=.")
    number = 0.0 if mode == "zero" else mean
    return Clamp(module, value or "", units, steps, layer, direction, number)


def replace_state(
    module: str,
    state: str,
    value: float | Tensor,
    units: Units = None,
    steps: Steps = None,
    *,
    layer: int | None = None,
    direction: str | None = None,
) -> Replacement:
    """Have steps start from another state than the last step left, one of your own.

    Args:
        module: the layer's path within the model; empty for the model itself.
        state: its name, such as ``"c"``.
        value: a number or a tensor; see `clamp`. One of the same layer from another trace, such as
            ``t["lstm"].c[9]``, is state patching.
        units: which hidden units; None for all.
        steps: before which steps; see `clamp`.
        layer: which layer of a stack; None for every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.
    """
    return Replacement(module, state, units, steps, layer, direction, value)


def _filled(
    change: Clamp | Replacement, mask: Tensor, operands: Operands, batch_first: bool
) -> Tensor:
    """The value as ``(T, B, size)``, its units where they belong."""
    T, B, size = mask.shape
    units = _chosen_units(change.units, size, change.module)
    given = torch.as_tensor(change.value, dtype=operands.dtype, device=operands.device)
    if given.dim() == 3 and batch_first:
        given = given.transpose(0, 1)
    try:
        wanted = given.expand(T, B, len(units))
    except RuntimeError as error:
        order = ("B", "T") if batch_first else ("T", "B")
        shape = tuple(torch.as_tensor(change.value).shape)
        raise ValueError(
            f"{change.module!r}: a value of shape {shape} does not fit ({', '.join(order)}, units) "
            f"with T = {T}, B = {B}, units = {len(units)}."
        ) from error
    if len(units) == size:
        return wanted
    index = torch.tensor(units, device=operands.device)
    return operands.x.new_zeros(T, B, size, dtype=operands.dtype).index_copy(2, index, wanted)


def _merged(
    operands: Operands, where: str, what: str, mask: Tensor, value: Tensor
) -> dict[str, Tensor]:
    """The inputs with a mask and a value in them; over an earlier one of the same name."""
    marked = mask.to(operands.dtype)
    if where in operands.inputs:
        value = torch.where(mask, value, operands.inputs[what])
        marked = torch.maximum(marked, operands.inputs[where])
    return {**operands.inputs, where: marked, what: value.contiguous()}


def _mean(recurrence: Recurrence, operands: Operands, name: str) -> Tensor:
    """``(size,)``: the mean of a value over the steps that count."""
    with torch.no_grad(), unobserved():
        series = run(recurrence, operands, (name,)).values[name]
    alive = operands.inputs.get("alive")
    if alive is None:
        return series.mean((0, 1))
    return (series * alive).sum((0, 1)) / alive.sum()


def _chosen_units(units: Units, size: int, module: str) -> list[int]:
    every = range(size)
    try:
        if units is None:
            return list(every)
        if isinstance(units, slice):
            return list(every[units])
        return [every[units]] if isinstance(units, int) else [every[int(k)] for k in units]
    except IndexError as error:
        raise ValueError(f"{module!r}: units={units!r}, but there are {size}, from 0.") from error


def _chosen_steps(steps: Steps, T: int, B: int, batch_first: bool, module: str) -> Tensor:
    """``(T, B)`` bool."""
    chosen = torch.zeros(T, dtype=torch.bool)
    if isinstance(steps, Tensor) and steps.dtype == torch.bool:
        marks = steps.T if steps.dim() == 2 and batch_first else steps
        marks = marks[:, None] if marks.dim() == 1 else marks
        if marks.dim() == 2 and marks.shape[0] == T and marks.shape[1] in (1, B):
            return marks.expand(T, B)
        raise ValueError(f"{module!r}: steps of shape {tuple(steps.shape)} for T = {T}, B = {B}.")
    if steps is None:
        chosen[:] = True
    else:
        index = steps if isinstance(steps, int | slice) else list(map(int, steps))
        try:
            chosen[index] = True
        except IndexError as error:
            raise ValueError(f"{module!r}: steps={steps!r}, but there are {T}, from 0.") from error
    return chosen[:, None].expand(T, B)
