"""Matrix tiles of the processor (AMX): products of factors that are rounded to bfloat16.

A tile multiplies 16 rows of 32 numbers with 32 numbers of 16 lanes and adds the products up in
float32. The rows are rounded by the thread that multiplies them, 64 at a time; the weights were
rounded when they were packed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import (
    TILE_DEPTH,
    TILE_ROWS,
    Layout,
    TileShape,
    reserve,
    whole_blocks,
)
from gatewise.backends.llvm.plan.part import Group, Part, Sweep

BLOCK = 64
"""Rows that are rounded together, and go through each panel of weights together."""

TILE_BYTES = 64
"""Of a row of a tile."""

FACTOR = 4
"""The tile of rows; accumulators are the tiles below, weights those above."""

WEIGHTS = (5, 6, 7)

CONFIGURATION = "<64 x i8>"


class MatrixTiles:
    """Writes the products of a part's sweeps in bfloat16; with the interface of `VectorTiles`."""

    def __init__(self, layout: Layout, part: Part, intrinsics: dict[str, str]):
        self.layout, self.places, self.intrinsics = layout, part.places, intrinsics
        self.element = layout.element

    def emit(self, name: str, sweep: Sweep, shape: TileShape) -> list[str]:
        """One function: products of 16 rows with one panel group."""
        code = Code(self.element, self.intrinsics)
        starts, width = _rounded_places(sweep)
        rounded = code.word("%frame", self.layout.word("rounded"))
        rounded = code.address(rounded, code.integer("mul", "%row", width))
        for chunk in shape.chunks:
            reserved = reserve(self.layout, sweep, shape, chunk)
            tiles = [(a, p) for a in chunk for p in range(shape.panels)]
            for k in range(len(tiles)):
                tile(code, "tilezero", k)
            for group, accumulators, offset in reserved:
                own = [tiles.index((a, p)) for a in accumulators for p in range(shape.panels)]
                rows = code.address(rounded, starts[group.vector])
                self._products(code, group, own, (rows, width), offset)
            stride = shape.accumulators * shape.panels * TILE_BYTES
            for k, (a, p) in enumerate(tiles):
                to = code.address("%buffer", (a * shape.panels + p) * self.element.lanes)
                tile(code, "tilestored64", k, to, stride)
        arguments = ["ptr noalias %frame", "i64 %row", "i64 %group", "ptr noalias %buffer"]
        return [code.function(f"{name}.tile", arguments)]

    def _products(
        self, code: Code, group: Group, own: list[int], rows: tuple[str, int], offset: int
    ) -> None:
        """Add the products with a group's weights, 32 numbers of the vector at a time."""
        source, width = rows
        step = len(own) * self.element.lanes
        weights = code.word("%frame", self.layout.word("packed"))
        weights = code.address(weights, offset)
        weights = code.address(
            weights, code.integer("mul", "%group", self.layout.depth(group.depth) * step)
        )
        with code.loop(0, whole_blocks(group.depth) // TILE_DEPTH) as k:
            at = code.address(source, code.integer("mul", k, TILE_DEPTH // 2))
            tile(code, "tileloadd64", FACTOR, at, width * self.element.bytes)
            panel = code.address(weights, code.integer("mul", k, TILE_DEPTH // 2 * step))
            for n, accumulator in enumerate(own):
                held = WEIGHTS[n % len(WEIGHTS)]
                at = code.address(panel, n * self.element.lanes)
                tile(code, "tileloadd64", held, at, step * self.element.bytes)
                tile(code, "tdpbf16ps", accumulator, FACTOR, held)

    @contextmanager
    def blocks(self, code: Code, sweep: Sweep) -> Iterator[tuple[str, str]]:
        """First and end of rows that go through all panels together; their vectors are rounded."""
        if not sweep.accumulators:
            yield "%first", "%end"
            return
        starts, width = _rounded_places(sweep)
        self.layout.rounded_elements = max(self.layout.rounded_elements, BLOCK * width)
        rounded = code.word("%frame", self.layout.word("rounded"))
        with code.loop("%first", "%end", BLOCK) as first:
            end = code.minimum(code.integer("add", first, BLOCK), "%end")
            count = code.integer("sub", end, first)
            for group in sweep.groups:
                place = self.places[group.vector]
                stride = self.layout.buffers[place.buffer].stride
                source = code.word("%frame", self.layout.word(place.buffer))
                at = code.integer("add", code.integer("mul", first, stride), place.offset)
                to = code.address(rounded, starts[group.vector])
                code.do(
                    f"call void @round_rows(ptr {to}, i64 {width}, ptr {code.address(source, at)}, "
                    f"i64 {stride}, i64 {group.depth}, i64 {count})"
                )
            yield first, end

    def call(
        self,
        code: Code,
        name: str,
        shape: TileShape,
        arguments: tuple[str, str, str, str],
        block: tuple[str, str],
    ) -> None:
        """Compute a tile; what rows past the last one hold is never read."""
        row, _, group, buffer = arguments
        row = code.integer("sub", row, block[0])
        code.do(f"call void @{name}.tile(ptr %frame, i64 {row}, i64 {group}, ptr {buffer})")


def _rounded_places(sweep: Sweep) -> tuple[dict, int]:
    """Where each vector of a row of rounded numbers starts, and the row's width, in elements."""
    starts, blocks = {}, 0
    for group in sweep.groups:
        starts[group.vector] = blocks * TILE_DEPTH // 2
        blocks += whole_blocks(group.depth) // TILE_DEPTH
    # an odd number of cache lines: rows of a tile then do not compete for the same set
    return starts, (blocks | 1) * TILE_DEPTH // 2


def tile(code: Code, instruction: str, number: int, *operands: object) -> None:
    """An instruction on a matrix tile."""
    kinds = {
        "tilezero": (),
        "tileloadd64": ("ptr", "i64"),
        "tilestored64": ("ptr", "i64"),
        "tdpbf16ps": ("i8", "i8"),
    }[instruction]
    name = f"llvm.x86.{instruction}"
    declared = ", ".join(["i8 immarg", *("i8 immarg" if k == "i8" else k for k in kinds)])
    code.intrinsics[name] = f"declare void @{name}({declared})"
    given = ", ".join(f"{k} {o}" for k, o in zip(("i8", *kinds), (number, *operands), strict=True))
    code.do(f"call void @{name}({given})")


def configure(code: Code) -> str:
    """Make all eight tiles 16 rows of 64 bytes; returns where the former configuration is kept."""
    for name in ("ldtilecfg", "sttilecfg"):
        code.intrinsics[name] = f"declare void @llvm.x86.{name}(ptr)"
    former, own = (code.value(f"alloca {CONFIGURATION}, align 64") for _ in range(2))
    numbers = [0] * 64
    numbers[0] = 1  # the palette
    for k in range(8):
        numbers[16 + 2 * k], numbers[48 + k] = TILE_BYTES, TILE_ROWS
    vector = "<" + ", ".join(f"i8 {number}" for number in numbers) + ">"
    code.do(f"call void @llvm.x86.sttilecfg(ptr {former})")
    code.do(f"store {CONFIGURATION} {vector}, ptr {own}, align 64")
    code.do(f"call void @llvm.x86.ldtilecfg(ptr {own})")
    return former


def restore(code: Code, former: str) -> None:
    """Leave the tiles as they were found."""
    code.do(f"call void @llvm.x86.ldtilecfg(ptr {former})")
