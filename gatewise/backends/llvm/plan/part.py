"""The plan of one part of a kernel: which sweeps over rows compute which expressions.

A *part* turns available values of a row (a step of one sequence) into new ones. It consists of
stages in order. A *reduction* sums over all units of a row; a *sweep* runs over the units of one
size, multiplies matrices with vectors that are complete, and computes what is pointwise while the
products are in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gatewise.equations.expression import Condition, Expression

REDUCTIONS = ("row_sum", "layer_norm", "inverse_deviation")


@dataclass(frozen=True)
class Place:
    """Where a value of a row is kept.

    Attributes:
        buffer: the buffer's name.
        offset: elements from the start of the row.
        single: whether it is one number per row, to be broadcast.
    """

    buffer: str
    offset: int = 0
    single: bool = False


@dataclass(frozen=True)
class Buffer:
    """Rows of numbers.

    Attributes:
        name: unique within a kernel.
        stride: elements from row to row.
        units: valid elements where a row is not padded to whole vectors; None where it is.
    """

    name: str
    stride: int
    units: int | None = None


@dataclass(frozen=True)
class Factor:
    """A matrix of a product group: which accumulator it adds to."""

    matrix: Expression
    accumulator: int


@dataclass(frozen=True)
class Group:
    """Products that share a vector: the accumulators of `factors` grow by matrix times vector."""

    vector: Expression
    depth: int  # units of the vector
    factors: tuple[Factor, ...]


@dataclass
class Sweep:
    """One pass over the units of a size.

    Attributes:
        units: how many there are.
        accumulators: for each, the products that it sums.
        groups: the products by vector.
        folded: sums whose products are in one accumulator: the accumulator and the other terms.
        stores: values to write, and where.
    """

    units: int
    accumulators: list[list[Expression]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    folded: dict[Expression, tuple[int, list[Expression]]] = field(default_factory=dict)
    stores: list[tuple[Expression, Place]] = field(default_factory=list)


@dataclass
class Reduction:
    """Sums over all units of a row.

    Attributes:
        operands: what is summed, with the number of units of each.
        kind: ``row_sum``, or ``moments`` (mean and 1/deviation, two numbers).
        epsilon: added to the variance.
        place: where the result is written; the second number of moments follows the first.
    """

    operands: list[tuple[Expression, int]]
    kind: str
    epsilon: float
    place: Place


Stage = Sweep | Reduction


@dataclass
class Part:
    """Stages, and where each leaf and each stored value is found.

    Attributes:
        stages: in order.
        leaves: values that exist before the part runs.
        places: of leaves and of what the stages store.
        moments: places of mean and 1/deviation, by operands and epsilon.
    """

    stages: list[Stage]
    leaves: frozenset[Expression]
    places: dict[Expression, Place]
    moments: dict[tuple[Any, ...], Place]

    @property
    def sweeps(self) -> list[Sweep]:
        """The stages that are sweeps."""
        return [stage for stage in self.stages if isinstance(stage, Sweep)]


class PartPlanner:
    """Plans a part.

    Args:
        leaves: values that exist already, and where.
        constant: expressions that are the same for all rows (weights, numbers, constants).
        units: the number of units of an expression.
        scratch: makes a place for a value that a later stage needs; called with the expression
            (None for one number) and its units.
    """

    def __init__(
        self,
        leaves: Mapping[Expression, Place],
        constant: set[Expression],
        units: Callable[[Expression], int],
        scratch: Callable[[int, bool], Place],
    ):
        self.places, self.constant = dict(leaves), constant
        self.units, self.scratch = units, scratch
        self.leaves = frozenset(leaves)
        self.moments: dict[tuple[Any, ...], Place] = {}

    def plan(self, roots: Sequence[tuple[Expression, Place]]) -> Part:
        """Stages that compute every root and write it to its place."""
        nodes = self._needed([node for node, _ in roots])
        depth = self._depths(nodes)
        stores = self._stores(roots, nodes, depth)
        self.uses = self._count_uses(nodes, stores)
        stages: list[Stage] = []
        for level in range(max([depth[n] for n in nodes], default=0) + 1):
            here = [node for node in nodes if depth[node] == level]
            stages += self._reductions(here)
            stages += self._sweeps(here, stores, level, depth)
        return Part(stages, self.leaves, self.places, self.moments)

    def _needed(self, roots: list[Expression]) -> list[Expression]:
        """What has to be computed, operands first; leaves and constants end the search."""
        order: list[Expression] = []
        seen: set[Expression] = set()
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                order.append(node)
            elif node not in seen and node not in self.places and node not in self.constant:
                seen.add(node)
                stack.append((node, True))
                stack += [(operand, False) for operand in reversed(node.operands)]
        return order

    def _depths(self, nodes: list[Expression]) -> dict[Expression, int]:
        depth: dict[Expression, int] = {}
        for node in nodes:
            deepest = max((depth.get(operand, 0) for operand in node.operands), default=0)
            across = node.operation == "product" or node.operation in REDUCTIONS
            depth[node] = deepest + 1 if across else deepest
        return depth

    def _stores(
        self,
        roots: Sequence[tuple[Expression, Place]],
        nodes: list[Expression],
        depth: dict[Expression, int],
    ) -> list[tuple[Expression, Place]]:
        """Roots, and whatever a later stage reads and cannot compute again."""
        stores = [(node, place) for node, place in roots]
        stored = dict(roots)
        for node in nodes:
            for operand in node.operands:
                if operand not in depth or operand in stored or isinstance(operand, Condition):
                    continue
                if self._must_be_stored(node, operand, depth):
                    place = self.scratch(self.units(operand), self.units(operand) == 1)
                    stored[operand] = place
                    stores.append((operand, place))
        # a condition is computed again where it is used: what it compares must be there
        return stores + self._for_conditions(nodes, stored, depth)

    def _must_be_stored(
        self, node: Expression, operand: Expression, depth: dict[Expression, int]
    ) -> bool:
        if operand.operation == "row_sum":
            return False  # kept per row by the reduction itself
        if node.operation == "product" and operand is node.operands[1]:
            return True
        if operand.operation in REDUCTIONS:
            return False  # follows from moments, which are kept per row
        if depth[operand] == 0:
            return False
        one = self.units(operand) == 1 and self.units(node) != 1
        return depth[operand] < depth[node] or one

    def _for_conditions(
        self,
        nodes: list[Expression],
        stored: dict[Expression, Place],
        depth: dict[Expression, int],
    ) -> list[tuple[Expression, Place]]:
        last_use: dict[Expression, int] = {}
        for node in nodes:
            for operand in node.operands:
                if isinstance(operand, Condition) and operand in depth:
                    last_use[operand] = max(last_use.get(operand, 0), depth[node])
        added = []
        for condition in reversed([n for n in nodes if n in last_use]):
            for operand in condition.operands:
                if operand not in depth or operand in stored:
                    continue
                if isinstance(operand, Condition):
                    last_use[operand] = max(last_use.get(operand, 0), last_use[condition])
                elif 0 < depth[operand] < last_use[condition]:
                    stored[operand] = self.scratch(self.units(operand), self.units(operand) == 1)
                    added.append((operand, stored[operand]))
        return added

    def _count_uses(
        self, nodes: list[Expression], stores: list[tuple[Expression, Place]]
    ) -> dict[Expression, int]:
        uses: dict[Expression, int] = {}
        for node in nodes:
            for operand in node.operands:
                uses[operand] = uses.get(operand, 0) + 1
        for node, _ in stores:
            uses[node] = uses.get(node, 0) + 1
        return uses

    def _reductions(self, here: list[Expression]) -> list[Reduction]:
        made = []
        for node in here:
            if node.operation == "row_sum":
                place = self.scratch(1, True)
                made.append(Reduction(self._counted(node), "row_sum", 0.0, place))
                self.places[node] = place
            elif node.operation in ("layer_norm", "inverse_deviation"):
                epsilon = node.attributes[-1]
                key = (*node.operands, epsilon)
                if key not in self.moments:
                    self.moments[key] = self.scratch(2, True)
                    made.append(
                        Reduction(self._counted(node), "moments", epsilon, self.moments[key])
                    )
        return made

    def _counted(self, node: Expression) -> list[tuple[Expression, int]]:
        return [(operand, self.units(operand)) for operand in node.operands]

    def _sweeps(
        self,
        here: list[Expression],
        stores: list[tuple[Expression, Place]],
        level: int,
        depth: dict[Expression, int],
    ) -> list[Sweep]:
        """One sweep per size, single numbers first: they may be read by the others."""
        due = [(n, place) for n, place in stores if depth.get(n, 0) == level]
        due = [(n, place) for n, place in due if level == 0 or n in depth]
        sizes = sorted({self.units(node) for node, _ in due})
        made = []
        for units in sizes:
            sweep = Sweep(units)
            sweep.stores = [(n, place) for n, place in due if self.units(n) == units]
            members = self._members([n for n, _ in sweep.stores], here)
            self._accumulate(sweep, members)
            made.append(sweep)
            self._now_available(sweep)
        return made

    def _now_available(self, sweep: Sweep) -> None:
        for node, place in sweep.stores:
            self.places.setdefault(node, place)

    def _members(self, roots: list[Expression], here: list[Expression]) -> list[Expression]:
        """The expressions of this level that a sweep's stores need."""
        level, needed = set(here), set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in needed or node not in level or node in self.places:
                continue
            needed.add(node)
            if node.operation != "product":
                stack += node.operands
        return [node for node in here if node in needed]

    def _accumulate(self, sweep: Sweep, members: list[Expression]) -> None:
        """Give every product an accumulator; products of one sum share theirs."""
        products = [node for node in members if node.operation == "product"]
        taken: set[Expression] = set()
        for node in reversed(members):
            if node.operation != "add" or node in taken:
                continue
            terms, inner = self._terms(node, set(members))
            own = [t for t in terms if t in products and self.uses[t] == 1 and t not in taken]
            if not own:
                continue
            taken.update(own, inner)
            sweep.folded[node] = (len(sweep.accumulators), [t for t in terms if t not in own])
            sweep.accumulators.append(own)
        for node in products:
            if node not in taken:
                sweep.folded[node] = (len(sweep.accumulators), [])
                sweep.accumulators.append([node])
        by_vector: dict[Expression, list[Factor]] = {}
        for k, own in enumerate(sweep.accumulators):
            for product in own:
                matrix, vector = product.operands
                by_vector.setdefault(vector, []).append(Factor(matrix, k))
        sweep.groups = [
            Group(vector, self.units(vector), tuple(factors))
            for vector, factors in by_vector.items()
        ]

    def _terms(
        self, node: Expression, members: set[Expression]
    ) -> tuple[list[Expression], set[Expression]]:
        """The terms of a sum, through inner sums that nothing else uses."""
        terms: list[Expression] = []
        inner: set[Expression] = set()
        for operand in node.operands:
            alone = self.uses.get(operand) == 1 and operand in members
            if operand.operation == "add" and alone and operand not in self.places:
                inner.add(operand)
                deeper, more = self._terms(operand, members)
                terms += deeper
                inner |= more
            else:
                terms.append(operand)
        return terms, inner
