"""One call of a kernel: its buffers, its words, its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends.llvm import threads
from gatewise.backends.llvm.kernel import Call, Kernel
from gatewise.backends.llvm.workspace import workspace
from gatewise.equations.expression import Expression

HOIST_BYTES = 256 << 10
"""What a thread computes ahead for a block of steps stays in its second-level cache."""

BACKWARD_ROWS = 512
"""Rows (steps times sequences) of a block of the backward pass: long sums for the products."""


@dataclass
class Saved:
    """What a forward run leaves for the backward run.

    Attributes:
        values: kept values by step, ``(T · B · width,)``.
        past: for each state that is not the output, all its values, ``((T + 1) · B · padded,)``.
        y: the output.
    """

    values: Tensor
    past: dict[str, Tensor]
    y: Tensor


class Execution:
    """Runs a kernel on operands of T steps and B sequences."""

    def __init__(self, kernel: Kernel, inputs: Mapping[str, Tensor], B: int, T: int):
        self.kernel, self.inputs, self.B, self.T = kernel, inputs, B, T
        self.dtype = torch.float32 if kernel.element.bytes == 4 else torch.float64
        self.threads = threads.available()

    def _lease(self, elements: int) -> Tensor:
        return workspace.lease(elements, self.dtype)

    def _stride(self, buffers: Mapping, name: str) -> int:
        return buffers[name].stride

    def forward(
        self,
        states: Mapping[str, Tensor],
        givens: Mapping[str, Tensor],
        weights: Mapping[Expression, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor], Saved]:
        """Run all steps.

        Args:
            states: the states to start from, ``(B, units)``.
            givens: ``(B, units)``.
            weights: values of all weight expressions.

        Returns:
            The output ``(T, B, units)``, the last states, and what the backward run needs.
        """
        kernel, plan, T, B = self.kernel, self.kernel.forward_plan, self.T, self.B
        module, buffers = kernel.forward_module, plan.buffers
        call = Call(module.context)
        widest = sum(
            buffers[name].stride
            for name in (*(f"in.{n}" for n in plan.inputs), "hoisted", "hoist_scratch")
        )
        room = HOIST_BYTES * self.threads // (B * widest * kernel.element.bytes)
        block = max(1, min(T, room))
        self._common(call, module.layout, block)
        call.weights(kernel.forward_weights, weights)
        for name in (*(f"in.{n}" for n in plan.inputs), "hoisted", "hoist_scratch"):
            call.tensor(f"base.{name}", self._lease(B * block * buffers[name].stride))
        call.tensor("base.scratch", self._lease(B * buffers["scratch"].stride))
        units = module.units()
        y = torch.empty(T, B, buffers["y"].stride, dtype=self.dtype)
        call.tensor("base.y", y)
        values = self._lease(T * B * buffers["saved"].stride if plan.saved else 0)
        call.tensor("base.saved", values)
        past = {}
        for name, start in states.items():
            call.tensor(f"base.start.{name}", start.contiguous())
            if name != plan.output_state:
                rows = T + 1 if kernel.kept[name] else 2
                past[name] = self._lease(rows * B * buffers[f"state.{name}"].stride)
                call.tensor(f"base.past.{name}", past[name])
        self._givens(call, givens, buffers)
        for name in plan.inputs:
            call.input(name, self.inputs[name])
        call.run(kernel.forward_code, "forward", self.threads)
        last = {}
        for name in states:
            if name == plan.output_state:
                last[name] = y[0 if kernel.specification.reverse else T - 1].clone()
                continue
            if kernel.kept[name]:
                row = 0 if kernel.specification.reverse else T
            else:
                row = T & 1
            stride = buffers[f"state.{name}"].stride
            rows = past[name].view(-1, B, stride)[row]
            last[name] = rows[:, : units[f"state.{name}"]].clone()
        return y, last, Saved(values, past, y)

    def _common(self, call: Call, layout, block: int) -> None:
        call.set("T", self.T)
        call.set("B", self.B)
        call.set("block", block)
        call.tensor("base.packed", self._lease(layout.packed_elements))
        call.tensor("base.constants", self._lease(layout.constant_elements))

    def _givens(self, call: Call, givens: Mapping[str, Tensor], buffers: Mapping) -> None:
        for name, value in givens.items():
            call.tensor(f"source.given.{name}", value.contiguous())
            call.tensor(
                f"base.given.{name}", self._lease(self.B * buffers[f"given.{name}"].stride)
            )

    def backward(
        self,
        states: Mapping[str, Tensor],
        givens: Mapping[str, Tensor],
        weights: Mapping[Expression, Tensor],
        saved: Saved,
        dy: Tensor,
        flow: Mapping[str, Tensor],
    ) -> Gradients:
        """Run all steps backwards.

        Args:
            states: the states that the forward run started from.
            givens: as the forward run had them.
            weights: values of all weight expressions.
            saved: what the forward run left.
            dy: gradient of the output ``(T, B, units)``.
            flow: gradients of the last states ``(B, units)``.
        """
        kernel, plan, T, B = self.kernel, self.kernel.backward_plan, self.T, self.B
        assert plan is not None
        module, buffers = kernel.backward_module, plan.buffers
        call = Call(module.context)
        block = max(1, min(T, BACKWARD_ROWS // B))
        rows = block * B
        self._common(call, module.layout, block)
        call.weights(kernel.backward_weights, weights)
        for name in (*(f"in.{n}" for n in plan.inputs), "gradients", "vectors", "rest"):
            call.tensor(f"base.{name}", self._lease(rows * buffers[name].stride))
        gradients = call.kept[-3]
        call.tensor("base.scratch", self._lease(B * buffers["scratch"].stride))
        call.tensor("base.deferred_scratch", self._lease(rows * buffers["scratch"].stride))
        call.tensor("base.y", saved.y)
        call.tensor("base.saved", saved.values)
        call.tensor("base.dy", dy.contiguous())
        for name, past in saved.past.items():
            call.tensor(f"base.past.{name}", past)
        flows = {}
        for name in states:
            call.tensor(f"base.start.{name}", states[name].contiguous())
            call.tensor(f"source.flow.{name}", flow[name].contiguous())
            flows[name] = self._lease(2 * B * buffers[f"flow.{name}"].stride)
            call.tensor(f"base.flow.{name}", flows[name])
        self._givens(call, givens, buffers)
        dgivens = {}
        for name in givens:
            if f"dgiven.{name}" in buffers:
                dgivens[name] = self._lease(B * buffers[f"dgiven.{name}"].stride).zero_()
                call.tensor(f"base.dgiven.{name}", dgivens[name])
        for name in self.inputs:
            call.input(name, self.inputs[name])
        dx = {}
        for name in plan.input_gradients:
            dx[name] = torch.empty(self.inputs[name].shape, dtype=self.dtype)
            call.tensor(f"base.dx.{name}", dx[name])
        products = self._outer_buffers(call, rows)
        sums = self._lease(buffers["gradients"].stride).zero_()
        call.tensor("base.sums", sums)
        del gradients
        call.run(kernel.backward_code, "backward", self.threads)
        units = module.units()
        return Gradients(
            inputs=dx,
            states={
                name: flows[name].view(2, B, -1)[T & 1][:, : units[f"state.{name}"]].clone()
                for name in states
            },
            givens={
                name: value.view(B, -1)[:, : units[f"given.{name}"]].clone()
                for name, value in dgivens.items()
            },
            weights=self._weight_gradients(products, sums),
        )

    def _outer_buffers(self, call: Call, rows: int) -> list[Tensor]:
        lanes, products = self.kernel.element.lanes, []
        for job in self.kernel.jobs:
            _, a_panels, _, b_panels = job.sides(lanes)
            wide = b_panels * job.shape.vectors * lanes
            c = self._lease(a_panels * lanes * wide).zero_()
            products.append(call.tensor(f"base.{job.name}.c", c).view(-1, wide))
            call.tensor(f"base.{job.name}.a", self._lease(a_panels * lanes * rows))
            call.tensor(f"base.{job.name}.b", self._lease(wide * rows))
        return products

    def _weight_gradients(
        self, products: list[Tensor], sums: Tensor
    ) -> dict[Expression, Tensor]:
        """Gradients of matrices and vectors, cut out of the accumulated products."""
        plan = self.kernel.backward_plan
        assert plan is not None
        found: dict[Expression, Tensor] = {}
        for item in plan.weights:
            for job, product in zip(self.kernel.jobs, products, strict=True):
                inside = job.gradient <= item.gradient.offset < job.gradient + job.rows
                if job.vector != item.vector or job.columns != item.columns or not inside:
                    continue
                start = item.gradient.offset - job.gradient
                if job.swapped:
                    own = product[: item.columns, start : start + item.rows].mT
                else:
                    own = product[start : start + item.rows, : item.columns]
                found[item.matrix] = found[item.matrix] + own if item.matrix in found else own
        for vector, place, units in plan.vectors:
            found[vector] = sums[place.offset : place.offset + units]
        return found


@dataclass
class Gradients:
    """Gradients of all operands of a call, by name or expression."""

    inputs: dict[str, Tensor]
    states: dict[str, Tensor]
    givens: dict[str, Tensor]
    weights: dict[Expression, Tensor]
