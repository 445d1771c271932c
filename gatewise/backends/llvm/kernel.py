"""Compiled kernels for one graph and its sizes: their text, their buffers and how to call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from gatewise.backends.evaluation import Plan, constants, run
from gatewise.backends.llvm.compiler import forget
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.addition import add_arrays
from gatewise.backends.llvm.execution.division import block_bytes, divides_units, pairs_well
from gatewise.backends.llvm.execution.words import elements_of
from gatewise.backends.llvm.ir.backward_driver import (
    BackwardDriver,
    Delivery,
    OuterJob,
    matrix_word,
)
from gatewise.backends.llvm.ir.forward_driver import ForwardDriver
from gatewise.backends.llvm.ir.layout import TileShape
from gatewise.backends.llvm.ir.module import Module
from gatewise.backends.llvm.ir.outer import (
    OuterShape,
    column_sums,
    deliver_tile,
    outer_matrix_tile,
    outer_panels,
    outer_tile,
    pack_rows,
)
from gatewise.backends.llvm.plan.backward import Backward, BackwardPlanner, WeightGradient
from gatewise.backends.llvm.plan.part import Place
from gatewise.backends.llvm.plan.program import (
    Equations,
    Forward,
    Specification,
    choose_saved,
    plan_forward,
)
from gatewise.backends.llvm.target import Target
from gatewise.equations.expression import (
    Expression,
    topological,
)


@dataclass
class Weights:
    """Where a kernel's matrices and constants come from, call by call.

    Attributes:
        matrices: for each packed matrix, the expression to evaluate and whether it is transposed.
        constants: vectors and numbers.
        matrix_words: positions of each matrix's address, row stride and column stride.
        constant_words: positions of each constant's address, of that of what is added to it, and
            of its units.
        constant_units: of each constant.
    """

    matrices: list[tuple[Expression, bool]]
    constants: list[Expression]
    matrix_words: list[tuple[int, int, int]]
    constant_words: list[tuple[int, int, int]]
    constant_units: list[int]

    @classmethod
    def of(cls, module: Module) -> Weights:
        """What a kernel needs."""
        index, matrices = module.context.index, []
        for packed in module.layout.packed:
            turned = packed.matrix.operation == "transpose"
            matrices.append((packed.matrix.operands[0] if turned else packed.matrix, turned))
        return cls(
            matrices,
            list(module.layout.constants),
            [
                (index(f"matrix.{k}"), index(f"matrix.{k}.row"), index(f"matrix.{k}.column"))
                for k in range(len(matrices))
            ],
            [
                (index(f"constant.{k}"), index(f"constant.{k}.added"), index(f"constant.{k}.units"))
                for k in range(len(module.layout.constants))
            ],
            [module.equations.units(node) for node in module.layout.constants],
        )

    @property
    def expressions(self) -> list[Expression]:
        """Everything that has to be evaluated, once each."""
        return list(dict.fromkeys([*(m for m, _ in self.matrices), *self.constants]))


class Kernel:
    """Forward and, for training, backward code of one specification."""

    def __init__(self, specification: Specification, target: Target):
        self.specification, self.target = specification, target
        self.element = specification.element
        self.equations = Equations(specification)
        training = specification.training
        self.saved = choose_saved(self.equations) if training else []
        self.forward_plan: Forward = plan_forward(self.equations, self.element, self.saved)
        keeps = training or specification.past
        self.kept = dict.fromkeys(self.equations.graph.states, keeps)
        self.forward_module = self._forward_module()
        self.forward_weights = Weights.of(self.forward_module)
        threads.provide_symbols()
        self.forward_code = self.forward_module.compile()
        self.backward_plan: Backward | None = None
        self.jobs: list[OuterJob] = []
        self.weight_jobs: list[tuple[WeightGradient, OuterJob]] = []
        if training:
            self._make_backward()
        self._finish()

    def _finish(self) -> None:
        """What calls look up."""
        plan = self.forward_plan
        self.codes = [self.forward_code]
        if self.backward_plan is not None:
            self.codes.append(self.backward_code)
        self.is_new = not all(code.cached for code in self.codes)
        self.mistrusted: str | None = None
        self.units = self.forward_module.units()
        self.block_buffers = [*(f"in.{n}" for n in plan.inputs), "hoisted", "hoist_scratch"]
        self.hoisted_width = sum(plan.buffers[name].stride for name in self.block_buffers)
        self.learned = self._learned()
        self.learned_set = set(self.learned)
        self.weight_expressions = self._weight_expressions()
        self.plain = all(node.operation == "parameter" for node in self.weight_expressions)
        self._constants = self._constant_plan()

    def _forward_module(self) -> Module:
        plan = self.forward_plan
        module = Module(self.equations, self.specification, self.target)
        for buffer in plan.buffers.values():
            module.layout.add(buffer)
        if plan.hoist is not None:
            module.add_part("hoist", plan.hoist)
        self.hoisted_weights = module.layout.packed_elements
        module.add_part("step", plan.step, shared=True)
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
        module = self.backward_module = Module(self.equations, self.specification, self.target)
        for buffer in plan.buffers.values():
            module.layout.add(buffer)
        module.add_part("step", plan.step, shared=True)
        if plan.deferred is not None:
            module.add_part("deferred", plan.deferred)
        self._add_jobs(plan)
        shapes = {job.shape for job in self.jobs}
        for shape in sorted(shapes, key=lambda s: s.name):
            make = outer_matrix_tile if module.layout.rounds else outer_tile
            module.add(make(shape, self.element, module.intrinsics))
            module.add(deliver_tile(shape, self.element, module.intrinsics))
            module.add(outer_panels(shape, module.layout, module.intrinsics))
        if self.jobs:
            module.add(pack_rows(self.element, module.intrinsics))
        if plan.vectors:
            module.add(column_sums(self.element, module.intrinsics))
        module.add(add_arrays(self.element, module.intrinsics))
        driver = self._driver(BackwardDriver, module)
        module.add(driver.emit(plan, self.jobs, self.kept, module.units()))
        self.backward_weights = Weights.of(module)
        self.backward_code = module.compile()

    def _add_jobs(self, plan: Backward) -> None:
        """One product for each run of gradients that share their vector."""
        runs: dict[tuple[Place, int], list[WeightGradient]] = {}
        for item in plan.weights:
            runs.setdefault((item.vector, item.columns), []).append(item)
        for (vector, columns), items in runs.items():
            spans = {(i.gradient.offset, self.element.padded(i.rows)) for i in items}
            for start, width in _joined(sorted(spans)):
                swapped = columns * 2 <= self.element.lanes
                m, n = (columns, width) if swapped else (width, columns)
                shape = OuterShape.of(m, n, self.backward_module.layout)
                name = f"outer{len(self.jobs)}"
                own = [i for i in items if start <= i.gradient.offset < start + width]
                found = () if swapped else _deliveries(plan, own, start)
                job = OuterJob(name, start, width, vector, columns, swapped, shape, found)
                self.jobs.append(job)
                self.weight_jobs += [(item, job) for item in own]

    def divides_units(self, T: int, B: int, team: int) -> bool:
        """Whether threads share the units of all sequences instead of the sequences."""
        return divides_units(self._packed_bytes, T, B, team)

    def pairs_well(self, T: int, B: int, team: int) -> bool:
        """Whether calls of two such kernels are faster side by side than in turn."""
        return pairs_well(self._packed_bytes, T, B, team)

    @property
    def weights(self) -> int:
        """How many weights a forward run packs and multiplies."""
        return self.forward_module.layout.packed_elements

    def block_steps(self, T: int, B: int, team: int) -> int:
        """Steps for which a forward run computes ahead what does not depend on the states."""
        size = self.element.bytes
        room = block_bytes(self.hoisted_weights * size) * team
        return max(1, min(T, room // (B * self.hoisted_width * size)))

    @property
    def _packed_bytes(self) -> int:
        return self.weights * self.element.bytes

    def kept_parts(self, T: int, B: int) -> dict[str, int]:
        """Elements of what outlives a forward run, by buffer: saved values and the states' past."""
        plan, parts = self.forward_plan, {}
        if plan.saved:
            parts["saved"] = T * B * plan.buffers["saved"].stride
        for name, keeps in self.kept.items():
            if name != plan.output_state:
                rows = T + 1 if keeps else 2
                parts[f"past.{name}"] = rows * B * plan.buffers[f"state.{name}"].stride
        return parts

    def kept_elements(self, T: int, B: int) -> int:
        """Elements of all of it together."""
        return elements_of(self.kept_parts(T, B))

    def forget(self) -> None:
        """Take the code out of the cache on disk."""
        for code in self.codes:
            forget(code)

    def describe(self, T: int, B: int, team: int) -> str:
        """What was compiled, and how calls of T steps of B sequences are divided, in a line."""
        target, element = self.target, self.element
        divided = "units of all sequences" if self.divides_units(T, B, team) else "batch"
        shapes = [
            TileShape.of(sweep, self.forward_module.layout)
            for sweep in self.forward_plan.step.sweeps
            if sweep.accumulators
        ]
        tiles = ", ".join(f"{s.rows}×{len(s.chunks[0]) * s.panels * element.lanes}" for s in shapes)
        parts = [
            f"{target.cpu}, vectors of {element.lanes} {element.name}s",
            f"tiles {tiles}" if tiles else "no recurrent product",
            f"{divided} split over at most {team} threads",
        ]
        if self.specification.products:
            parts.append(f"products in {self.specification.products} on matrix tiles")
        codes = [("forward", self.forward_code)]
        if self.backward_plan is not None:
            codes.append(("backward", self.backward_code))
            parts.append(f"{len(self.saved)} values kept per unit and step")
        for name, code in codes:
            took = "from the cache" if code.cached else f"compiled in {code.seconds:.2f} s"
            parts.append(f"{name} {took}")
        return "; ".join(parts)

    # -- constants

    def _constant_plan(self) -> tuple[Plan, list]:
        """How to evaluate expressions of weights."""
        plan = Plan()
        order = topological(self.weight_expressions)
        instructions = plan.instructions(order, ())
        for node in order:
            plan.slot(node)
        return plan, instructions

    def _weight_expressions(self) -> list[Expression]:
        """Every expression of weights that forward or backward reads."""
        found = dict.fromkeys(self.forward_weights.expressions)
        if self.backward_plan is not None:
            found |= dict.fromkeys(self.backward_weights.expressions)
            found |= dict.fromkeys(self.learned)
        return list(found)

    def _learned(self) -> list[Expression]:
        """Expressions of weights whose gradient the backward kernel computes."""
        if self.backward_plan is None:
            return []
        matrices = [item.matrix for item in self.backward_plan.weights]
        return list(dict.fromkeys([*matrices, *(v for v, _, _ in self.backward_plan.vectors)]))

    def evaluate(
        self, parameters: Mapping[str, Tensor], like: Tensor, named: Mapping[str, float]
    ) -> dict[Expression, Tensor]:
        """The values of all weight expressions, with autograd where it is on."""
        if self.plain:
            return {node: parameters[node.name] for node in self.weight_expressions}
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


def _deliveries(plan: Backward, items: list[WeightGradient], start: int) -> tuple[Delivery, ...]:
    """Where the rows of a product go; none where one is in two gradients, or only a part of one."""
    places = [item.gradient.offset for item in items]
    matrices = [item.matrix for item in plan.weights]
    if len(set(places)) < len(places) or any(matrices.count(i.matrix) > 1 for i in items):
        return ()
    return tuple(
        Delivery(matrix_word(plan.weights.index(item)), item.gradient.offset - start, item.rows)
        for item in items
    )


@lru_cache(maxsize=256)
def _kernel(key: tuple, specification_graph, target: Target) -> Kernel:
    sizes, *rest = key
    specification = Specification(specification_graph, dict(sizes), *rest)
    return Kernel(specification, target)


def kernel(specification: Specification, target: Target) -> Kernel:
    """The compiled kernel of a specification, made once per process."""
    key = (
        tuple(sorted(specification.sizes.items())),
        specification.reverse,
        specification.element,
        specification.training,
        specification.input_gradients,
        specification.past and not specification.training,  # training keeps it anyway
        specification.products,
    )
    return _kernel(key, specification.graph, target)
