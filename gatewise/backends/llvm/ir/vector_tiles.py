"""Register tiles of vectors: products of a few rows with some panels of weights, by fused sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import Layout, TileShape, reserve
from gatewise.backends.llvm.plan.part import Group, Part, Sweep

UNROLL = 4
"""Steps of the innermost loop per branch."""

AHEAD = ((1, 2 << 10), (2, 8 << 10))
"""How many bytes before they are read weights are asked for that come from far, to which cache: the
processor's own guesses stop at the end of a page."""

TILE = ["ptr noalias %frame", "i64 %row", "i64 %group", "ptr noalias %buffer"]
"""Arguments of a tile's function."""


class VectorTiles:
    """Writes the products of a part's sweeps in the element type.

    Args:
        layout: of the kernel.
        part: the part.
        intrinsics: takes what is declared.
    """

    def __init__(self, layout: Layout, part: Part, intrinsics: dict[str, str]):
        self.layout, self.places, self.intrinsics = layout, part.places, intrinsics
        self.element = layout.element

    @contextmanager
    def blocks(self, code: Code, sweep: Sweep) -> Iterator[tuple[str, str]]:
        """First and end of rows that go through all panels together: all of them."""
        yield "%first", "%end"

    def call(
        self,
        code: Code,
        name: str,
        shape: TileShape,
        arguments: tuple[str, str, str, str],
        block: tuple[str, str],
    ) -> None:
        """Compute a tile.

        Args:
            code: of the caller.
            name: of the sweep.
            shape: of its tiles.
            arguments: first row, number of rows, panel group, and where the sums go.
            block: rows that `blocks` gave.
        """
        row, rows, group, buffer = arguments
        in_place = code.word("%frame", self.layout.word("in_place"), "i64")
        in_place = code.value(f"icmp ne i64 {in_place}, 0")
        with code.when(in_place), code.loop(0, rows) as m:
            size = shape.accumulators * shape.panels * self.element.lanes
            to = code.address(buffer, code.integer("mul", m, size))
            own = code.integer("add", row, m)
            code.do(f"call void @{name}.in_place(ptr %frame, i64 {own}, i64 {group}, ptr {to})")
        with code.when(code.value(f"xor i1 {in_place}, true")):
            self._call_tile(code, name, shape, arguments)

    def _call_tile(
        self, code: Code, name: str, shape: TileShape, arguments: tuple[str, str, str, str]
    ) -> None:
        row, rows, group, buffer = arguments
        end = code.switch(rows, {m: f"rows{m}" for m in range(1, shape.rows + 1)})
        for m in range(1, shape.rows + 1):
            code.label(f"rows{m}")
            code.do(f"call void @{name}.tile{m}(ptr %frame, i64 {row}, i64 {group}, ptr {buffer})")
            code.do(f"br label %{end}")
        code.label(end)

    def emit(self, name: str, sweep: Sweep, shape: TileShape) -> list[str]:
        """One function per height: products of a few rows with one panel group."""
        chunks, functions = [reserve(self.layout, sweep, shape, c) for c in shape.chunks], []
        for height in range(1, shape.rows + 1):
            code = Code(self.element, self.intrinsics)
            for chunk, reserved in zip(shape.chunks, chunks, strict=True):
                self._chunk(code, shape, height, chunk, reserved)
            functions.append(code.function(f"{name}.tile{height}", TILE))
        return [*functions, self._in_place(name, sweep, shape, chunks)]

    def _in_place(
        self,
        name: str,
        sweep: Sweep,
        shape: TileShape,
        chunks: list[list[tuple[Group, list[int], int]]],
    ) -> str:
        """Products of one row with one panel group, of weights that are not packed."""
        code, lanes = Code(self.element, self.intrinsics), self.element.lanes
        for k in range(shape.accumulators * shape.panels):
            code.store(self.element.splat(0.0), code.address("%buffer", k * lanes))
        first = code.integer("mul", "%group", shape.panels)
        units = [
            code.integer("mul", code.integer("add", first, p), lanes) for p in range(shape.panels)
        ]
        for group, accumulators, offset in (each for chunk in chunks for each in chunk):
            vector = self._vector(code, group)
            matrices = [k for k, own in enumerate(self.layout.packed) if own.offset == offset]
            for k, a in zip(matrices, accumulators, strict=True):
                matrix = code.word("%frame", self.layout.word(f"matrix.{k}"))
                row, column = (
                    code.word("%frame", self.layout.word(f"matrix.{k}.{stride}"), "i64")
                    for stride in ("row", "column")
                )
                for p, unit in enumerate(units):
                    to = code.address("%buffer", (a * shape.panels + p) * lanes)
                    code.do(
                        f"call void @multiply_in_place(ptr {to}, ptr {matrix}, i64 {row}, "
                        f"i64 {column}, i64 {sweep.units}, i64 {unit}, ptr {vector}, "
                        f"i64 {group.depth})"
                    )
        return code.function(f"{name}.in_place", TILE)

    def _vector(self, code: Code, group: Group) -> str:
        """The address of a row's vector."""
        place = self.places[group.vector]
        stride = self.layout.buffers[place.buffer].stride
        base = code.word("%frame", self.layout.word(place.buffer))
        start = code.integer("add", code.integer("mul", "%row", stride), place.offset)
        return code.address(base, start)

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
        place = self.places[group.vector]
        buffer = self.layout.buffers[place.buffer]
        width = len(accumulators) * shape.panels * self.element.lanes
        weights = code.word("%frame", self.layout.word("packed"))
        weights = code.address(weights, offset)
        jump = code.integer("mul", "%group", group.depth * width)
        weights = code.address(weights, jump)
        base = self._vector(code, group)
        keys = [
            (m, a, p)
            for m in range(height)
            for a in dict.fromkeys(accumulators)
            for p in range(shape.panels)
        ]
        bulk = group.depth // UNROLL * UNROLL if group.depth >= 2 * UNROLL else 0

        def step(k: str, ahead: int, now: dict[tuple[int, int, int], str]) -> None:
            at = code.address(weights, code.integer("mul", k, width))
            if shape.far:
                self._ask(code, code.address(at, ahead * width), width)
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

    def _ask(self, code: Code, weights: str, width: int) -> None:
        """Have so many weights brought near that are behind these."""
        for level, distance in AHEAD:
            for first in range(0, width, self.element.lanes):
                code.prefetch(code.address(weights, first + distance // self.element.bytes), level)

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
