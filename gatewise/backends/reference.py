"""The reference backend: the equations on torch operators, step by step. It is the truth.

What depends on inputs alone is computed for all steps at once, products that share a vector are one
product; nothing else is done for speed. Gradients are autograd's, of any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from gatewise.backends.evaluation import Instruction, Plan, constants, run
from gatewise.backends.recurrence import PAST, Operands, Recurrence, Result
from gatewise.equations import Graph
from gatewise.equations.products import Schedule, schedule
from gatewise.equations.size import size_number
from gatewise.equations.symbol import Expression


class ReferenceBackend:
    """Runs any cell, on any device and floating dtype, with any derivative."""

    name = "reference"

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """It runs everything."""
        return None

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        """That it goes step by step."""
        return "one torch operation after the other, step by step"

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps of a recurrence.

        Args:
            recurrence: the graph, its sizes and its direction.
            operands: inputs ``(T, B, size)``, states ``(B, size)`` and parameters.
            keep: names of values to return at every step; ``"past.c"`` for a state before it.

        Returns:
            The output ``(T, B, size)``, the last states and the kept values.
        """
        loop = loop_of(recurrence.graph)
        values, steps = loop.prepare(operands)
        graph = recurrence.graph
        T, B = operands.x.shape[:2]
        before = [name.removeprefix(PAST) for name in keep if name.startswith(PAST)]
        roots = [graph.output, *(graph.values[n] for n in keep if not n.startswith(PAST))]
        sizes = [
            *(recurrence.state_size(name) for name in before),
            recurrence.output_size,
            *(_size(recurrence, node) for node in roots[1:]),
        ]
        kept: list[list[Tensor]] = [[] for _ in sizes]
        states = dict(operands.states)
        for t in range(T - 1, -1, -1) if recurrence.reverse else range(T):
            loop.enter(values, steps, states, t)
            run(loop.body, values)
            found = [values[loop.plan.slots[node]] for node in roots]
            for series, value, size in zip(
                kept, [*map(states.__getitem__, before), *found], sizes, strict=True
            ):
                series.append(value if value.shape == (B, size) else value.expand(B, size))
            states = {
                name: _full(values[loop.plan.slots[node]], states[name])
                for name, node in graph.new_states.items()
            }
        if recurrence.reverse:
            kept = [series[::-1] for series in kept]
        stacked = [
            torch.stack(series)
            if series
            else operands.x.new_zeros(0, B, size, dtype=operands.dtype)
            for series, size in zip(kept, sizes, strict=True)
        ]
        named = dict(zip([PAST + n for n in before], stacked[: len(before)], strict=True))
        others = [name for name in keep if not name.startswith(PAST)]
        named |= zip(others, stacked[len(before) + 1 :], strict=True)
        return Result(stacked[len(before)], states, {name: named[name] for name in keep})


def _full(value: Tensor, like: Tensor) -> Tensor:
    """A state that does not depend on the batch still has a row for each sequence."""
    return value if value.shape == like.shape else value.expand_as(like)


def _size(recurrence: Recurrence, node: Expression) -> int:
    return size_number(recurrence.graph.sizes.values[node], recurrence.sizes)


class Loop:
    """A graph, sorted and planned once: what runs before the loop, and the loop's body."""

    def __init__(self, graph: Graph, sorted_: Schedule):
        self.graph, self.schedule, self.plan = graph, sorted_, Plan()
        groups = [*sorted_.hoisted_products, *(g for p in sorted_.phases for g in p.products)]
        self.before: list[Instruction] = [
            *self.plan.instructions(sorted_.per_call, ()),
            *self.plan.stacks(groups),
            *self.plan.instructions(sorted_.hoisted, sorted_.hoisted_products),
        ]
        self.body: list[Instruction] = []
        inside: list[Expression] = []
        for phase in sorted_.phases:
            nodes = [*(node for group in phase.products for node in group), *phase.pointwise]
            self.body += self.plan.instructions(nodes, phase.products)
            inside += nodes
        for node in (*sorted_.per_call, *sorted_.hoisted, *inside):
            self.plan.slot(node)
        self.used = self._hoisted_in_loop(inside)
        self.state_slots = [
            (node.name, slot) for node, slot in self.plan.slots.items() if node.operation == "state"
        ]

    def _hoisted_in_loop(self, inside: list[Expression]) -> list[Expression]:
        """Hoisted values that a step reads or returns, one row of time at each step."""
        needed = {operand for node in inside for operand in node.operands}
        needed.update(self.graph.roots)
        return [node for node in self.schedule.hoisted if node in needed]

    def prepare(self, operands: Operands) -> tuple[list, dict[int, tuple[Tensor, ...]]]:
        """Compute what stands before the loop.

        Returns:
            The values by slot, and for each hoisted slot its value at every step.
        """
        values = self.plan.values()
        like = next(iter(operands.states.values()))
        known = constants(self.plan.slots, self.graph.constants, like)
        for node, slot in self.plan.slots.items():
            match node.operation:
                case "number" | "constant":
                    values[slot] = known[node]
                case "parameter":
                    values[slot] = operands.parameters[node.name]
                case "input":
                    values[slot] = operands.inputs[node.name]
                case "given":
                    values[slot] = operands.givens[node.name]
        run(self.before, values)
        slots = [self.plan.slots[node] for node in self.used]
        return values, {slot: values[slot].unbind(0) for slot in slots}

    def enter(
        self,
        values: list,
        steps: dict[int, tuple[Tensor, ...]],
        states: dict[str, Tensor],
        t: int,
    ) -> None:
        """Put the inputs and states of step t into their slots."""
        for slot, series in steps.items():
            values[slot] = series[t]
        for name, slot in self.state_slots:
            values[slot] = states[name]


@lru_cache(maxsize=256)
def loop_of(graph: Graph) -> Loop:
    """The planned loop of a graph, made once."""
    return Loop(graph, schedule(graph.roots))


def evaluate_steps(
    recurrence: Recurrence,
    operands: Operands,
    past: Mapping[str, Tensor],
    nodes: Sequence[Expression],
) -> list[Tensor]:
    """Values of all steps at once, where the states before every step are known.

    Args:
        recurrence: the graph and its sizes.
        operands: of the whole call; the states that it starts from are not read.
        past: the states before each step, ``(T, B, size)`` by name.
        nodes: expressions of the graph: named values, or what they are computed from.

    Returns:
        ``(T, B, size)`` for each node.
    """
    loop = loop_of(recurrence.graph)
    values, _ = loop.prepare(operands)
    for name, slot in loop.state_slots:
        values[slot] = past[name]
    run(loop.body, values)
    shape = operands.x.shape[:2]
    return [values[loop.plan.slots[n]].expand(*shape, _size(recurrence, n)) for n in nodes]
