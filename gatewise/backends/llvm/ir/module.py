"""The functions that are compiled together, and the layout of what they work on."""

from __future__ import annotations

from gatewise.backends.llvm.compiler import Compiled, compile_text
from gatewise.backends.llvm.ir.barrier import meet, wait
from gatewise.backends.llvm.ir.driver import Context
from gatewise.backends.llvm.ir.in_place import multiply_in_place
from gatewise.backends.llvm.ir.layout import Layout
from gatewise.backends.llvm.ir.outer import add_numbers, copy_rows
from gatewise.backends.llvm.ir.packing import pack_weights
from gatewise.backends.llvm.ir.rounding import pair_rows, round_rows, turn_tiles
from gatewise.backends.llvm.ir.sweep import PartEmitter
from gatewise.backends.llvm.plan.part import Part
from gatewise.backends.llvm.plan.program import Equations, Specification
from gatewise.backends.llvm.target import Target
from gatewise.equations.expression import given_leaf, input_leaf, state_leaf

TEAM_WORDS = ("team", "unit.thread", "unit.team", "barrier", "barrier.target")
"""What a thread's frame says of the team, and of those who share its sequences."""


class Module:
    """The text of one kernel and the layout of what it works on."""

    def __init__(self, equations: Equations, specification: Specification, target: Target):
        element = specification.element
        self.equations, self.element, self.target = equations, element, target
        self.layout = Layout(element, target, specification.products)
        self.context = Context()
        self.intrinsics: dict[str, str] = {}
        makers = [copy_rows, add_numbers, pack_weights, multiply_in_place]
        if self.layout.rounds:
            makers += [round_rows, pair_rows, turn_tiles]
        self.functions: list[str] = [make(element, self.intrinsics) for make in makers]
        for word in ("packed", "constants", *TEAM_WORDS):
            self.layout.word(word)
        self.functions += [make(self.layout, self.intrinsics) for make in (meet, wait)]

    def add_part(self, name: str, part: Part, shared: bool = False) -> None:
        """Write a part's functions; the threads of a team may share the units of a row."""
        equations = self.equations
        emitter = PartEmitter(
            name, part, self.layout, equations.constant, equations.units, self.intrinsics, shared
        )
        self.functions += emitter.emit()

    def add(self, text: str) -> None:
        """Add a function."""
        self.functions.append(text)

    def compile(self) -> Compiled:
        """Compile everything."""
        text = "\n\n".join(
            [*sorted(self.intrinsics.values()), *self.functions, "attributes #0 = { nounwind }"]
        )
        return compile_text(text, self.target)

    def units(self) -> dict[str, int]:
        """Units of inputs, states and givens by buffer name."""
        graph, numbers = self.equations.graph, self.equations
        found = {f"in.{n}": numbers.units(input_leaf(n)) for n in graph.inputs}
        found |= {f"state.{n}": numbers.units(state_leaf(n)) for n in graph.states}
        return found | {f"given.{n}": numbers.units(given_leaf(n)) for n in graph.givens}
