"""When each part of a step can be computed: once per call, for all steps at once, or in the loop.

Inside the loop a step falls into *phases*. Phase 0 needs only the last states; a product (or layer
norm) of something computed in this step ends a phase, since it needs all units of its operand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gatewise.equations.derivative import weight_expressions
from gatewise.equations.symbol import Expression, topological

ACROSS_UNITS = ("product", "layer_norm", "row_sum", "inverse_deviation")
"""Operations that read every unit of an operand."""


@dataclass(frozen=True)
class Phase:
    """A part of the loop's body: first products, then what is pointwise.

    Attributes:
        products: matrix–vector products, grouped by the vector they share, so that a group is one
            larger product.
        pointwise: everything else of this phase, operands first.
    """

    products: tuple[tuple[Expression, ...], ...]
    pointwise: tuple[Expression, ...]


@dataclass(frozen=True)
class Schedule:
    """A step's expressions, sorted by when they can be computed.

    Attributes:
        per_call: expressions of weights alone, evaluated once per call.
        hoisted: what depends on inputs and weights alone, computed for all steps at once.
        phases: the loop's body.
        depth: the phase of every expression of the loop.
    """

    per_call: tuple[Expression, ...]
    hoisted: tuple[Expression, ...]
    phases: tuple[Phase, ...]
    depth: dict[Expression, int]

    @cached_property
    def hoisted_products(self) -> tuple[tuple[Expression, ...], ...]:
        """Products of inputs, grouped by their operand."""
        return group_products(self.hoisted)


def schedule(roots: Iterable[Expression]) -> Schedule:
    """Sort all expressions under `roots`; works for a step and for its derivative."""
    order = topological(roots)
    per_call = weight_expressions(order)
    hoisted: set[Expression] = set()
    depth: dict[Expression, int] = {}
    for node in order:
        if node in per_call:
            continue
        if node.operation == "input" or (
            node.operands and all(o in hoisted or o in per_call for o in node.operands)
        ):
            hoisted.add(node)
        else:
            depth[node] = _depth(node, depth)
    return Schedule(
        per_call=tuple(node for node in order if node in per_call),
        hoisted=tuple(node for node in order if node in hoisted),
        phases=_phases([node for node in order if node in depth], depth),
        depth=depth,
    )


def _depth(node: Expression, depth: dict[Expression, int]) -> int:
    deepest = max((depth.get(operand, 0) for operand in node.operands), default=0)
    return deepest + 1 if node.operation in ACROSS_UNITS else deepest


def _phases(order: list[Expression], depth: dict[Expression, int]) -> tuple[Phase, ...]:
    last = max(depth.values(), default=0)
    phases = []
    for level in range(last + 1):
        members = [node for node in order if depth[node] == level]
        phases.append(
            Phase(
                products=group_products(members),
                pointwise=tuple(node for node in members if node.operation != "product"),
            )
        )
    return tuple(phases)


def group_products(nodes: Iterable[Expression]) -> tuple[tuple[Expression, ...], ...]:
    """Products among `nodes`, those of the same vector together."""
    groups: dict[Expression, list[Expression]] = {}
    for node in nodes:
        if node.operation == "product":
            groups.setdefault(node.operands[1], []).append(node)
    return tuple(tuple(group) for group in groups.values())
