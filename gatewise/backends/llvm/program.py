"""What a kernel computes: parts, buffers and what is kept for the backward pass, from a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewise.backends.llvm.code import Element
from gatewise.backends.llvm.part import Buffer, Part, PartPlanner, Place
from gatewise.backends.llvm.sums import regroup_sums
from gatewise.equations import Graph
from gatewise.equations.derivative import Derivative, differentiate, weight_expressions
from gatewise.equations.expression import (
    Condition,
    Expression,
    Matrix,
    Value,
    cotangent_leaf,
    given_leaf,
    input_leaf,
    number,
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
    """

    graph: Graph
    sizes: Mapping[str, int]
    reverse: bool
    element: Element
    training: bool
    input_gradients: tuple[str, ...]


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
        self.constant = weight_expressions(self.order) | {
            node for node in self.order if node.operation == "unit_count"
        }
        self._sizes = infer_sizes(roots, self._leaf_sizes(), {}).values
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
        same = dict(graph.sizes.equal)
        return {leaf: same.get(size, size) for leaf, size in sizes.items()}

    def units(self, node: Expression) -> int:
        """How many units a value has."""
        if node not in self._sizes:
            return max((self.units(operand) for operand in node.operands), default=1)
        return size_number(self._sizes[node], self.numbers)


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


class _Places:
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
            self._row(f"new.{name}", self.units(state_leaf(name)), name == self.output_state)

    def units(self, node: Expression) -> int:
        return self.equations.units(node)

    def _row(self, name: str, units: int, exact: bool = False) -> Buffer:
        stride = units if exact else self.element.padded(units)
        self.buffers[name] = Buffer(name, stride, units if exact else None)
        return self.buffers[name]

    def _leaf(self, node: Value, name: str, exact: bool = False) -> None:
        units = self.units(node)
        self._row(name, units, exact)
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
    places = _Places(equations, element)
    graph = equations.graph
    hoisted = _hoisted_frontier(equations)
    gx, scratch = Rows("hoisted", element), Rows("scratch", element)
    hoist_scratch, kept = Rows("hoist_scratch", element), Rows("saved", element)
    hoist = None
    if hoisted:
        inputs = {n: p for n, p in places.leaves.items() if n.operation == "input"}
        planner = PartPlanner(inputs, equations.constant, places.units, _extender(hoist_scratch))
        hoist = planner.plan([(n, gx.place(n, places.units(n))) for n in hoisted])
    roots = [(graph.output, Place("y", 0, places.output_units == 1))]
    for name, value in graph.new_states.items():
        if name != places.output_state:
            single = places.units(state_leaf(name)) == 1
            roots.append((value, Place(f"new.{name}", 0, single)))
    roots += [(node, kept.place(node, places.units(node))) for node in saved]
    leaves = {**places.leaves, **gx.places}
    step = PartPlanner(leaves, equations.constant, places.units, _extender(scratch)).plan(roots)
    for rows in (gx, scratch, hoist_scratch, kept):
        places.buffers[rows.name] = rows.buffer()
    parts = [step] if hoist is None else [hoist, step]
    return Forward(
        hoist, step, places.buffers, kept.places, places.output_state, places.used_inputs(parts)
    )


def _extender(rows: Rows):
    return lambda units, single: rows.extend(units, single)


def _hoisted_frontier(equations: Equations) -> list[Expression]:
    """Values of inputs alone that the loop reads and that are worth computing before it."""
    graph = equations.graph
    sorted_ = schedule(graph.roots)
    hoisted = set(sorted_.hoisted)
    read = {o for n in sorted_.depth for o in n.operands if o in hoisted} | (
        hoisted & set(graph.roots)
    )
    frontier: dict[Expression, None] = {}
    stack = [node for node in sorted_.hoisted if node in read]
    while stack:
        node = stack.pop(0)
        if isinstance(node, Condition):
            stack += [operand for operand in node.operands if operand in hoisted]
        elif any(below.operation in HEAVY for below in topological([node])):
            frontier[node] = None
    return list(frontier)


