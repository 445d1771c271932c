"""From a part's plan to LLVM IR: register tiles, what is pointwise, and sums over units."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import Layout, TileShape
from gatewise.backends.llvm.ir.matrix_tiles import MatrixTiles
from gatewise.backends.llvm.ir.reader import Reader, tail_mask
from gatewise.backends.llvm.ir.vector_tiles import VectorTiles
from gatewise.backends.llvm.plan.part import Part, Reduction, Sweep
from gatewise.equations.expression import Expression


class PartEmitter:
    """Writes one part: a function ``name(frame, first row, end row)`` that runs its stages.

    In a shared part every thread of a team takes its own units of the same rows, where the frame
    says so, and waits for the others after each stage.
    """

    def __init__(
        self,
        name: str,
        part: Part,
        layout: Layout,
        constant: set[Expression],
        units: Callable[[Expression], int],
        intrinsics: dict[str, str],
        shared: bool = False,
    ):
        self.name, self.part, self.layout, self.shared = name, part, layout, shared
        self.constant, self.units, self.intrinsics = constant, units, intrinsics
        self.element, self.target = layout.element, layout.target
        self.tiles = (MatrixTiles if layout.rounds else VectorTiles)(layout, part, intrinsics)
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
            if self.shared:
                main.do("call void @wait(ptr %frame)")
        self.functions.append(main.function(self.name, ROWS))
        return self.functions

    def _code(self) -> Code:
        return Code(self.element, self.intrinsics)

    # -- sweeps

    def _sweep(self, name: str, sweep: Sweep) -> None:
        shape = TileShape.of(sweep, self.layout)
        tails = self.element.padded(sweep.units) != sweep.units
        full_panels = sweep.units // self.element.lanes
        if full_panels:
            self._epilogue(f"{name}.full", sweep, shape, None)
        if tails:
            self._epilogue(f"{name}.tail", sweep, shape, tail_mask(self.element, sweep.units))
        if sweep.accumulators:
            self.functions += self.tiles.emit(name, sweep, shape)
        code = self._code()
        buffer = self._tile_buffer(code, shape)
        groups = self._own_groups(code, shape)
        with (
            self.tiles.blocks(code, sweep) as block,
            code.loop(*groups) as group,
            self._tile_rows(code, shape, *block) as (row, rows),
        ):
            if sweep.accumulators:
                self.tiles.call(code, name, shape, (row, rows, group, buffer), block)
            for k in range(shape.panels):
                panel = code.integer("add", code.integer("mul", group, shape.panels), k)
                self._call_epilogue(code, name, (row, rows, panel, buffer), full_panels, tails, k)
        self.functions.append(code.function(name, ROWS))

    def _own_groups(self, code: Code, shape: TileShape) -> tuple[object, object]:
        """First and end of the panel groups of this thread."""
        if not self.shared:
            return 0, shape.panel_groups
        thread = code.word("%frame", self.layout.word("unit.thread"), "i64")
        team = code.word("%frame", self.layout.word("unit.team"), "i64")
        following = code.integer("mul", code.integer("add", thread, 1), shape.panel_groups)
        first = code.value(f"sdiv i64 {code.integer('mul', thread, shape.panel_groups)}, {team}")
        return first, code.value(f"sdiv i64 {following}, {team}")

    def _tile_buffer(self, code: Code, shape: TileShape) -> str:
        if not shape.accumulators:
            return "null"
        size = shape.rows * shape.accumulators * shape.panels
        return code.value(f"alloca [{size} x {self.element.vector}], align 64")

    @contextmanager
    def _tile_rows(self, code: Code, shape: TileShape, first: str, end: str):
        """Tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2."""
        count = code.integer("sub", end, first)
        tiles = code.value(f"sdiv i64 {code.integer('add', count, shape.rows - 1)}, {shape.rows}")
        with code.loop(0, tiles) as tile:
            start = code.value(f"sdiv i64 {code.integer('mul', tile, count)}, {tiles}")
            following = code.integer("mul", code.integer("add", tile, 1), count)
            stop = code.value(f"sdiv i64 {following}, {tiles}")
            yield code.integer("add", first, start), code.integer("sub", stop, start)

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
                mask = tail_mask(e, units)
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
