"""What a kernel computes: parts, buffers and what is kept for the backward pass, from a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.plan.part import Buffer, Part, PartPlanner, Place
from gatewise.backends.llvm.plan.sums import regroup_sums
from gatewise.equations import Graph
from gatewise.equations.derivative import Derivative, differentiate, weight_expressions
from gatewise.equations.expression import (
    Condition,
    Expression,
    Value,
    cotangent_leaf,
    given_leaf,
    input_leaf,
    state_leaf,
    topological,
)
from gatewise.equations.products import schedule
from gatewise.equations.size import Size, infer_sizes, size_number

HEAVY = ("product", "layer_norm", "row_sum")
"""Operations that cannot be computed again from one unit's values."""


@dataclass(frozen=True)
class Specification:
    """Everything that a compiled kernel is specialised on.

    Attributes:
        graph: one step.
        sizes: the number of each size name.
        reverse: the direction of time.
        element: element type and vector width.
        training: whether a backward pass will follow.
        input_gradients: names of the inputs whose gradient is wanted.
        past: whether the states of all steps are read afterwards, training or not.
        products: ``"bfloat16"`` where the factors of products are rounded to it; else empty.
    """

    graph: Graph
    sizes: Mapping[str, int]
    reverse: bool
    element: Element
    training: bool
    input_gradients: tuple[str, ...]
    past: bool = False
    products: str = ""


class Equations:
    """A graph in the order that kernels like, its derivative, and the units of every value."""

    def __init__(self, specification: Specification):
        self.graph = regroup_sums(specification.graph)
        self.numbers = specification.sizes
        self.training = specification.training
        self.derivative: Derivative | None = (
            differentiate(self.graph) if specification.training else None
        )
        roots: list[Expression] = list(self.graph.roots)
        if self.derivative is not None:
            roots += self.derivative.roots
        self.order = topological(roots)
        weights = weight_expressions(self.order)
        # comparisons of weights are made where they are used: they have no number to be read
        self.constant = {
            node
            for node in self.order
            if node.operation == "unit_count"
            or (node in weights and not isinstance(node, Condition))
        }
        leaves = self._leaf_sizes()
        results: dict[Expression, list[tuple[str, Size]]] = {}
        for name, value in self.graph.new_states.items():
            results.setdefault(value, []).append((name, leaves[state_leaf(name)]))
        # leaves that nothing reads have a size too
        self.sizes = {**leaves, **infer_sizes(roots, leaves, results).values}
        self.forward_nodes = set(self.graph.order)

    def _leaf_sizes(self) -> dict[Expression, Size]:
        graph = self.graph
        sizes: dict[Expression, Size] = {}
        for name, size in graph.inputs.items():
            sizes[input_leaf(name)] = size
        for name, size in graph.givens.items():
            sizes[given_leaf(name)] = size
        for name, size in graph.states.items():
            sizes[state_leaf(name)] = size
            sizes[cotangent_leaf(name)] = size
        sizes[cotangent_leaf("output")] = graph.sizes.values[graph.output]
        # names that must be the same number are one name from here on
        same: dict[Size, Size] = dict(graph.sizes.equal)
        return {leaf: same.get(size, size) for leaf, size in sizes.items()}

    def units(self, node: Expression) -> int:
        """How many units a value has."""
        if node not in self.sizes:
            return max((self.units(operand) for operand in node.operands), default=1)
        return size_number(self.sizes[node], self.numbers)


@dataclass
class Rows:
    """A buffer whose rows hold several values side by side, each padded to whole vectors."""

    name: str
    element: Element
    width: int = 0
    places: dict[Expression, Place] = field(default_factory=dict)

    def place(self, node: Expression, units: int) -> Place:
        """The place of a value, made at the first call."""
        if node not in self.places:
            self.places[node] = self.extend(units, units == 1)
        return self.places[node]

    def extend(self, units: int, single: bool = False) -> Place:
        """A new place."""
        place = Place(self.name, self.width, single)
        self.width += self.element.padded(units)
        return place

    def buffer(self) -> Buffer:
        """The buffer as kernels address it."""
        return Buffer(self.name, max(self.width, 1))


