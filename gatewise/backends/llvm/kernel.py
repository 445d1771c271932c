"""Compiled kernels for one graph and its sizes: their text, their buffers and how to call them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gatewise.backends.evaluation import Plan, constants, run
from gatewise.backends.llvm import threads
from gatewise.backends.llvm.code import Element
from gatewise.backends.llvm.compiler import Compiled, compile_text
from gatewise.backends.llvm.driver import (
    BackwardDriver,
    Context,
    ForwardDriver,
    OuterJob,
)
from gatewise.backends.llvm.outer import (
    OuterShape,
    column_sums,
    copy_rows,
    outer_panels,
    outer_tile,
    pack_rows,
    pack_weights,
)
from gatewise.backends.llvm.part import Part
from gatewise.backends.llvm.program import (
    Backward,
    BackwardPlanner,
    Equations,
    Forward,
    Specification,
    choose_saved,
    plan_forward,
)
from gatewise.backends.llvm.sweep import Layout, PartEmitter
from gatewise.backends.llvm.target import Target
from gatewise.equations.expression import Expression, state_leaf, topological


class Module:
    """The text of one kernel and the layout of what it works on."""

    def __init__(self, equations: Equations, element: Element, target: Target):
        self.equations, self.element, self.target = equations, element, target
        self.layout = Layout(element, target)
        self.context = Context()
        self.intrinsics: dict[str, str] = {}
        self.functions: list[str] = [
            make(element, self.intrinsics) for make in (copy_rows, pack_weights)
        ]
        self.layout.word("packed")
        self.layout.word("constants")

    def add_part(self, name: str, part: Part) -> None:
        """Write a part's functions."""
        equations = self.equations
        emitter = PartEmitter(
            name, part, self.layout, equations.constant, equations.units, self.intrinsics
        )
        self.functions += emitter.emit()

    def add(self, text: str) -> None:
        """Add a function."""
        self.functions.append(text)

    def compile(self) -> Compiled:
        """Compile everything."""
        threads.provide_symbols()
        text = "\n\n".join(
            [*sorted(self.intrinsics.values()), *self.functions, "attributes #0 = { nounwind }"]
        )
        return compile_text(text, self.target)

    def units(self) -> dict[str, int]:
        """Units of inputs, states and givens by buffer name."""
        graph, numbers = self.equations.graph, self.equations
        from gatewise.equations.expression import given_leaf, input_leaf

        found = {f"in.{n}": numbers.units(input_leaf(n)) for n in graph.inputs}
        found |= {f"state.{n}": numbers.units(state_leaf(n)) for n in graph.states}
        return found | {f"given.{n}": numbers.units(given_leaf(n)) for n in graph.givens}


@dataclass
class Weights:
    """Where a kernel's matrices and constants come from, call by call.

    Attributes:
        matrices: for each packed matrix, the expression to evaluate and whether it is transposed.
        constants: vectors and numbers.
    """

    matrices: list[tuple[Expression, bool]]
    constants: list[Expression]

    @classmethod
    def of(cls, layout: Layout) -> Weights:
        """What a layout needs."""
        matrices = []
        for packed in layout.packed:
            turned = packed.matrix.operation == "transpose"
            matrices.append((packed.matrix.operands[0] if turned else packed.matrix, turned))
        return cls(matrices, list(layout.constants))

    @property
    def expressions(self) -> list[Expression]:
        """Everything that has to be evaluated, once each."""
        return list(dict.fromkeys([*(m for m, _ in self.matrices), *self.constants]))


class Call:
    """The words of one call, by name."""

    def __init__(self, context: Context):
        self.context = context
        self.words = (ctypes.c_int64 * max(1, len(context.words)))()
        self.kept: list[Tensor] = []

    def set(self, name: str, value: int) -> None:
        """Set a word, if the kernel reads it."""
        index = self.context.words.get(name)
        if index is not None:
            self.words[index] = value

    def tensor(self, name: str, value: Tensor) -> Tensor:
        """Set a word to a tensor's address and keep the tensor until the call is over."""
        self.kept.append(value)
        self.set(name, value.data_ptr())
        return value

    def weights(self, weights: Weights, values: Mapping[Expression, Tensor]) -> None:
        """Set the words of matrices and constants."""
        for k, (node, turned) in enumerate(weights.matrices):
            matrix = self.tensor(f"matrix.{k}", values[node])
            row, column = matrix.stride()
            if turned:
                row, column = column, row
            self.set(f"matrix.{k}.row", row)
            self.set(f"matrix.{k}.column", column)
        for k, node in enumerate(weights.constants):
            vector = self.tensor(f"constant.{k}", values[node].contiguous())
            self.set(f"constant.{k}.units", vector.numel())

    def input(self, name: str, value: Tensor) -> None:
        """Set the words of an input ``(T, B, size)`` whose last dimension is contiguous."""
        if value.shape[-1] > 1 and value.stride(-1) != 1:
            value = value.contiguous()
        self.tensor(f"input.{name}", value)
        self.set(f"input.{name}.step", value.stride(0))
        self.set(f"input.{name}.row", value.stride(1))

    def run(self, compiled: Compiled, function: str, team: int) -> None:
        """Run the kernel."""
        threads.run(compiled.address(function), ctypes.addressof(self.words), team)


