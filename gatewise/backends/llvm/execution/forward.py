"""Forward calls of a kernel on T steps of B sequences: their memory, words and results.

What calls of the same T and B share is worked out once; a call then fills in addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from weakref import ref

import torch
from torch import Tensor

from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.arrangement import Arrangement, Started
from gatewise.backends.llvm.execution.frame import Frames
from gatewise.backends.llvm.execution.sources import Places, WeightWords
from gatewise.backends.llvm.execution.words import Addresses, InputWords, Region
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.ir.job import FUNCTION
from gatewise.backends.llvm.kernel import Kernel

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
        self._lease_output = workspace.leaser((T, B, buffers["y"].stride), self.dtype)
        shapes = [(B, kernel.units[f"state.{name}"]) for name in names.states]
        self._lease_ends = [workspace.leaser(shape, self.dtype) for shape in shapes]
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

    def run(self, *operands: Sequence[Tensor], output: Tensor | None = None) -> Forwarded:
        """Run all steps; see `start`."""
        started = self.start(*operands, output=output)
        self._run(started.frame.address)
        return self.finish(started)

    def start(
        self,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor],
        givens: Sequence[Tensor],
        sources: Sequence[Tensor],
        *,
        output: Tensor | None = None,
    ) -> Started:
        """Make everything ready.

        Args:
            inputs: ``(T, B, units)``.
            states: the states to start from, ``(B, units)``.
            givens: ``(B, units)``.
            sources: tensors that hold the weights.
            output: where the output goes, contiguous; a new tensor where left out.
        """
        frame, copies = self._frames.take(), []
        words = frame.words
        kept = self._lease_kept()
        self._kept.place(words, kept)
        frame.place_weights(self._weights, sources, copies)
        self._inputs.place(words, inputs, copies)
        self._starts.place(words, states, copies)
        self._givens.place(words, givens, copies)
        results = [lease() for lease in self._lease_ends]
        results.insert(0, self._lease_output() if output is None else output)
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