def choose_saved(equations: Equations) -> list[Expression]:
    """The smallest set of values of the forward pass that its derivative can be computed from.

    Starts from every forward value that the derivative reads and drops those that can be computed
    again from one unit's other kept values, states and inputs, cheapest first.
    """
    assert equations.derivative is not None
    needed: dict[Expression, None] = {}
    seen: set[Expression] = set()
    stack = [root for root in equations.derivative.roots]
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
    stack = [node for node in needed if isinstance(node, Condition)]
    for node in stack:  # conditions are computed again from what they compare
        del needed[node]
        for operand in node.operands:
            if isinstance(operand, Condition):
                stack.append(operand)
            elif operand not in equations.constant:
                needed[operand] = None
    kept = [node for node in needed if node not in free]
    costs = {"add": 1, "subtract": 1, "negate": 1, "multiply": 1, "relu": 1, "where": 1}
    for node in sorted(kept, key=lambda n: (costs.get(n.operation, 5), str(n.operation))):
        others = (set(kept) - {node}) | free
        if node.operation not in HEAVY and _computable(node, others, equations):
            kept.remove(node)
    return kept


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
    stack = list(node.operands)
    while stack:
        operand = stack.pop()
        if operand in available or operand in equations.constant:
            continue
        if operand.operation in (*HEAVY, "inverse_deviation") or not operand.operands:
            return False
        stack += operand.operands
    return True


@dataclass(frozen=True)
class WeightGradient:
    """The gradient of a matrix: the sum over rows of gradient times vector.

    Attributes:
        matrix: the matrix expression.
        gradient: place of the gradient of the product.
        rows: units of the product.
        vector: place of the vector.
        columns: units of the vector.
    """

    matrix: Expression
    gradient: Place
    rows: int
    vector: Place
    columns: int


@dataclass
class Backward:
    """The backward kernel's plan.

    Attributes:
        step: the loop's body, backwards in time.
        deferred: gradients of inputs, for a block of steps at once; None where not wanted.
        buffers: every buffer by name.
        weights: gradients of matrices.
        vectors: gradients of vectors of weights: the expression, its place and its units.
        zero_states: states whose gradient is zero whatever happens.
        inputs: names of inputs that the step reads.
        input_gradients: names of inputs whose gradient is computed.
    """

    step: Part
    deferred: Part | None
    buffers: dict[str, Buffer]
    weights: list[WeightGradient]
    vectors: list[tuple[Expression, Place, int]]
    inputs: list[str]
    input_gradients: list[str]


