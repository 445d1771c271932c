"""Values of one row and panel as IR: read where they exist, computed where they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir import vector_math
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import TileShape
from gatewise.backends.llvm.plan.part import Place, Sweep
from gatewise.equations.expression import Expression

if TYPE_CHECKING:
    from gatewise.backends.llvm.ir.sweep import PartEmitter

UNARY: dict[str, Callable[[Code, str], str]] = {
    "sigmoid": vector_math.sigmoid,
    "tanh": vector_math.tanh,
    "exp": vector_math.exp,
    "log": vector_math.log,
    "softplus": vector_math.softplus,
    "sin": vector_math.sin,
    "cos": vector_math.cos,
    "sqrt": lambda code, a: code.unary("sqrt", a),
    "absolute": lambda code, a: code.unary("fabs", a),
    "negate": lambda code, a: code.value(f"fneg {code.element.vector} {a}"),
    "detach": lambda code, a: a,
    # NaN is not below 0, so it stays
    "relu": lambda code, a: code.select(
        code.compare("olt", a, code.element.splat(0.0)), code.element.splat(0.0), a
    ),
}
BINARY: dict[str, Callable[[Code, str, str], str]] = {
    "add": lambda code, a, c: code.arithmetic("fadd", a, c),
    "subtract": lambda code, a, c: code.arithmetic("fsub", a, c),
    "multiply": lambda code, a, c: code.arithmetic("fmul", a, c),
    "divide": lambda code, a, c: code.arithmetic("fdiv", a, c),
    # unordered comparisons choose a NaN operand, as torch does
    "maximum": lambda code, a, c: _extremum(code, "ogt", a, c),
    "minimum": lambda code, a, c: _extremum(code, "olt", a, c),
    "noise": vector_math.noise,
    "less": lambda code, a, c: code.compare("olt", a, c),
    "less_equal": lambda code, a, c: code.compare("ole", a, c),
    "and": lambda code, a, c: code.value(f"and {code.element.mask} {a}, {c}"),
    "or": lambda code, a, c: code.value(f"or {code.element.mask} {a}, {c}"),
}


def _extremum(code: Code, relation: str, a: str, c: str) -> str:
    chosen = code.select(code.compare(relation, a, c), a, c)
    return code.select(code.compare("uno", a, a), a, chosen)


def tail_mask(element: Element, units: int) -> str:
    """The lanes of the last panel that are units."""
    valid = units % element.lanes
    bits = ", ".join(f"i1 {'true' if k < valid else 'false'}" for k in range(element.lanes))
    return f"<{bits}>"


class Reader:
    """Values of one row and panel: read where they exist, computed where they do not."""

    def __init__(
        self,
        emitter: PartEmitter,
        code: Code,
        mask: str | None,
        sweep: Sweep | None,
        shape: TileShape | None,
    ):
        self.emitter, self.code, self.mask = emitter, code, mask
        self.sweep, self.shape = sweep, shape
        self.layout, self.element = emitter.layout, emitter.element
        self.known: dict[Expression, str] = {}
        self.fixed: dict[Expression, str] = {}
        self.pointers: dict[str, str] = {}
        self.starts: dict[tuple[str, bool], str] = {}
        self.row = self.panel = self.tile_row = ""

    # -- before the loop over rows

    def load_pointers(self, places: list[Place]) -> None:
        """Addresses of buffers, once per function."""
        for place in places:
            self._pointer(place.buffer)

    def _pointer(self, name: str) -> str:
        """A buffer's address; loads are moved to the function's start by `hoist_pointers`."""
        if name not in self.pointers:
            self.pointers[name] = f"%base.{len(self.pointers)}"
        return self.pointers[name]

    def hoist_pointers(self, position: int) -> None:
        """Put the loads of all addresses that were used before a position of the code."""
        lines = []
        for name, pointer in self.pointers.items():
            index = self.layout.word(name)
            lines.append(f"  {pointer}.at = getelementptr i64, ptr %frame, i64 {index}")
            lines.append(f"  {pointer} = load ptr, ptr {pointer}.at, align 8")
        self.code.lines[0:0] = lines

    def load_constants(self, roots: list[Expression]) -> None:
        """Vectors of weights of this panel, which do not change from row to row."""
        self.panel = "%panel"
        for node in self._constants_below(roots):
            self.fixed[node] = self._constant(node)

    def _constants_below(self, roots: list[Expression]) -> list[Expression]:
        found: dict[Expression, None] = {}
        seen: set[Expression] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self.emitter.constant:
                found[node] = None
            elif node not in self.emitter.part.places:
                if self.sweep is not None and node in self.sweep.folded:
                    stack += self.sweep.folded[node][1]
                elif node.operation != "product":
                    stack += node.operands
        return list(found)

    # -- inside

    def enter_row(self, row: str, tile_row: str) -> None:
        """The values that follow belong to this row."""
        self.row, self.tile_row = row, tile_row
        self.known, self.starts = dict(self.fixed), {}

    def enter_panel(self, row: str, panel: str, mask: str | None) -> None:
        """The values that follow belong to this row and panel (in a reduction)."""
        self.row, self.panel, self.mask = row, panel, mask
        self.known, self.fixed, self.starts = {}, {}, {}

    def value(self, node: Expression) -> str:
        """The vector of an expression."""
        stack = [] if node in self.known else [node]
        while stack:  # operands come first, as recursion would end at Python's limit
            last = stack[-1]
            missing = [o for o in self._operands(last) if o not in self.known]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            if last not in self.known:
                self.known[last] = self._make(last)
        return self.known[node]

    def _operands(self, node: Expression) -> Sequence[Expression]:
        """The values that a value is computed from in this sweep; none where it is read."""
        if node in self.emitter.constant or self._stored(node) is not None:
            return ()
        if self.sweep is not None and node in self.sweep.folded:
            return self.sweep.folded[node][1]
        if node.operation == "layer_norm":
            return (node.operands[node.attributes[0]],)
        return () if node.operation == "inverse_deviation" else node.operands

    def _stored(self, node: Expression) -> Place | None:
        """Where a value is read from, if it is there already."""
        reduced = node.operation == "row_sum"  # its reduction has written it already
        own = not reduced and self._is_own_store(node)
        return None if own else self.emitter.part.places.get(node)

    def _make(self, node: Expression) -> str:
        if node in self.emitter.constant:
            return self._constant(node)
        place = self._stored(node)
        if place is not None:
            return self.read(place)
        if self.sweep is not None and node in self.sweep.folded:
            return self._folded(node)
        if node.operation in ("layer_norm", "inverse_deviation"):
            return self._moments(node)
        if node.operation == "where":
            condition, a, c = map(self.value, node.operands)
            return self.code.select(condition, a, c)
        if node.operation == "not":
            mask = self.element.mask
            ones = "<" + ", ".join(["i1 true"] * self.element.lanes) + ">"
            return self.code.value(f"xor {mask} {self.value(node.operands[0])}, {ones}")
        if node.operation in UNARY:
            return UNARY[node.operation](self.code, self.value(node.operands[0]))
        a, c = map(self.value, node.operands)
        return BINARY[node.operation](self.code, a, c)

    def _is_own_store(self, node: Expression) -> bool:
        """Whether this sweep itself computes the value that will be stored at its place."""
        return (
            self.sweep is not None
            and any(node is stored for stored, _ in self.sweep.stores)
            and node not in self.emitter.part.leaves
        )

    def _folded(self, node: Expression) -> str:
        assert self.sweep is not None
        assert self.shape is not None
        accumulator, others = self.sweep.folded[node]
        code, e = self.code, self.element
        per_row = self.shape.accumulators * self.shape.panels
        at = code.integer("mul", self.tile_row, per_row)
        at = code.integer("add", at, "%position")
        at = code.integer("add", at, accumulator * self.shape.panels)
        value = code.load(code.address("%buffer", code.integer("mul", at, e.lanes)))
        for other in others:
            value = code.arithmetic("fadd", value, self.value(other))
        return value

    def _moments(self, node: Expression) -> str:
        epsilon = node.attributes[-1]
        place = self.emitter.part.moments[(*node.operands, epsilon)]
        inverse = self.read(Place(place.buffer, place.offset + 1, True))
        if node.operation == "inverse_deviation":
            return inverse
        mean = self.read(place)
        own = self.value(node.operands[node.attributes[0]])
        away = self.code.arithmetic("fsub", own, mean)
        return self.code.arithmetic("fmul", away, inverse)

    def _constant(self, node: Expression) -> str:
        code, e = self.code, self.element
        if node.operation == "number":
            return e.splat(node.attributes[0])
        if node.operation == "unit_count":
            return e.splat(float(sum(map(self.emitter.units, node.operands))))
        offset, single = self.layout.constant(node, self.emitter.units(node))
        at = code.address(self._pointer("constants"), offset)
        if single:
            return code.broadcast(code.scalar(at))
        return code.load(code.address(at, code.integer("mul", self.panel, e.lanes)))

    def _address(self, place: Place) -> str:
        """The address of a value of this row and panel; a row's start is computed once."""
        code = self.code
        key = (place.buffer, place.single)
        if key not in self.starts:
            buffer = self.layout.buffers[place.buffer]
            at = code.integer("mul", self.row, buffer.stride)
            if not place.single:
                at = code.integer("add", at, code.integer("mul", self.panel, self.element.lanes))
            self.starts[key] = code.address(self._pointer(place.buffer), at)
        return code.address(self.starts[key], place.offset)

    def _edge(self, place: Place) -> str | None:
        """The mask that keeps an access inside a row that is not padded."""
        return self.mask if self.layout.buffers[place.buffer].units is not None else None

    def read(self, place: Place) -> str:
        """A stored value."""
        if place.single:
            return self.code.broadcast(self.code.scalar(self._address(place)))
        return self.code.load(self._address(place), self._edge(place))

    def write(self, value: str, place: Place) -> None:
        """Store a value of this row and panel."""
        if place.single:
            e = self.element
            first = self.code.value(f"extractelement {e.vector} {value}, i32 0")
            self.code.set_scalar(first, self._address(place))
        else:
            self.code.store(value, self._address(place), self._edge(place))

    def write_scalar(self, value: str, row: str, place: Place, further: int) -> None:
        """Store one number of a row."""
        self.row, self.starts = row, {}
        at = self._address(Place(place.buffer, place.offset + further, True))
        self.code.set_scalar(value, at)