class Places:
    """Places that forward and backward share: inputs, givens, states and kept values."""

    def __init__(self, equations: Equations, element: Element):
        self.equations, self.element = equations, element
        graph = equations.graph
        self.output_units = equations.units(graph.output)
        self.output_state = next(
            (name for name, value in graph.new_states.items() if value is graph.output), None
        )
        self.buffers: dict[str, Buffer] = {"y": Buffer("y", self.output_units, self.output_units)}
        self.leaves: dict[Expression, Place] = {}
        for name in graph.inputs:
            self._leaf(input_leaf(name), f"in.{name}")
        for name in graph.givens:
            self._leaf(given_leaf(name), f"given.{name}")
        for name in graph.states:
            self._leaf(state_leaf(name), f"state.{name}", name == self.output_state)
            self.row(f"new.{name}", self.units(state_leaf(name)), name == self.output_state)

    def units(self, node: Expression) -> int:
        """How many units a value has."""
        return self.equations.units(node)

    def row(self, name: str, units: int, exact: bool = False) -> Buffer:
        """Make a buffer of one value per row, padded unless it is exact."""
        stride = units if exact else self.element.padded(units)
        self.buffers[name] = Buffer(name, stride, units if exact else None)
        return self.buffers[name]

    def _leaf(self, node: Value, name: str, exact: bool = False) -> None:
        units = self.units(node)
        self.row(name, units, exact)
        self.leaves[node] = Place(name, 0, units == 1)

    def used_inputs(self, parts: list[Part]) -> list[str]:
        """Inputs whose rows the parts read."""
        return [
            name
            for name in self.equations.graph.inputs
            if any(input_leaf(name) in read_leaves(part, self.equations) for part in parts)
        ]


def read_leaves(part: Part, equations: Equations) -> set[Expression]:
    """The leaves that a part's stages read."""
    found: set[Expression] = set()
    stack: list[Expression] = []
    for stage in part.stages:
        if hasattr(stage, "stores"):
            stack += [node for node, _ in stage.stores]  # type: ignore[union-attr]
        else:
            stack += [node for node, _ in stage.operands]  # type: ignore[union-attr]
    seen: set[Expression] = set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node in part.leaves:
                found.add(node)
            else:
                stack += node.operands
    return found


@dataclass
class Forward:
    """The forward kernel's plan.

    Attributes:
        hoist: what is computed for a block of steps at once; None where there is nothing.
        step: the loop's body.
        buffers: every buffer by name.
        saved: values kept for the backward pass, and where.
        output_state: the state that is the output, whose past stands in y; None where none is.
        inputs: names of the inputs that are read.
    """

    hoist: Part | None
    step: Part
    buffers: dict[str, Buffer]
    saved: dict[Expression, Place]
    output_state: str | None
    inputs: list[str]


def plan_forward(equations: Equations, element: Element, saved: list[Expression]) -> Forward:
    """Plan the forward kernel; `saved` are values that the backward pass will read."""
    places = Places(equations, element)
    graph = equations.graph
    hoisted = _hoisted_frontier(equations, saved)
    gx, scratch = Rows("hoisted", element), Rows("scratch", element)
    hoist_scratch, kept = Rows("hoist_scratch", element), Rows("saved", element)
    hoist = None
    if hoisted:
        inputs = {n: p for n, p in places.leaves.items() if n.operation == "input"}
        planner = PartPlanner(inputs, equations.constant, places.units, hoist_scratch.extend)
        hoist = planner.plan([(n, gx.place(n, places.units(n))) for n in hoisted])
    roots = [(graph.output, Place("y", 0, places.output_units == 1))]
    for name, value in graph.new_states.items():
        if name != places.output_state:
            single = places.units(state_leaf(name)) == 1
            roots.append((value, Place(f"new.{name}", 0, single)))
    roots += [(node, kept.place(node, places.units(node))) for node in saved]
    leaves = {**places.leaves, **gx.places}
    step = PartPlanner(leaves, equations.constant, places.units, scratch.extend).plan(roots)
    for rows in (gx, scratch, hoist_scratch, kept):
        places.buffers[rows.name] = rows.buffer()
    parts = [step] if hoist is None else [hoist, step]
    return Forward(
        hoist, step, places.buffers, kept.places, places.output_state, places.used_inputs(parts)
    )


