"""From a part's plan to LLVM IR: register tiles, what is pointwise, and sums over units."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from gatewise.backends.llvm import vector_math
from gatewise.backends.llvm.code import Code, Element
from gatewise.backends.llvm.part import Buffer, Group, Part, Place, Reduction, Sweep
from gatewise.backends.llvm.target import Target
from gatewise.equations.expression import Expression

UNROLL = 4
"""Steps of the innermost loop per branch."""


@dataclass(frozen=True)
class Packed:
    """One matrix inside a group of packed weights.

    The group's layout is ``[panel group][k][factor][panel][lane]``; lanes past the matrix's rows
    are zero.

    Attributes:
        matrix: the expression whose values are packed.
        offset: where its group starts, in elements.
        factor: its index among `factors`.
        factors: matrices in the group.
        panels: panels per panel group.
        groups: panel groups.
        rows: rows of the matrix, the units of the result.
        columns: columns, the units of the vector.
    """

    matrix: Expression
    offset: int
    factor: int
    factors: int
    panels: int
    groups: int
    rows: int
    columns: int

    @property
    def elements(self) -> int:
        """Elements of the whole group."""
        return self.groups * self.columns * self.factors * self.panels


@dataclass
class Layout:
    """What all functions of a kernel share: where buffers, constants and packed weights are.

    Attributes:
        element: element type.
        target: the processor.
        buffers: by name.
        frame: index of each buffer's address in the frame, the array of words that every function
            is given.
        constants: place of each vector of weights, and whether it is one number.
        packed: every packed matrix.
    """

    element: Element
    target: Target
    buffers: dict[str, Buffer] = field(default_factory=dict)
    frame: dict[str, int] = field(default_factory=dict)
    constants: dict[Expression, tuple[int, bool]] = field(default_factory=dict)
    constant_elements: int = 0
    packed: list[Packed] = field(default_factory=list)
    packed_elements: int = 0

    def add(self, buffer: Buffer) -> None:
        """Make a buffer known."""
        self.buffers[buffer.name] = buffer
        self.word(buffer.name)

    def word(self, name: str) -> int:
        """The index of a name in the frame."""
        return self.frame.setdefault(name, len(self.frame))

    def constant(self, node: Expression, units: int) -> tuple[int, bool]:
        """The place of a vector of weights."""
        if node not in self.constants:
            self.constants[node] = (self.constant_elements, units == 1)
            self.constant_elements += self.element.padded(units)
        return self.constants[node]

    def pack(
        self, group: list[Expression], rows: int, columns: int, panels: int, groups: int
    ) -> int:
        """Reserve packed weights for matrices that share a vector; returns the offset."""
        offset = self.packed_elements
        for k, matrix in enumerate(group):
            self.packed.append(Packed(matrix, offset, k, len(group), panels, groups, rows, columns))
        self.packed_elements += groups * columns * len(group) * panels * self.element.lanes
        return offset


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
    "less": lambda code, a, c: code.compare("olt", a, c),
    "less_equal": lambda code, a, c: code.compare("ole", a, c),
    "and": lambda code, a, c: code.value(f"and {code.element.mask} {a}, {c}"),
    "or": lambda code, a, c: code.value(f"or {code.element.mask} {a}, {c}"),
}


def _extremum(code: Code, relation: str, a: str, c: str) -> str:
    chosen = code.select(code.compare(relation, a, c), a, c)
    return code.select(code.compare("uno", a, a), a, chosen)


class PartEmitter:
    """Writes one part: a function ``name(frame, first row, end row)`` that runs its stages."""

    def __init__(
        self,
        name: str,
        part: Part,
        layout: Layout,
        constant: set[Expression],
        units: Callable[[Expression], int],
        intrinsics: dict[str, str],
    ):
        self.name, self.part, self.layout = name, part, layout
        self.constant, self.units, self.intrinsics = constant, units, intrinsics
        self.element, self.target = layout.element, layout.target
        self.functions: list[str] = []

    def emit(self) -> list[str]:
        """The functions' texts; the part's own comes last."""
        main = self._code()
        for k, stage in enumerate(self.part.stages):
            name = f"{self.name}.{k}"
            if isinstance(stage, Reduction):
                self._reduction(name, stage)
            else:
                self._sweep(name, stage)
            main.do(f"call void @{name}(ptr %frame, i64 %first, i64 %end)")
        self.functions.append(main.function(self.name, ROWS))
        return self.functions

    def _code(self) -> Code:
        return Code(self.element, self.intrinsics)

    # -- sweeps

    def _sweep(self, name: str, sweep: Sweep) -> None:
        shape = TileShape.of(sweep, self.element, self.target)
        tails = self.element.padded(sweep.units) != sweep.units
        full_panels = sweep.units // self.element.lanes
        if full_panels:
            self._epilogue(f"{name}.full", sweep, shape, None)
        if tails:
            self._epilogue(f"{name}.tail", sweep, shape, _mask(self.element, sweep.units))
        if sweep.accumulators:
            self._tiles(name, sweep, shape)
        code = self._code()
        buffer = self._tile_buffer(code, shape)
        with code.loop(0, shape.panel_groups) as group:
            with self._tile_rows(code, shape) as (row, rows):
                if sweep.accumulators:
                    end = code.switch(rows, {m: f"rows{m}" for m in range(1, shape.rows + 1)})
                    for m in range(1, shape.rows + 1):
                        code.label(f"rows{m}")
                        code.do(
                            f"call void @{name}.tile{m}(ptr %frame, i64 {row}, i64 {group}, "
                            f"ptr {buffer})"
                        )
                        code.do(f"br label %{end}")
                    code.label(end)
                for k in range(shape.panels):
                    panel = code.integer("add", code.integer("mul", group, shape.panels), k)
                    self._call_epilogue(
                        code, name, (row, rows, panel, buffer), full_panels, tails, k
                    )
        self.functions.append(code.function(name, ROWS))

    def _tile_buffer(self, code: Code, shape: TileShape) -> str:
        if not shape.accumulators:
            return "null"
        size = shape.rows * shape.accumulators * shape.panels
        return code.value(f"alloca [{size} x {self.element.vector}], align 64")

    @contextmanager
    def _tile_rows(self, code: Code, shape: TileShape):
        """Tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2."""
        count = code.integer("sub", "%end", "%first")
        tiles = code.value(f"sdiv i64 {code.integer('add', count, shape.rows - 1)}, {shape.rows}")
        with code.loop(0, tiles) as tile:
            start = code.value(f"sdiv i64 {code.integer('mul', tile, count)}, {tiles}")
            following = code.integer("mul", code.integer("add", tile, 1), count)
            stop = code.value(f"sdiv i64 {following}, {tiles}")
            yield code.integer("add", "%first", start), code.integer("sub", stop, start)

    def _call_epilogue(
        self,
        code: Code,
        name: str,
        arguments: tuple[str, str, str, str],
        full_panels: int,
        tails: bool,
        k: int,
    ) -> None:
        row, rows, panel, buffer = arguments
        given = f"(ptr %frame, i64 {row}, i64 {rows}, i64 {panel}, ptr {buffer}, i64 {k})"
        if full_panels:
            with code.when(code.less(panel, full_panels)):
                code.do(f"call void @{name}.full{given}")
        if tails:
            with code.when(code.value(f"icmp eq i64 {panel}, {full_panels}")):
                code.do(f"call void @{name}.tail{given}")

    def _tiles(self, name: str, sweep: Sweep, shape: TileShape) -> None:
        """One function per height: products of a few rows with one panel group."""
        chunks = [self._reserve(sweep, shape, chunk) for chunk in shape.chunks]
        for height in range(1, shape.rows + 1):
            code = self._code()
            for chunk, reserved in zip(shape.chunks, chunks, strict=True):
                self._chunk(code, shape, height, chunk, reserved)
            arguments = ["ptr noalias %frame", "i64 %row", "i64 %group", "ptr noalias %buffer"]
            self.functions.append(code.function(f"{name}.tile{height}", arguments))

    def _reserve(
        self, sweep: Sweep, shape: TileShape, chunk: range
    ) -> list[tuple[Group, list[int], int]]:
        """For each group that feeds this chunk: its accumulators, and where its weights are."""
        reserved = []
        for group in sweep.groups:
            factors = [f for f in group.factors if f.accumulator in chunk]
            if factors:
                offset = self.layout.pack(
                    [f.matrix for f in factors],
                    sweep.units,
                    group.depth,
                    shape.panels,
                    shape.panel_groups,
                )
                reserved.append((group, [f.accumulator for f in factors], offset))
        return reserved

    def _chunk(
        self,
        code: Code,
        shape: TileShape,
        height: int,
        chunk: range,
        reserved: list[tuple[Group, list[int], int]],
    ) -> None:
        zero = self.element.splat(0.0)
        sums = {(m, a, p): zero for m in range(height) for a in chunk for p in range(shape.panels)}
        for group, accumulators, offset in reserved:
            self._products(code, shape, height, sums, group, accumulators, offset)
        for (m, a, p), value in sums.items():
            place = (m * shape.accumulators + a) * shape.panels + p
            code.store(value, code.address("%buffer", place * self.element.lanes))

    def _products(
        self,
        code: Code,
        shape: TileShape,
        height: int,
        sums: dict[tuple[int, int, int], str],
        group: Group,
        accumulators: list[int],
        offset: int,
    ) -> None:
        """Sums += matrix columns · vector entries, for every k."""
        place = self.part.places[group.vector]
        buffer = self.layout.buffers[place.buffer]
        width = len(accumulators) * shape.panels * self.element.lanes
        weights = code.word("%frame", self.layout.word("packed"))
        weights = code.address(weights, offset)
        jump = code.integer("mul", "%group", group.depth * width)
        weights = code.address(weights, jump)
        base = code.word("%frame", self.layout.word(place.buffer))
        start = code.integer("add", code.integer("mul", "%row", buffer.stride), place.offset)
        base = code.address(base, start)
        keys = [
            (m, a, p)
            for m in range(height)
            for a in dict.fromkeys(accumulators)
            for p in range(shape.panels)
        ]
        bulk = group.depth // UNROLL * UNROLL if group.depth >= 2 * UNROLL else 0

        def step(k: str, ahead: int, now: dict[tuple[int, int, int], str]) -> None:
            at = code.address(weights, code.integer("mul", k, width))
            columns = [
                [
                    code.load(
                        code.address(
                            at,
                            (ahead * len(accumulators) + f) * shape.panels * self.element.lanes
                            + p * self.element.lanes,
                        )
                    )
                    for p in range(shape.panels)
                ]
                for f in range(len(accumulators))
            ]
            for m in range(height):
                entry = code.address(code.address(base, k), m * buffer.stride + ahead)
                spread = code.broadcast(code.scalar(entry))
                for f, a in enumerate(accumulators):
                    for p in range(shape.panels):
                        now[m, a, p] = code.fma(spread, columns[f][p], now[m, a, p])

        if bulk:
            self._carried_loop(code, bulk, keys, sums, step)
        for k in range(bulk, group.depth):
            step(str(k), 0, sums)

    def _carried_loop(
        self,
        code: Code,
        bulk: int,
        keys: list[tuple[int, int, int]],
        sums: dict[tuple[int, int, int], str],
        step: Callable[[str, int, dict[tuple[int, int, int], str]], None],
    ) -> None:
        """A loop over k that carries the sums in registers."""
        n, before = code.fresh("k"), code.block
        code.do(f"br label %{n}")
        code.label(n)
        index, following = f"%{n}.i", f"%{n}.next"
        code.do(f"{index} = phi i64 [0, %{before}], [{following}, %{n}]")
        head = len(code.lines)
        now = {}
        for position, key in enumerate(keys):
            now[key] = f"%{n}.s{position}"
        carried = dict(now)
        for ahead in range(UNROLL):
            step(index, ahead, carried)
        phis = [
            f"  {now[key]} = phi {self.element.vector} [{sums[key]}, %{before}], "
            f"[{carried[key]}, %{n}]"
            for key in keys
        ]
        code.lines[head:head] = phis
        code.do(f"{following} = add nuw nsw i64 {index}, {UNROLL}")
        code.do(f"%{n}.go = icmp ult i64 {following}, {bulk}")
        code.do(f"br i1 %{n}.go, label %{n}, label %{n}.done")
        code.label(f"{n}.done")
        sums.update(carried)

    def _epilogue(self, name: str, sweep: Sweep, shape: TileShape, mask: str | None) -> None:
        """What is pointwise, for some rows of one panel."""
        code = self._code()
        reader = Reader(self, code, mask, sweep, shape)
        reader.load_constants([node for node, _ in sweep.stores])
        reader.load_pointers([place for _, place in sweep.stores])
        start = len(code.lines)
        with code.loop(0, "%rows") as r:
            reader.enter_row(code.integer("add", "%row", r), r)
            for node, place in sweep.stores:
                reader.write(reader.value(node), place)
        reader.hoist_pointers(start)
        self.functions.append(code.function(name, EPILOGUE))

    # -- reductions

    def _reduction(self, name: str, stage: Reduction) -> None:
        code = self._code()
        reader = Reader(self, code, None, None, None)
        reader.load_pointers([stage.place])
        cell = code.value(f"alloca {self.element.vector}, align 64")
        start = len(code.lines)
        with code.loop("%first", "%end") as row:
            total = self._sum(code, reader, cell, stage, row, None)
            if stage.kind == "row_sum":
                reader.write_scalar(total, row, stage.place, 0)
            else:
                count = self.element.literal(float(sum(units for _, units in stage.operands)))
                kind = self.element.name
                mean = code.value(f"fdiv {kind} {total}, {count}")
                square = self._sum(code, reader, cell, stage, row, mean)
                variance = code.value(f"fdiv {kind} {square}, {count}")
                epsilon = self.element.literal(stage.epsilon)
                shifted = code.value(f"fadd {kind} {variance}, {epsilon}")
                root = code.call(f"llvm.sqrt.f{8 * self.element.bytes}", kind, (kind, shifted))
                one = self.element.literal(1.0)
                reader.write_scalar(mean, row, stage.place, 0)
                inverse = code.value(f"fdiv {kind} {one}, {root}")
                reader.write_scalar(inverse, row, stage.place, 1)
        reader.hoist_pointers(start)
        self.functions.append(code.function(name, ROWS))

    def _sum(
        self, code: Code, reader: Reader, cell: str, stage: Reduction, row: str, mean: str | None
    ) -> str:
        """The sum over units of all operands, or of their squared distance from the mean."""
        e = self.element
        code.store(e.splat(0.0), cell)
        centre = code.broadcast(mean) if mean is not None else None

        def add(node: Expression, mask: str | None) -> None:
            value = reader.value(node)
            if centre is not None:
                away = code.arithmetic("fsub", value, centre)
                value = code.arithmetic("fmul", away, away)
            if mask is not None:
                value = code.select(mask, value, e.splat(0.0))
            code.store(code.arithmetic("fadd", code.load(cell), value), cell)

        for node, units in stage.operands:
            full = units // e.lanes
            if full:
                with code.loop(0, full) as panel:
                    reader.enter_panel(row, panel, None)
                    add(node, None)
            if units % e.lanes:
                mask = _mask(e, units)
                reader.enter_panel(row, str(full), mask)
                add(node, mask)
        name = f"llvm.vector.reduce.fadd.{e.suffix}"
        self.intrinsics[name] = f"declare {e.name} @{name}({e.name}, {e.vector})"
        zero = e.literal(0.0)
        return code.value(
            f"call reassoc {e.name} @{name}({e.name} {zero}, {e.vector} {code.load(cell)})"
        )


ROWS = ["ptr noalias %frame", "i64 %first", "i64 %end"]
EPILOGUE = [
    *("ptr noalias %frame", "i64 %row", "i64 %rows", "i64 %panel", "ptr %buffer"),
    "i64 %position",
]


def _mask(element: Element, units: int) -> str:
    """The lanes of the last panel that are units."""
    valid = units % element.lanes
    bits = ", ".join(f"i1 {'true' if k < valid else 'false'}" for k in range(element.lanes))
    return f"<{bits}>"


@dataclass(frozen=True)
class TileShape:
    """Rows and columns of a register tile.

    Attributes:
        rows: greatest number of rows.
        panels: panels side by side.
        panel_groups: how many such groups there are.
        accumulators: of one panel.
        chunks: accumulators that are computed together; the others follow.
    """

    rows: int
    panels: int
    panel_groups: int
    accumulators: int
    chunks: tuple[range, ...]

    @classmethod
    def of(cls, sweep: Sweep, element: Element, target: Target) -> TileShape:
        """The shape that fits the registers."""
        total = -(-sweep.units // element.lanes)
        count = len(sweep.accumulators)
        if not count:
            return cls(64, 1, total, 0, ())
        width = target.vectors_per_row
        parts = -(-count // width)
        size = -(-count // parts)
        chunks = tuple(range(start, min(start + size, count)) for start in range(0, count, size))
        widest = max(1, min(width // size, total))
        # fewest panels computed for nothing, then the widest tile
        panels = min(range(1, widest + 1), key=lambda p: (-(-total // p) * p / min(p + 1, 3), -p))
        return cls(target.tile_rows(size * panels), panels, -(-total // panels), count, chunks)


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
        if node not in self.known:
            self.known[node] = self._make(node)
        return self.known[node]

    def _make(self, node: Expression) -> str:
        if node in self.emitter.constant:
            return self._constant(node)
        place = self.emitter.part.places.get(node)
        reduced = node.operation == "row_sum"  # its reduction has written it already
        if place is not None and (reduced or not self._is_own_store(node)):
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