class Kernel:
    """Forward and, for training, backward code of one specification."""

    def __init__(self, specification: Specification, target: Target):
        self.specification, self.target = specification, target
        self.element = specification.element
        self.equations = Equations(specification)
        training = specification.training
        self.saved = choose_saved(self.equations) if training else []
        self.forward_plan: Forward = plan_forward(self.equations, self.element, self.saved)
        self.kept = dict.fromkeys(self.equations.graph.states, training)
        self.forward_module = self._forward_module()
        self.forward_weights = Weights.of(self.forward_module.layout)
        self.forward_code = self.forward_module.compile()
        self.backward_plan: Backward | None = None
        if training:
            self._make_backward()
        self._constants = self._constant_plan()

    def _forward_module(self) -> Module:
        plan = self.forward_plan
        module = Module(self.equations, self.element, self.target)
        for buffer in plan.buffers.values():
            module.layout.add(buffer)
        if plan.hoist is not None:
            module.add_part("hoist", plan.hoist)
        module.add_part("step", plan.step)
        driver = self._driver(ForwardDriver, module)
        module.add(driver.emit(plan, self.kept, module.units()))
        return module

    def _driver(self, kind, module: Module):
        return kind(
            module.layout,
            module.context,
            module.intrinsics,
            self.forward_plan.output_state,
            self.specification.reverse,
        )

    def _make_backward(self) -> None:
        planner = BackwardPlanner(
            self.equations,
            self.element,
            self.forward_plan.saved,
            self.specification.input_gradients,
        )
        plan = self.backward_plan = planner.plan()
        module = self.backward_module = Module(self.equations, self.element, self.target)
        for buffer in plan.buffers.values():
            module.layout.add(buffer)
        module.add_part("step", plan.step)
        if plan.deferred is not None:
            module.add_part("deferred", plan.deferred)
        self.jobs = self._outer_jobs(plan)
        shapes = {job.shape for job in self.jobs}
        for shape in sorted(shapes, key=lambda s: s.name):
            module.add(outer_tile(shape, self.element, module.intrinsics))
            module.add(outer_panels(shape, self.element, module.intrinsics))
        if self.jobs:
            module.add(pack_rows(self.element, module.intrinsics))
        if plan.vectors:
            module.add(column_sums(self.element, module.intrinsics))
        driver = self._driver(BackwardDriver, module)
        module.add(driver.emit(plan, self.jobs, self.kept, module.units()))
        self.backward_weights = Weights.of(module.layout)
        self.backward_code = module.compile()

    def _outer_jobs(self, plan: Backward) -> list[OuterJob]:
        """One product for each run of gradients that share their vector."""
        runs: dict[tuple, set[tuple[int, int]]] = {}
        for item in plan.weights:
            span = (item.gradient.offset, self.element.padded(item.rows))
            runs.setdefault((item.vector, item.columns), set()).add(span)
        jobs = []
        for (vector, columns), spans in runs.items():
            for start, width in _joined(sorted(spans)):
                swapped = columns * 2 <= self.element.lanes
                m, n = (columns, width) if swapped else (width, columns)
                shape = OuterShape.of(m, n, self.element, self.target)
                name = f"outer{len(jobs)}"
                jobs.append(OuterJob(name, start, width, vector, columns, swapped, shape))
        return jobs

    # -- constants

    def _constant_plan(self) -> tuple[Plan, list]:
        """How to evaluate expressions of weights."""
        plan = Plan()
        order = topological(self.weight_expressions)
        instructions = plan.instructions(order, ())
        for node in order:
            plan.slot(node)
        return plan, instructions

    @property
    def weight_expressions(self) -> list[Expression]:
        """Every expression of weights that forward or backward reads."""
        found = dict.fromkeys(self.forward_weights.expressions)
        if self.backward_plan is not None:
            found |= dict.fromkeys(self.backward_weights.expressions)
            found |= dict.fromkeys(self.learned)
        return list(found)

    @property
    def learned(self) -> list[Expression]:
        """Expressions of weights whose gradient the backward kernel computes."""
        if self.backward_plan is None:
            return []
        matrices = [item.matrix for item in self.backward_plan.weights]
        return list(dict.fromkeys([*matrices, *(v for v, _, _ in self.backward_plan.vectors)]))

    def evaluate(
        self, parameters: Mapping[str, Tensor], like: Tensor, named: Mapping[str, float]
    ) -> dict[Expression, Tensor]:
        """The values of all weight expressions, with autograd where it is on."""
        plan, instructions = self._constants
        values = plan.values()
        for node, value in constants(plan.slots, named, like).items():
            values[plan.slots[node]] = value
        for node, slot in plan.slots.items():
            if node.operation == "parameter":
                values[slot] = parameters[node.name]
        run(instructions, values)
        return {node: values[plan.slots[node]] for node in self.weight_expressions}


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring spans as one."""
    joined: list[tuple[int, int]] = []
    for start, width in spans:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + width)
        else:
            joined.append((start, width))
    return joined


@lru_cache(maxsize=256)
def _kernel(key: tuple, specification_graph, target: Target) -> Kernel:
    sizes, reverse, element, training, wanted = key
    specification = Specification(
        specification_graph, dict(sizes), reverse, element, training, wanted
    )
    return Kernel(specification, target)


def kernel(specification: Specification, target: Target) -> Kernel:
    """The compiled kernel of a specification, made once per process."""
    key = (
        tuple(sorted(specification.sizes.items())),
        specification.reverse,
        specification.element,
        specification.training,
        specification.input_gradients,
    )
    return _kernel(key, specification.graph, target)
