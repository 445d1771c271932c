"""Backward calls of a kernel on T steps of B sequences: their memory, words and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.addition import HeldGradients
from gatewise.backends.llvm.execution.arrangement import Arrangement, Started
from gatewise.backends.llvm.execution.division import parts_of
from gatewise.backends.llvm.execution.frame import Frames
from gatewise.backends.llvm.execution.sources import Places, WeightGradients, WeightWords
from gatewise.backends.llvm.execution.words import Addresses, InputWords, Region
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.ir.job import FUNCTION, shares
from gatewise.backends.llvm.kernel import Kernel

BACKWARD_ROWS = 256
"""Rows (steps times sequences) of a block of the backward pass: sums long enough for the products,
of what is still near."""


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
    givens: Sequence[bool]
    sources: Sequence[bool]


class Gradients(NamedTuple):
    """Gradients of all operands of a call, in their order; None where there is none."""

    inputs: list[Tensor | None]
    states: list[Tensor | None]
    givens: list[Tensor | None]
    sources: Sequence[Tensor | None]


SequenceGradients = tuple[list[Tensor | None], list[Tensor | None]]
"""Gradients of states and of givens."""


class BackwardPart(Arrangement):
    """Backward runs of some sequences: all steps, from the last to run to the first.

    Args:
        kernel: see `Arrangement`; likewise `T`, `B`, `team`, `places` and `total`.
        rows: of each tensor that holds weights.
        first: which of the call's sequences is the first.
    """

    def __init__(
        self,
        kernel: Kernel,
        T: int,
        B: int,
        team: int,
        places: Places,
        total: int,
        rows: Sequence[int],
        first: int,
    ):
        super().__init__(kernel, T, B, team, places, total)
        self._first = first
        plan = kernel.backward_plan
        assert plan is not None
        buffers = self._buffers = plan.buffers
        block = max(1, min(T, BACKWARD_ROWS // total))
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
        self._add_arrays = kernel.backward_code.address("add_arrays")
        names = self.names
        self._inputs = InputWords(self._words, names.inputs)
        self._starts = Addresses(self._words, [f"base.start.{n}" for n in names.states])
        self._givens = Addresses(self._words, [f"source.given.{n}" for n in names.givens])
        self._flows = Addresses(self._words, [f"source.flow.{n}" for n in names.states])
        self._outputs = Addresses(self._words, ["base.y", "base.dy"])
        dx = plan.input_gradients
        self._input_gradients = Addresses(self._words, [f"base.dx.{name}" for name in dx])
        self._shifts = self._own_rows(first) if first else []
        self._gradients = WeightGradients(kernel, self._words, self._working, places, rows)
        self.writes_all = self._gradients.whole
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

    def _own_rows(self, first: int) -> list[tuple[int, int]]:
        """For each word of a tensor with sequences: how many bytes further the part's begin."""
        strides = {f"base.{name}": self._buffers[name].stride for name in ("y", "dy")}
        kernel, plan = self.kernel, self.kernel.forward_plan
        for name in self._kept.slices:
            own = name.removeprefix("base.").replace("past.", "state.")
            strides[name] = plan.buffers[own].stride
        assert kernel.backward_plan is not None
        for name in kernel.backward_plan.input_gradients:
            strides[f"base.dx.{name}"] = kernel.units[f"in.{name}"]
        for name in self.names.states:
            strides[f"base.start.{name}"] = kernel.units[f"state.{name}"]
            strides[f"source.flow.{name}"] = kernel.units[f"state.{name}"]
        for name in self.names.givens:
            strides[f"source.given.{name}"] = kernel.units[f"given.{name}"]
        index = self._words.index
        return [
            (index[name], first * stride * self.size)
            for name, stride in strides.items()
            if name in index
        ]

    def run(self, started: Started) -> None:
        """Run all steps on the part's own threads."""
        self._run(started.frame.address)

    def start(self, operands: BackwardOperands, needs: Needs, dx: list[Tensor]) -> Started:
        """Make everything ready for the first sequences.

        Args:
            operands: of the call.
            needs: whose gradients are wanted.
            dx: the gradients of inputs, to be.
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
        self._input_gradients.place(words, dx, copies)
        gradients = self._gradients.lease(sources, needs.sources)
        self._gradients.place(words, gradients)
        return Started(frame, copies, gradients)

    def follow(self, first: Started, sources: Sequence[Tensor], needs: Needs) -> Started:
        """Make everything ready for later sequences; the gradients of weights stay here.

        Args:
            first: what `start` of the first part returned.
            sources: tensors that hold the weights.
            needs: whose gradients are wanted.
        """
        frame = self._frames.take()
        words, others = frame.words, first.frame.words
        for word, shift in self._shifts:
            words[word] = others[word] + shift
        self._inputs.follow(words, others, self._first * self.size)
        if frame.weights is None or frame.weights is not first.frame.weights:
            for word in self._weights.positions:
                words[word] = others[word]
            frame.weights = first.frame.weights
        if frame.gradients is None:
            tensors = self._gradients.lease(sources, [True] * len(sources))
            frame.gradients = HeldGradients(self._add_arrays, tensors)
        gradients = [
            gradient if needed else None
            for gradient, needed in zip(frame.gradients.tensors, needs.sources, strict=True)
        ]
        self._gradients.place(words, gradients)
        return Started(frame, [], gradients)

    def sequence_gradients(self, started: Started, needs: Needs) -> SequenceGradients:
        """The gradients of the states before the first step, and of givens, after a run.

        Args:
            started: what `start` or `follow` returned.
            needs: whose gradients are wanted.
        """
        memory = started.frame.memory
        assert memory is not None
        states: list[Tensor | None] = [None] * len(needs.states)
        if any(needs.states):
            for k, piece in enumerate(self._state_gradients):
                if needs.states[k]:
                    states[k] = memory.as_strided(*piece).clone()
        givens = [
            self._given_gradient(name, memory) if needed else None
            for name, needed in zip(self.names.givens, needs.givens, strict=True)
        ]
        return states, givens

    def weight_gradients(
        self, started: Started, sources: Sequence[Tensor], needs: Needs
    ) -> Sequence[Tensor | None]:
        """The gradients of the tensors that hold the weights, after a run; see `start`."""
        if self.writes_all:
            return started.results
        memory = started.frame.memory
        assert memory is not None
        return [
            self._gradients.complete(k, started.results[k], source, memory) if needed else None
            for k, (source, needed) in enumerate(zip(sources, needs.sources, strict=True))
        ]

    def end(self, started: Started) -> None:
        """Let the next run have the frame."""
        self._frames.give(started.frame)

    def _given_gradient(self, name: str, memory: Tensor) -> Tensor | None:
        place = self._working.slices.get(f"base.dgiven.{name}")
        if place is None:
            return None
        return memory[place].view(self.B, -1)[:, : self.kernel.units[f"given.{name}"]].clone()


class BackwardCall:
    """Backward calls: all sequences, or both halves of them side by side.

    A half has threads of its own, which need nothing that others have just written; what halves
    have in common is added in the end. Sizes alone say whether there are halves, so that sums have
    the same order on any number of threads.

    Args:
        kernel: see `Arrangement`; likewise `T`, `B`, `team` and `places`.
        rows: of each tensor that holds weights.
    """

    def __init__(
        self, kernel: Kernel, T: int, B: int, team: int, places: Places, rows: Sequence[int]
    ):
        assert kernel.backward_plan is not None
        counts = parts_of(kernel.weights * kernel.element.bytes, T, B)
        own = (team,) if len(counts) == 1 else shares(team)
        firsts = [sum(counts[:k]) for k in range(len(counts))]
        self.team = team
        self.parts = [
            BackwardPart(kernel, T, count, share, places, B, rows, first)
            for first, count, share in zip(firsts, counts, own, strict=True)
        ]
        dx, names = kernel.backward_plan.input_gradients, self.parts[0].names
        shapes = [(T, B, kernel.units[f"in.{name}"]) for name in dx]
        self._lease_dx = [workspace.leaser(shape, self.parts[0].dtype) for shape in shapes]
        self._which_dx = [dx.index(name) if name in dx else None for name in names.inputs]

    def run(self, operands: BackwardOperands, needs: Needs) -> Gradients:
        """Run all steps backwards.

        Args:
            operands: of the call.
            needs: whose gradients are wanted.
        """
        started, dx = self.start(operands, needs)
        if len(started) == 1:
            self.parts[0].run(started[0])
        else:
            started[0].frame.run_beside(started[1].frame, self.team)
        return self.finish(started, dx, operands.sources, needs)

    def start(self, operands: BackwardOperands, needs: Needs) -> tuple[list[Started], list[Tensor]]:
        """Make everything ready: each part, and the gradients of inputs, to be."""
        dx = [lease() for lease in self._lease_dx]
        first, *later = self.parts
        started = [first.start(operands, needs, dx)]
        for part in later:
            started.append(part.follow(started[0], operands.sources, needs))
        return started, dx

    def finish(
        self, started: list[Started], dx: list[Tensor], sources: Sequence[Tensor], needs: Needs
    ) -> Gradients:
        """The gradients.

        Args:
            started: what `start` returned, likewise `dx`.
            dx: gradients of inputs.
            sources: tensors that hold the weights.
            needs: whose gradients are wanted.
        """
        inputs = [None if k is None else dx[k] for k in self._which_dx]
        part, own = self.parts[0], started[0]
        weights = part.weight_gradients(own, sources, needs)
        states, givens = part.sequence_gradients(own, needs)
        part.end(own)
        for part, own in zip(self.parts[1:], started[1:], strict=True):
            held = own.frame.gradients
            assert held is not None
            if part.writes_all:
                held.add_to(weights, self.team)
            else:
                _add(weights, part.weight_gradients(own, sources, needs))
            later = part.sequence_gradients(own, needs)
            states, givens = _behind(states, later[0]), _behind(givens, later[1])
            part.end(own)
        return Gradients(inputs, states, givens, weights)


def _add(to: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> None:
    for own, other in zip(to, others, strict=True):
        if own is not None and other is not None:
            own.add_(other)


def _behind(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> list[Tensor | None]:
    return [
        None if own is None or other is None else torch.cat((own, other))
        for own, other in zip(first, second, strict=True)
    ]
