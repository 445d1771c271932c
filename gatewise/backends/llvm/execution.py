"""One call of a kernel: its memory, its words, its results."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends.llvm import threads
from gatewise.backends.llvm.compiler import Compiled
from gatewise.backends.llvm.kernel import Kernel, Weights
from gatewise.backends.llvm.workspace import workspace
from gatewise.equations.expression import Expression

HOIST_BYTES = 256 << 10
"""What a thread computes ahead for a block of steps stays in its second-level cache."""

BACKWARD_ROWS = 512
"""Rows (steps times sequences) of a block of the backward pass: long sums for the products."""

LINE = 16
"""Parts of one lease start at multiples of so many numbers (a cache line of float32)."""


class Words:
    """The words of one call by name; whatever they point to is kept until the call is over."""

    def __init__(self, index: Mapping[str, int], dtype: torch.dtype):
        self.index, self.dtype = index, dtype
        self.values = [0] * max(1, len(index))
        self.kept: list[Tensor] = []

    def set(self, name: str, value: int) -> None:
        """Set a word, if the kernel reads it."""
        position = self.index.get(name)
        if position is not None:
            self.values[position] = value

    def tensor(self, name: str, value: Tensor) -> None:
        """Set a word to a tensor's address."""
        self.kept.append(value)
        self.set(name, value.data_ptr())

    def lease(self, parts: Mapping[str, int]) -> tuple[Tensor, dict[str, slice]]:
        """Memory for several buffers at once: their elements by name.

        Returns:
            The memory, and where in it each buffer is.
        """
        places, total = {}, 0
        for name, elements in parts.items():
            places[name] = slice(total, total + elements)
            total += -(-elements // LINE) * LINE
        memory = workspace.lease(total, self.dtype)
        self.place(memory, places)
        return memory, places

    def place(self, memory: Tensor, places: Mapping[str, slice]) -> None:
        """Set the words of buffers that share a memory."""
        self.kept.append(memory)
        start, size = memory.data_ptr(), memory.element_size()
        for name, place in places.items():
            self.set(name, start + place.start * size)

    def weights(self, weights: Weights, values: Mapping[Expression, Tensor]) -> None:
        """Set the words of matrices and constants."""
        for words, (node, turned) in zip(weights.matrix_words, weights.matrices, strict=True):
            matrix = values[node]
            row, column = matrix.stride()
            for position, value in zip(
                words,
                (matrix.data_ptr(), column, row) if turned else (matrix.data_ptr(), row, column),
                strict=True,
            ):
                self.values[position] = value
        for words, node in zip(weights.constant_words, weights.constants, strict=True):
            vector = values[node].contiguous()
            self.kept.append(vector)
            self.values[words[0]] = vector.data_ptr()
            self.values[words[1]] = vector.numel()

    def input(self, name: str, value: Tensor) -> None:
        """Set the words of an input ``(T, B, size)``; its units must be neighbours in memory."""
        if value.shape[-1] > 1 and value.stride(-1) != 1:
            value = value.contiguous()
        self.tensor(f"input.{name}", value)
        self.set(f"input.{name}.step", value.stride(0))
        self.set(f"input.{name}.row", value.stride(1))

    def run(self, compiled: Compiled, function: str, team: int) -> None:
        """Run the kernel."""
        array = (ctypes.c_int64 * len(self.values))(*self.values)
        threads.run(compiled.address(function), ctypes.addressof(array), team)


@dataclass
class Gradients:
    """Gradients of all operands of a call, by name or expression."""

    inputs: dict[str, Tensor]
    states: dict[str, Tensor]
    givens: dict[str, Tensor]
    weights: dict[Expression, Tensor]


class Execution:
    """Runs a kernel on operands of T steps and B sequences."""

    def __init__(self, kernel: Kernel, inputs: Mapping[str, Tensor], T: int, B: int):
        self.kernel, self.inputs, self.T, self.B = kernel, inputs, T, B
        self.dtype = torch.float32 if kernel.element.bytes == 4 else torch.float64
        self.threads = threads.available()

    def forward(
        self,
        states: Mapping[str, Tensor],
        givens: Mapping[str, Tensor],
        weights: Mapping[Expression, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Run all steps.

        Args:
            states: the states to start from, ``(B, units)``.
            givens: ``(B, units)``.
            weights: values of all weight expressions.

        Returns:
            The output ``(T, B, units)``, the last states, and the memory of what was kept.
        """
        kernel, plan, T, B = self.kernel, self.kernel.forward_plan, self.T, self.B
        buffers = plan.buffers
        words = Words(kernel.forward_module.context.words, self.dtype)
        room = HOIST_BYTES * self.threads // (B * kernel.hoisted_width * kernel.element.bytes)
        block = max(1, min(T, room))
        parts = {f"base.{n}": B * block * buffers[n].stride for n in kernel.block_buffers}
        parts["base.scratch"] = B * buffers["scratch"].stride
        self._begin(words, kernel.forward_module.layout, block, parts)
        words.weights(kernel.forward_weights, weights)
        self._givens(words, givens, buffers, parts)
        words.lease(parts)
        y = torch.empty(T, B, buffers["y"].stride, dtype=self.dtype)
        words.tensor("base.y", y)
        kept, places = words.lease(self._kept())
        for name, start in states.items():
            words.tensor(f"base.start.{name}", start.contiguous())
        for name in plan.inputs:
            words.input(name, self.inputs[name])
        words.run(kernel.forward_code, "forward", self.threads)
        return y, self._last(y, kept, places), kept

    def _begin(self, words: Words, layout, block: int, parts: dict[str, int]) -> None:
        words.set("T", self.T)
        words.set("B", self.B)
        words.set("block", block)
        words.set("prepare", 1)
        parts["base.packed"] = layout.packed_elements
        parts["base.constants"] = layout.constant_elements

    def _givens(
        self, words: Words, givens: Mapping[str, Tensor], buffers: Mapping, parts: dict[str, int]
    ) -> None:
        for name, value in givens.items():
            words.tensor(f"source.given.{name}", value.contiguous())
            parts[f"base.given.{name}"] = self.B * buffers[f"given.{name}"].stride

    def _kept(self) -> dict[str, int]:
        """What outlives a forward run: values for the backward run, and the states' past."""
        kernel, plan = self.kernel, self.kernel.forward_plan
        buffers = plan.buffers
        parts = {}
        if plan.saved:
            parts["base.saved"] = self.T * self.B * buffers["saved"].stride
        for name, keeps in kernel.kept.items():
            if name != plan.output_state:
                rows = self.T + 1 if keeps else 2
                parts[f"base.past.{name}"] = rows * self.B * buffers[f"state.{name}"].stride
        return parts

    def _places(self) -> dict[str, slice]:
        places, total = {}, 0
        for name, elements in self._kept().items():
            places[name] = slice(total, total + elements)
            total += -(-elements // LINE) * LINE
        return places

    def _last(self, y: Tensor, kept: Tensor, places: Mapping[str, slice]) -> dict[str, Tensor]:
        """The states after the last step that ran."""
        kernel, plan, T = self.kernel, self.kernel.forward_plan, self.T
        reverse, last = kernel.specification.reverse, {}
        for name, keeps in kernel.kept.items():
            if name == plan.output_state:
                last[name] = y[0 if reverse else T - 1].clone()
                continue
            row = (0 if reverse else T) if keeps else T & 1
            own = kept[places[f"base.past.{name}"]].view(-1, self.B, self._stride(name))
            last[name] = own[row, :, : kernel.units[f"state.{name}"]].clone()
        return last

    def past(self, states: Mapping[str, Tensor], y: Tensor, kept: Tensor) -> dict[str, Tensor]:
        """The states before each step, ``(T, B, units)``: views where the kernel keeps them.

        Args:
            states: the states that the forward run started from.
            y: what it returned.
            kept: the memory that it left.
        """
        plan, T, places = self.kernel.forward_plan, self.T, self._places()
        reverse, found = self.kernel.specification.reverse, {}
        for name, start in states.items():
            if name == plan.output_state:
                parts = (y[1:], start[None]) if reverse else (start[None], y[:-1])
                found[name] = torch.cat(parts)
                continue
            own = kept[places[f"base.past.{name}"]].view(T + 1, self.B, self._stride(name))
            rows = own[1:] if reverse else own[:-1]
            found[name] = rows[..., : self.kernel.units[f"state.{name}"]]
        return found

    def _stride(self, state: str) -> int:
        return self.kernel.forward_plan.buffers[f"state.{state}"].stride

    def backward(
        self,
        states: Mapping[str, Tensor],
        givens: Mapping[str, Tensor],
        weights: Mapping[Expression, Tensor],
        y: Tensor,
        kept: Tensor,
        dy: Tensor,
        flow: Mapping[str, Tensor],
    ) -> Gradients:
        """Run all steps backwards.

        Args:
            states: the states that the forward run started from.
            givens: as the forward run had them.
            weights: values of all weight expressions.
            y: what the forward run returned.
            kept: the memory that it left.
            dy: gradient of the output ``(T, B, units)``.
            flow: gradients of the last states ``(B, units)``.
        """
        kernel, plan, T, B = self.kernel, self.kernel.backward_plan, self.T, self.B
        assert plan is not None
        buffers = plan.buffers
        words = Words(kernel.backward_module.context.words, self.dtype)
        block = max(1, min(T, BACKWARD_ROWS // B))
        rows = block * B
        parts: dict[str, int] = {}
        self._begin(words, kernel.backward_module.layout, block, parts)
        words.weights(kernel.backward_weights, weights)
        for name in (*(f"in.{n}" for n in plan.inputs), "gradients", "vectors", "rest"):
            parts[f"base.{name}"] = rows * buffers[name].stride
        parts["base.scratch"] = B * buffers["scratch"].stride
        if plan.deferred is not None:
            parts["base.deferred_scratch"] = rows * buffers["scratch"].stride
        words.place(kept, self._places())
        words.tensor("base.y", y)
        words.tensor("base.dy", dy.contiguous())
        for name, start in states.items():
            words.tensor(f"base.start.{name}", start.contiguous())
            words.tensor(f"source.flow.{name}", flow[name].contiguous())
            parts[f"base.flow.{name}"] = 2 * B * buffers[f"flow.{name}"].stride
        self._givens(words, givens, buffers, parts)
        for name, value in self.inputs.items():
            words.input(name, value)
        dx = {n: torch.empty(self.inputs[n].shape, dtype=self.dtype) for n in plan.input_gradients}
        for name, value in dx.items():
            words.tensor(f"base.dx.{name}", value)
        for job in kernel.jobs:
            a, b = job.padded(kernel.element.lanes)
            parts[f"base.{job.name}.a"], parts[f"base.{job.name}.b"] = a * rows, b * rows
        memory, places = words.lease(parts)
        sums, total = words.lease(self._sums(givens, buffers))
        sums.zero_()
        words.run(kernel.backward_code, "backward", self.threads)
        flows = {name: memory[places[f"base.flow.{name}"]] for name in states}
        own = {name.removeprefix("base."): sums[place] for name, place in total.items()}
        return Gradients(
            inputs=dx,
            states={
                name: value.view(2, B, -1)[T & 1, :, : kernel.units[f"state.{name}"]].clone()
                for name, value in flows.items()
            },
            givens={
                name: own[f"dgiven.{name}"].view(B, -1)[:, : kernel.units[f"given.{name}"]].clone()
                for name in givens
                if f"dgiven.{name}" in own
            },
            weights=self._weight_gradients(own),
        )

    def _sums(self, givens: Mapping[str, Tensor], buffers: Mapping) -> dict[str, int]:
        """Buffers that gradients are added to, from zero."""
        parts = {"base.sums": buffers["gradients"].stride}
        for job in self.kernel.jobs:
            a, b = job.padded(self.kernel.element.lanes)
            parts[f"base.{job.name}.c"] = a * b
        for name in givens:
            if f"dgiven.{name}" in buffers:
                parts[f"base.dgiven.{name}"] = self.B * buffers[f"dgiven.{name}"].stride
        return parts

    def _weight_gradients(self, sums: Mapping[str, Tensor]) -> dict[Expression, Tensor]:
        """Gradients of matrices and vectors, cut out of the accumulated products."""
        plan, lanes = self.kernel.backward_plan, self.kernel.element.lanes
        assert plan is not None
        found: dict[Expression, Tensor] = {}
        for item, job in self.kernel.weight_jobs:
            product = sums[f"{job.name}.c"].view(-1, job.padded(lanes)[1])
            start = item.gradient.offset - job.gradient
            if job.swapped:
                own = product[: item.columns, start : start + item.rows].mT
            else:
                own = product[start : start + item.rows, : item.columns]
            found[item.matrix] = found[item.matrix] + own if item.matrix in found else own
        for vector, place, units in plan.vectors:
            found[vector] = sums["sums"][place.offset : place.offset + units]
        return found
