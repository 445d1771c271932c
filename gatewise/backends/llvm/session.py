"""A kernel that goes one step at a time: weights stay packed, nothing is allocated per step."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gatewise.backends.llvm.execution.sources import WeightWords
from gatewise.backends.llvm.execution.threads import entry
from gatewise.backends.llvm.execution.words import Region, Words
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.ir.job import FUNCTION
from gatewise.backends.llvm.selection import kernel_for
from gatewise.backends.recurrence import Recurrence


class Session:
    """One recurrence, step by step, for a batch of B sequences.

    Args:
        recurrence: the graph and its sizes, forward in time.
        B: how many sequences.
        dtype: float32 or float64.
        parameters: weights by name; `refresh` reads them anew.
    """

    def __init__(
        self, recurrence: Recurrence, B: int, dtype: torch.dtype, parameters: Mapping[str, Tensor]
    ):
        self.recurrence, self.B, self.dtype = recurrence, B, dtype
        self.kernel = kernel_for(recurrence, dtype, False, ())
        self.plan = self.kernel.forward_plan
        self.call = entry(1)
        buffers, units = self.plan.buffers, self.kernel.units
        self.inputs = {
            name: np.zeros((B, units[f"in.{name}"]), self._numpy)
            for name in recurrence.graph.inputs
        }
        # the output is read as the last state while the next one is written: two take turns
        width = buffers["y"].stride
        self.outputs = [np.zeros((B, width), self._numpy) for _ in range(2)]
        self.starts = {
            name: np.zeros((B, units[f"state.{name}"]), self._numpy)
            for name in recurrence.graph.states
            if name != self.plan.output_state
        }
        self.words = Words(self.kernel.forward_module.context.words)
        self.turn = 0
        self._place()
        self.refresh(parameters)

    @property
    def _numpy(self) -> type:
        return np.float32 if self.dtype == torch.float32 else np.float64

    def _place(self) -> None:
        """Every word that stays the same."""
        kernel, plan, words, B = self.kernel, self.plan, self.words, self.B
        layout, buffers = kernel.forward_module.layout, plan.buffers
        address = kernel.forward_code.address("forward")
        for name, value in ((FUNCTION, address), ("T", 1), ("B", B), ("total", B), ("block", 1)):
            words.set(name, value)
        parts = {f"base.{name}": B * buffers[name].stride for name in kernel.block_buffers}
        parts["base.scratch"] = B * buffers["scratch"].stride
        parts["base.packed"] = layout.packed_elements
        parts["base.constants"] = layout.constant_elements
        for name in self.starts:
            parts[f"base.past.{name}"] = 2 * B * buffers[f"state.{name}"].stride
        region = Region(words, parts, self.kernel.element.bytes)
        self.memory = workspace.lease((region.elements,), self.dtype)
        region.place(words.values, self.memory)
        # a state's new value is in the second row of its past
        self.news = {
            name: self.memory[region.slices[f"base.past.{name}"]]
            .view(2, B, buffers[f"state.{name}"].stride)[1, :, : start.shape[1]]
            .numpy()
            for name, start in self.starts.items()
        }
        for name, value in self.starts.items():
            words.set(f"base.start.{name}", value.ctypes.data)
        for name, value in self.inputs.items():
            words.set(f"input.{name}", value.ctypes.data)
            words.set(f"input.{name}.row", value.shape[1])

    def refresh(self, parameters: Mapping[str, Tensor]) -> None:
        """Pack the weights as they are now; the state stays."""
        before = {name: value.copy() for name, value in self.state().items()}
        like = torch.empty(0, dtype=self.dtype)
        constants = self.recurrence.graph.constants
        values = self.kernel.evaluate(parameters, like, constants)
        places = {node: [(k, 0)] for k, node in enumerate(values)}
        self.weights = list(values.values())  # and copies: they live as long as their addresses
        words = WeightWords(self.kernel.forward_weights, places)
        words.place(self.words.values, self.weights, self.weights)
        self.words.set("prepare", 1)
        self._turns()
        self.call(ctypes.addressof(self.contexts[self.turn]))
        self.words.set("prepare", 0)
        self._turns()
        self.set_state(before)

    def _turns(self) -> None:
        """Two contexts: the output of one is the last state of the other."""
        made = []
        for now in range(2):
            self.words.set("base.y", self.outputs[1 - now].ctypes.data)
            if self.plan.output_state is not None:
                start = f"base.start.{self.plan.output_state}"
                self.words.set(start, self.outputs[now].ctypes.data)
            made.append((ctypes.c_int64 * len(self.words.values))(*self.words.values))
        self.contexts = made
        self.addresses = [ctypes.addressof(context) for context in made]

    def step(self) -> np.ndarray:
        """Run one step on what stands in `inputs`; returns the output ``(B, units)``.

        The array is written again two steps later.
        """
        turn = self.turn
        self.call(self.addresses[turn])
        for name, new in self.news.items():
            np.copyto(self.starts[name], new)
        self.turn = 1 - turn
        return self.outputs[self.turn]

    def state(self) -> dict[str, np.ndarray]:
        """The state after the last step, ``(B, units)`` by name: the memory itself."""
        return {
            name: self.outputs[self.turn] if name == self.plan.output_state else self.starts[name]
            for name in self.recurrence.graph.states
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Put another state in place."""
        for name, own in self.state().items():
            np.copyto(own, state[name])