def _hoisted_frontier(equations: Equations, saved: list[Expression]) -> list[Expression]:
    """Values of inputs alone that the loop reads and that are worth computing before it."""
    graph = equations.graph
    sorted_ = schedule([*graph.roots, *saved])
    hoisted = set(sorted_.hoisted)
    read = {o for n in sorted_.depth for o in n.operands if o in hoisted} | (
        hoisted & {*graph.roots, *saved}
    )
    values = _without_conditions(node for node in sorted_.hoisted if node in read)
    return [
        node
        for node in values
        if node in hoisted and any(below.operation in HEAVY for below in topological([node]))
    ]


def choose_saved(equations: Equations) -> list[Expression]:
    """The smallest set of values of the forward pass that its derivative can be computed from.

    Starts from every forward value that the derivative reads and drops those that can be computed
    again from one unit's other kept values, states and inputs, cheapest first.
    """
    assert equations.derivative is not None
    needed: dict[Expression, None] = {}
    seen: set[Expression] = set()
    stack: list[Expression] = list(equations.derivative.roots)
    while stack:
        node = stack.pop()
        if node in seen or node in equations.constant:
            continue
        seen.add(node)
        if _belongs_to_forward(node, equations):
            needed[node] = None
        else:
            stack += node.operands
    free = _free_values(equations)
    needed = dict.fromkeys(_without_conditions(needed))
    kept = [node for node in needed if node not in free and node not in equations.constant]
    costs = {"add": 1, "subtract": 1, "negate": 1, "multiply": 1, "relu": 1, "where": 1}
    for node in sorted(kept, key=lambda n: (costs.get(n.operation, 5), str(n.operation))):
        others = (set(kept) - {node}) | free
        if node.operation not in HEAVY and _computable(node, others, equations):
            kept.remove(node)
    return kept


def _without_conditions(nodes: Iterable[Expression]) -> list[Expression]:
    """The values, and in place of conditions what these compare: that computes them again."""
    found = dict.fromkeys(nodes)
    queue = list(found)
    for node in queue:
        if isinstance(node, Condition):
            further = [operand for operand in node.operands if operand not in found]
            found.update(dict.fromkeys(further))
            queue += further
    return [node for node in found if not isinstance(node, Condition)]


def _belongs_to_forward(node: Expression, equations: Equations) -> bool:
    if node in equations.forward_nodes:
        return True
    return node.operation == "inverse_deviation" and all(
        operand in equations.forward_nodes for operand in node.operands
    )


def _free_values(equations: Equations) -> set[Expression]:
    """What is there anyway: inputs, givens, and the states before and after each step."""
    graph = equations.graph
    leaves = [node for node in graph.order if node.operation in ("input", "given", "state")]
    return {*leaves, *graph.new_states.values()}


def _computable(node: Expression, available: set[Expression], equations: Equations) -> bool:
    """Whether a value follows from others unit by unit."""
    stack, seen = list(node.operands), set(available)
    while stack:
        operand = stack.pop()
        if operand in seen or operand in equations.constant:
            continue
        seen.add(operand)  # shared values have many paths to them
        if operand.operation in (*HEAVY, "inverse_deviation") or not operand.operands:
            return False
        stack += operand.operands
    return True
