"""Plans of kernels for tests: equations of a cell at small sizes that fill no vector."""

from __future__ import annotations

import gatewise as gw
from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.plan.backward import Backward, BackwardPlanner
from gatewise.backends.llvm.plan.program import (
    Equations,
    Forward,
    Specification,
    choose_saved,
    plan_forward,
)
from gatewise.equations import Graph
from gatewise.equations.expression import Expression

ELEMENT = Element("float", 4, 8)
PADDED = 24
"""What 19 units take in vectors of 8."""


def equations_of(cell: str | Graph, training: bool = True, **sizes: int) -> Equations:
    graph = gw.cells.get(cell).graph if isinstance(cell, str) else cell
    numbers = {"I": 5, "H": 19, **sizes}
    for a, c in graph.sizes.equal:
        numbers[a] = numbers.get(c, numbers["H"])
    return Equations(Specification(graph, numbers, False, ELEMENT, training, ("x",)))


def forward_of(equations: Equations) -> Forward:
    return plan_forward(equations, ELEMENT, choose_saved(equations) if equations.training else [])


def backward_of(equations: Equations, wanted: tuple[str, ...] = ("x",)) -> Backward:
    return BackwardPlanner(equations, ELEMENT, forward_of(equations).saved, wanted).plan()


def names_of(equations: Equations, nodes) -> set[str]:
    """Expressions by the names that the cell gives them, else as text."""
    known = {value: name for name, value in equations.graph.values.items()}
    return {known.get(node, str(node)) for node in nodes}


def texts(nodes: list[Expression]) -> list[str]:
    return [str(node) for node in nodes]