class BackwardPlanner:
    """Plans the backward kernel."""

    def __init__(
        self,
        equations: Equations,
        element: Element,
        saved: Mapping[Expression, Place],
        wanted: tuple[str, ...],
    ):
        assert equations.derivative is not None
        self.equations, self.element, self.wanted = equations, element, wanted
        self.derivative = equations.derivative
        self.places = _Places(equations, element)
        self.saved = saved
        self.gradients = Rows("gradients", element)
        self.vectors = Rows("vectors", element)
        self.scratch = Rows("scratch", element)
        self.rest = Rows("rest", element)
        self.roots: list[tuple[Expression, Place]] = []

    def plan(self) -> Backward:
        """The whole plan."""
        leaves = self._leaves()
        self._state_roots()
        self._given_roots(leaves)
        weights = self._weight_roots()
        vectors = self._vector_roots()
        deferred_roots = self._input_roots()
        equations = self.equations
        planner = PartPlanner(
            leaves, equations.constant, self.places.units, _extender(self.scratch)
        )
        step = planner.plan(list(dict.fromkeys(self.roots)))
        deferred = self._deferred(deferred_roots)
        buffers = self.places.buffers
        for rows in (self.gradients, self.vectors, self.scratch, self.rest):
            buffers[rows.name] = rows.buffer()
        return Backward(
            step,
            deferred,
            buffers,
            weights,
            vectors,
            self.places.used_inputs([step]),
            list(deferred_roots),
        )

    def _leaves(self) -> dict[Expression, Place]:
        """What the backward step may read."""
        places, graph = self.places, self.equations.graph
        leaves = dict(places.leaves)
        for node, place in self.saved.items():
            leaves[node] = place
        width = max(
            (p.offset + self.element.padded(places.units(n)) for n, p in self.saved.items()),
            default=1,
        )
        places.buffers["saved"] = Buffer("saved", width)
        for name, value in graph.new_states.items():
            units = places.units(state_leaf(name))
            leaves.setdefault(value, Place(f"new.{name}", 0, units == 1))
            places._row(f"flow.{name}", units)
            places._row(f"next_flow.{name}", units)
            leaves[cotangent_leaf(name)] = Place(f"flow.{name}", 0, units == 1)
        places._row("dy", places.output_units, True)
        leaves[cotangent_leaf("output")] = Place("dy", 0, places.output_units == 1)
        return leaves

    def _state_roots(self) -> None:
        for name in self.equations.graph.states:
            units = self.places.units(state_leaf(name))
            value = self.derivative.states.get(name, number(0))
            self.roots.append((value, Place(f"next_flow.{name}", 0, units == 1)))

    def _given_roots(self, leaves: dict[Expression, Place]) -> None:
        """Gradients of givens add up over the steps, in place."""
        for name, value in self.derivative.givens.items():
            units = self.places.units(given_leaf(name))
            self.places._row(f"dgiven.{name}", units)
            total = cotangent_leaf(f"given {name}")
            leaves[total] = Place(f"dgiven.{name}", 0, units == 1)
            self.equations._sizes = {  # type: ignore[assignment]
                **self.equations._sizes,
                total: self.equations.graph.givens[name],
            }
            self.roots.append((total + value, leaves[total]))

    def _weight_roots(self) -> list[WeightGradient]:
        found = []
        for matrix, pairs in self.derivative.products.items():
            for g, v in pairs:
                rows, columns = self.places.units(self._matrix_result(matrix, v)), 0
                columns = self.places.units(v)
                gradient = self._kept(self.gradients, g, rows)
                found.append(WeightGradient(matrix, gradient, rows, self._vector_place(v), columns))
        return found

    def _matrix_result(self, matrix: Matrix, v: Value) -> Expression:
        return Value("product", (matrix, v))

    def _kept(self, rows: Rows, node: Expression, units: int) -> Place:
        place = rows.place(node, units)
        self.roots.append((node, place))
        return place

    def _vector_place(self, v: Value) -> Place:
        """Where the vectors that a matrix multiplied are found, row by row."""
        if v.operation in ("input", "state"):
            return self.places.leaves[v]
        if v in self.saved:
            return self.saved[v]
        return self._kept(self.vectors, v, self.places.units(v))

    def _vector_roots(self) -> list[tuple[Expression, Place, int]]:
        found = []
        for vector, g in self.derivative.vectors.items():
            units = self.places.units(vector)
            found.append((vector, self._kept(self.gradients, g, units), units))
        return found

    def _input_roots(self) -> dict[str, tuple[list[Expression], Expression | None]]:
        """For each wanted input: products left for later, and the rest of its gradient."""
        found: dict[str, tuple[list[Expression], Expression | None]] = {}
        for name, value in self.derivative.inputs.items():
            if name not in self.wanted:
                continue
            later, rest = [], None
            for term in _terms(value):
                if term.operation == "product":
                    later.append(term)
                    g = term.operands[1]
                    self._kept(self.gradients, g, self.places.units(g))
                else:
                    rest = term if rest is None else rest + term  # type: ignore[operator]
            if rest is not None:
                self._kept(self.rest, rest, self.places.units(input_leaf(name)))
            found[name] = (later, rest)
        return found

    def _deferred(
        self, inputs: dict[str, tuple[list[Expression], Expression | None]]
    ) -> Part | None:
        if not inputs:
            return None
        roots = []
        leaves = {**self.gradients.places, **self.rest.places}
        for name, (later, rest) in inputs.items():
            units = self.places.units(input_leaf(name))
            self.places._row(f"dx.{name}", units, True)
            total = rest
            for term in later:
                total = term if total is None else total + term  # type: ignore[operator]
            assert total is not None
            self._remember_size(total, input_leaf(name))
            roots.append((total, Place(f"dx.{name}", 0, units == 1)))
        scratch = _extender(self.scratch)
        return PartPlanner(leaves, self.equations.constant, self.places.units, scratch).plan(roots)

    def _remember_size(self, total: Expression, like: Expression) -> None:
        sizes = dict(self.equations._sizes)
        for node in topological([total]):
            if node.operation == "add":
                sizes.setdefault(node, sizes[like])
        self.equations._sizes = sizes


def _terms(value: Expression) -> list[Expression]:
    if value.operation == "add":
        return [term for operand in value.operands for term in _terms(operand)]
    return [value]
