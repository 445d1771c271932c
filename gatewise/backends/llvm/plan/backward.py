"""The backward kernel's plan: gradients of states, inputs and weights, from the derivative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.plan.part import Buffer, Part, PartPlanner, Place
from gatewise.backends.llvm.plan.program import Equations, Places, Rows
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
        self.places = Places(equations, element)
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
        planner = PartPlanner(leaves, equations.constant, self.places.units, self.scratch.extend)
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
            places.row(f"flow.{name}", units)
            places.row(f"next_flow.{name}", units)
            leaves[cotangent_leaf(name)] = Place(f"flow.{name}", 0, units == 1)
        places.row("dy", places.output_units, True)
        leaves[cotangent_leaf("output")] = Place("dy", 0, places.output_units == 1)
        return leaves

    def _state_roots(self) -> None:
        for name in self.equations.graph.states:
            units = self.places.units(state_leaf(name))
            found = self.derivative.states
            value = found[name] if name in found else self._zero()
            value = self._spread(value, cotangent_leaf(name))
            self.roots.append((value, Place(f"next_flow.{name}", 0, units == 1)))

    def _spread(self, value: Value, like: Value) -> Value:
        """A gradient of one number (such as 0) for every unit of another value."""
        if self.places.units(value) == self.places.units(like):
            return value
        zero = self._zero()
        never = Condition("less", (zero, zero))
        return Value("where", (never, like, value))

    def _zero(self) -> Value:
        """The number 0, known to kernels even where the derivative itself does not name it."""
        self.equations.constant |= {number(0)}
        return number(0)

    def _given_roots(self, leaves: dict[Expression, Place]) -> None:
        """Gradients of givens add up over the steps, in place."""
        for name, value in self.derivative.givens.items():
            units = self.places.units(given_leaf(name))
            self.places.row(f"dgiven.{name}", units)
            total = cotangent_leaf(f"given {name}")
            leaves[total] = Place(f"dgiven.{name}", 0, units == 1)
            self.equations.sizes = {  # type: ignore[assignment]
                **self.equations.sizes,
                total: self.equations.graph.givens[name],
            }
            self.roots.append((total + value, leaves[total]))

    def _weight_roots(self) -> list[WeightGradient]:
        found = []
        # in the order in which weights are stored: the gradient of a stack is then one piece
        order = {name: k for k, name in enumerate(self.equations.graph.parameters)}

        def position(matrix: Expression) -> int:
            return order[matrix.name] if matrix.operation == "parameter" else len(order)

        for matrix, pairs in sorted(self.derivative.products.items(), key=lambda p: position(p[0])):
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
            self.places.row(f"dx.{name}", units, True)
            total = rest
            for term in later:
                total = term if total is None else total + term  # type: ignore[operator]
            assert total is not None
            self._remember_size(total, input_leaf(name))
            roots.append((total, Place(f"dx.{name}", 0, units == 1)))
        scratch = self.scratch.extend
        return PartPlanner(leaves, self.equations.constant, self.places.units, scratch).plan(roots)

    def _remember_size(self, total: Expression, like: Expression) -> None:
        sizes = dict(self.equations.sizes)
        for node in topological([total]):
            if node.operation == "add":
                sizes.setdefault(node, sizes[like])
        self.equations.sizes = sizes


def _terms(value: Expression) -> list[Expression]:
    if value.operation == "add":
        return [term for operand in value.operands for term in _terms(operand)]
    return [value]
