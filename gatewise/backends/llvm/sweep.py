"""From a part's plan to LLVM IR: register tiles, what is pointwise, and sums over units."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

from gatewise.backends.llvm.code import Code
from gatewise.backends.llvm.layout import Layout, TileShape
from gatewise.backends.llvm.part import Group, Part, Reduction, Sweep
from gatewise.backends.llvm.reader import Reader, tail_mask
from gatewise.equations.expression import Expression

UNROLL = 4
"""Steps of the innermost loop per branch."""


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
        shape = TileShape.of(sweep, self.element, self.target)
        tails = self.element.padded(sweep.units) != sweep.units
        full_panels = sweep.units // self.element.lanes
        if full_panels:
            self._epilogue(f"{name}.full", sweep, shape, None)
        if tails:
            self._epilogue(f"{name}.tail", sweep, shape, tail_mask(self.element, sweep.units))
        if sweep.accumulators:
            self._tiles(name, sweep, shape)
        code = self._code()
        buffer = self._tile_buffer(code, shape)
        with (
            code.loop(*self._own_groups(code, shape)) as group,
            self._tile_rows(code, shape) as (row, rows),
        ):
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
