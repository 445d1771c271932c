"""Calls of a kernel on T steps of B sequences: their memory, their words, their results.

What calls of the same T and B share is worked out once; a call then fills in addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
from weakref import ref

import torch
from torch import Tensor

from gatewise.backends.llvm import threads
from gatewise.backends.llvm.arrangement import Arrangement, Started
from gatewise.backends.llvm.frame import Frames
from gatewise.backends.llvm.job import FUNCTION
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.llvm.sources import Places, WeightGradients, WeightWords
from gatewise.backends.llvm.words import Addresses, InputWords, Region
from gatewise.backends.llvm.workspace import workspace

BACKWARD_ROWS = 256
"""Rows (steps times sequences) of a block of the backward pass: sums long enough for the products,
of what is still near."""

Memory = tuple[tuple[int, ...], tuple[int, ...], int]
"""A piece of a memory: its shape, its strides and its first element."""

Forwarded = tuple[Tensor, list[Tensor], Tensor]
"""An output, the last states, and the memory of what was kept."""


class ForwardCall(Arrangement):
    """Forward calls: all steps, in order."""

    def __init__(self, kernel: Kernel, T: int, B: int, team: int, places: Places):
        super().__init__(kernel, T, B, team, places)
        plan = kernel.forward_plan
        buffers = plan.buffers
        block = kernel.block_steps(T, B, team)
        self._words, parts = self.words(kernel.forward_module, block)
        self._words.set(FUNCTION, kernel.forward_code.address("forward"))
        parts |= {f"base.{n}": B * block * buffers[n].stride for n in kernel.block_buffers}
        parts["base.scratch"] = B * buffers["scratch"].stride
        self._working = Region(self._words, parts | self.given_parts(buffers), self.size)
        self._frames = Frames(self._words, self._working, self.dtype)
        self._kept = self.kept(self._words)
        self._weights = WeightWords(kernel.forward_weights, places)
        self._run = threads.entry(team)
        names = self.names
        self._inputs = InputWords(self._words, names.inputs)
        self._starts = Addresses(self._words, [f"base.start.{n}" for n in names.states])
        self._givens = Addresses(self._words, [f"source.given.{n}" for n in names.givens])
        self._results = Addresses(self._words, ["base.y", *(f"base.end.{n}" for n in names.states)])
        self._saved = self._saved_values()
        shapes = [(T, B, buffers["y"].stride)]
        shapes += [(B, kernel.units[f"state.{name}"]) for name in names.states]
        self._lease_results = [workspace.leaser(shape, self.dtype) for shape in shapes]
        self._lease_kept = workspace.leaser((self._kept.elements,), self.dtype)

    def _saved_values(self) -> dict[str, Memory]:
        """Where the named values of all steps are that the backward pass reads."""
        kernel, plan = self.kernel, self.kernel.forward_plan
        stride, found = plan.buffers["saved"].stride, {}
        for name, node in kernel.equations.graph.values.items():
            if node in plan.saved:
                shape = (self.T, self.B, kernel.equations.units(node))
                start = self._kept.slices["base.saved"].start + plan.saved[node].offset
                found[name] = (shape, (self.B * stride, stride, 1), start)
        return found

    def run(self, *operands: Sequence[Tensor]) -> Forwarded:
        """Run all steps; see `start`."""
        started = self.start(*operands)
        self._run(started.frame.address)
        return self.finish(started)

    def start(
        self,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor],
        givens: Sequence[Tensor],
        sources: Sequence[Tensor],
    ) -> Started:
        """Make everything ready.

        Args:
            inputs: ``(T, B, units)``.
            states: the states to start from, ``(B, units)``.
            givens: ``(B, units)``.
            sources: tensors that hold the weights.
        """
        frame, copies = self._frames.take(), []
        words = frame.words
        kept = self._lease_kept()
        self._kept.place(words, kept)
        frame.place_weights(self._weights, sources, copies)
        self._inputs.place(words, inputs, copies)
        self._starts.place(words, states, copies)
        self._givens.place(words, givens, copies)
        results = [lease() for lease in self._lease_results]
        self._results.place(words, results, copies)
        return Started(frame, copies, [*results, kept])

    def finish(self, started: Started) -> Forwarded:
        """The output ``(T, B, units)``, the last states, and the memory of what was kept."""
        self._frames.give(started.frame)
        y, *last, kept = started.results
        return y, last, kept

    def saved(self, kept: Tensor) -> dict[str, Callable[[], Tensor | None]]:
        """What reads the values that the backward pass needs, as long as it has not run.

        Args:
            kept: the memory that the forward run left, which nobody here keeps alive.
        """
        memory = ref(kept)

        def read(place: Memory) -> Tensor | None:
            alive = memory()
            return None if alive is None else alive.as_strided(*place)

        return {name: partial(read, place) for name, place in self._saved.items()}

    def past(self, states: Sequence[Tensor], y: Tensor, kept: Tensor) -> dict[str, Tensor]:
        """The states before each step, ``(T, B, units)``: views where the kernel keeps them.

        Args:
            states: the states that the forward run started from.
            y: what it returned.
            kept: the memory that it left.
        """
        plan, reverse, found = self.kernel.forward_plan, self.kernel.specification.reverse, {}
        for name, start in zip(self.names.states, states, strict=True):
            if name == plan.output_state:
                found[name] = torch.cat((y[1:], start[None]) if reverse else (start[None], y[:-1]))
                continue
            stride = plan.buffers[f"state.{name}"].stride
            own = kept[self._kept.slices[f"base.past.{name}"]].view(self.T + 1, self.B, stride)
            rows = own[1:] if reverse else own[:-1]
            found[name] = rows[..., : self.kernel.units[f"state.{name}"]]
        return found


class BackwardOperands(NamedTuple):
    """What a backward call reads.

    Attributes:
        inputs: as the forward run had them; likewise states, givens and sources.
        states: ``(B, units)``.
        givens: ``(B, units)``.
        sources: tensors that hold the weights.
        outputs: the output of the forward run and its gradient, ``(T, B, units)``.
        kept: the memory that the forward run left.
        flows: gradients of the last states ``(B, units)``.
    """

    inputs: Sequence[Tensor]
    states: Sequence[Tensor]
    givens: Sequence[Tensor]
    sources: Sequence[Tensor]
    outputs: tuple[Tensor, Tensor]
    kept: Tensor
    flows: Sequence[Tensor]


class Needs(NamedTuple):
    """Whose gradients are wanted, in the order of the operands."""

    states: Sequence[bool]
    sources: Sequence[bool]


class Gradients(NamedTuple):
    """Gradients of all operands of a call, in their order; None where there is none."""

    inputs: list[Tensor | None]
    states: list[Tensor | None]
    givens: list[Tensor | None]
    sources: list[Tensor | None]


class BackwardCall(Arrangement):
    """Backward calls: all steps, from the last to run to the first."""

    def __init__(
        self,
        kernel: Kernel,
        T: int,
        B: int,
        team: int,
        places: Places,
        rows: Sequence[int],
    ):
        super().__init__(kernel, T, B, team, places)
        plan = kernel.backward_plan
        assert plan is not None
        buffers = self._buffers = plan.buffers
        block = max(1, min(T, BACKWARD_ROWS // B))
        self._words, parts = self.words(kernel.backward_module, block)
        self._words.set(FUNCTION, kernel.backward_code.address("backward"))
        parts |= self._parts(block * B)
        sums = self._given_sums()
        self._working = Region(self._words, parts | sums, self.size)
        zeroed = [self._working.slices[name] for name in sums]
        self._frames = Frames(self._words, self._working, self.dtype, zeroed)
        self._kept = self.kept(self._words)
        self._weights = WeightWords(kernel.backward_weights, places)
        self._run = threads.entry(team)
        names = self.names
        self._inputs = InputWords(self._words, names.inputs)
        self._starts = Addresses(self._words, [f"base.start.{n}" for n in names.states])
        self._givens = Addresses(self._words, [f"source.given.{n}" for n in names.givens])
        self._flows = Addresses(self._words, [f"source.flow.{n}" for n in names.states])
        self._outputs = Addresses(self._words, ["base.y", "base.dy"])
        dx = plan.input_gradients
        self._input_gradients = Addresses(self._words, [f"base.dx.{name}" for name in dx])
        shapes = [(T, B, kernel.units[f"in.{name}"]) for name in dx]
        self._lease_dx = [workspace.leaser(shape, self.dtype) for shape in shapes]
        self._which_dx = [dx.index(name) if name in dx else None for name in names.inputs]
        self._gradients = WeightGradients(kernel, self._words, self._working, places, rows)
        flow = {name: self._working.slices[f"base.flow.{name}"] for name in names.states}
        self._state_gradients = [
            (
                (B, kernel.units[f"state.{name}"]),
                (buffers[f"flow.{name}"].stride, 1),
                place.start + (T & 1) * B * buffers[f"flow.{name}"].stride,
            )
            for name, place in flow.items()
        ]

    def _parts(self, rows: int) -> dict[str, int]:
        """The working memory, with so many rows in a block of steps."""
        kernel, plan, B, buffers = self.kernel, self.kernel.backward_plan, self.B, self._buffers
        assert plan is not None
        parts = {
            f"base.{name}": rows * buffers[name].stride
            for name in (*(f"in.{n}" for n in plan.inputs), "gradients", "vectors", "rest")
        }
        parts["base.sums"] = buffers["gradients"].stride
        parts["base.scratch"] = B * buffers["scratch"].stride
        if plan.deferred is not None:
            parts["base.deferred_scratch"] = rows * buffers["scratch"].stride
        for name in self.names.states:
            parts[f"base.flow.{name}"] = 2 * B * buffers[f"flow.{name}"].stride
        depth = kernel.backward_module.layout.depth(rows)
        for job in kernel.jobs:
            a, b = job.padded(kernel.element.lanes)
            parts[f"base.{job.name}.a"], parts[f"base.{job.name}.b"] = a * depth, b * depth
            parts[f"base.{job.name}.c"] = a * b
        return parts | self.given_parts(buffers)

    def _given_sums(self) -> dict[str, int]:
        """Buffers that gradients of givens are added to, from zero."""
        return {
            f"base.dgiven.{name}": self.B * self._buffers[f"dgiven.{name}"].stride
            for name in self.names.givens
            if f"dgiven.{name}" in self._buffers
        }

    def run(self, operands: BackwardOperands, needs: Needs) -> Gradients:
        """Run all steps backwards.

        Args:
            operands: of the call.
            needs: whose gradients are wanted.
        """
        started = self.start(operands, needs)
        self._run(started.frame.address)
        return self.finish(started, operands.sources, needs)

    def start(self, operands: BackwardOperands, needs: Needs) -> Started:
        """Make everything ready.

        Args:
            operands: of the call.
            needs: whose gradients are wanted.
        """
        inputs, states, givens, sources, outputs, kept, flows = operands
        frame, copies = self._frames.take(), []
        words = frame.words
        self._kept.place(words, kept)
        frame.place_weights(self._weights, sources, copies)
        self._inputs.place(words, inputs, copies)
        self._starts.place(words, states, copies)
        self._givens.place(words, givens, copies)
        self._flows.place(words, flows, copies)
        self._outputs.place(words, outputs, copies)
        dx = [lease() for lease in self._lease_dx]
        self._input_gradients.place(words, dx, copies)
        return Started(frame, copies, [*dx, *self._gradients.place(words, sources, needs.sources)])

    def finish(self, started: Started, sources: Sequence[Tensor], needs: Needs) -> Gradients:
        """The gradients.

        Args:
            started: what `start` returned.
            sources: tensors that hold the weights.
            needs: whose gradients are wanted.
        """
        made = started.results
        count = len(self._lease_dx)
        memory = started.frame.memory
        assert memory is not None
        gradients = Gradients(
            [None if k is None else made[k] for k in self._which_dx],
            [
                memory.as_strided(*piece).clone() if needed else None
                for piece, needed in zip(self._state_gradients, needs.states, strict=True)
            ],
            [self._given_gradient(name, memory) for name in self.names.givens],
            [
                self._gradients.complete(k, made[count + k], source, memory) if needed else None
                for k, (source, needed) in enumerate(zip(sources, needs.sources, strict=True))
            ],
        )
        self._frames.give(started.frame)
        return gradients

    def _given_gradient(self, name: str, memory: Tensor) -> Tensor | None:
        place = self._working.slices.get(f"base.dgiven.{name}")
        if place is None:
            return None
        return memory[place].view(self.B, -1)[:, : self.kernel.units[f"given.{name}"]].clone()
