"""Gradients of weights: sums over rows of outer products, as a packed matrix product.

``C[m, n] += Σ_r A[r, m] · B[r, n]``: A holds gradients of gates, B the vectors that the gates'
matrices multiplied; or the other way round where B is too narrow for a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import TILE_DEPTH, TILE_ROWS, Layout
from gatewise.backends.llvm.ir.matrix_tiles import FACTOR, WEIGHTS, tile

NEAR_BYTES = 32 << 10
"""What of a panel of B goes with all panels of A at a time, so that it stays near."""

SUMS = 8
"""Vectors of column sums that are kept in registers: their lines of memory are neighbours."""

NEIGHBOURS = 8
"""Vectors of a row that are packed together."""

TILE = [
    *("ptr %c", "i64 %ldc", "ptr %to", "i64 %to_stride"),
    *("ptr noalias %a", "ptr noalias %b", "i64 %rows"),
]
"""Arguments of a tile's function: what it adds to, where the sums go, and the factors."""


@dataclass(frozen=True)
class OuterShape:
    """Register tile of an outer product.

    Attributes:
        rows: entries of A per tile.
        vectors: vectors of B per tile.
    """

    rows: int
    vectors: int

    @classmethod
    def of(cls, m: int, n: int, layout: Layout) -> OuterShape:
        """The tile for an m × n result."""
        element, target = layout.element, layout.target
        wide = -(-n // element.lanes)
        widest = min(target.vectors_per_row, wide)

        def rows(vectors: int) -> int:
            if layout.rounds:
                return TILE_ROWS
            fits = min(target.tile_rows(vectors), element.lanes)
            return max(r for r in (1, 2, 4, 8) if r == 1 or (r <= fits and r < 2 * m))

        def cost(vectors: int) -> tuple[float, int]:
            """Vectors computed, padding included, or the loads for them where those take longer."""
            r = rows(vectors)
            loads = (r + vectors) / (r * vectors)
            return -(-wide // vectors) * vectors * max(1.0, loads), -vectors

        vectors = min(range(1, widest + 1), key=cost)
        return cls(rows(vectors), vectors)

    @property
    def name(self) -> str:
        """Of the tile's function."""
        return f"outer.{self.rows}x{self.vectors}"


def outer_tile(shape: OuterShape, element: Element, intrinsics: dict[str, str]) -> str:
    """The function that adds a product to one tile: A and B are packed."""
    code = Code(element, intrinsics)
    keys = [(m, v) for m in range(shape.rows) for v in range(shape.vectors)]
    before, after = (
        [code.address(start, code.integer("mul", stride, m)) for m in range(shape.rows)]
        for start, stride in (("%c", "%ldc"), ("%to", "%to_stride"))
    )
    for m, v in keys:
        code.prefetch(code.address(before[m], v * element.lanes), 1)
    code.do("br label %k")
    code.label("k")
    code.do("%i = phi i64 [0, %entry], [%next, %k]")
    head = len(code.lines)
    a = code.address("%a", code.integer("mul", "%i", element.lanes))
    b = code.address("%b", code.integer("mul", "%i", shape.vectors * element.lanes))
    columns = [code.load(code.address(b, v * element.lanes)) for v in range(shape.vectors)]
    grown = {}
    for m in range(shape.rows):
        spread = code.broadcast(code.scalar(code.address(a, m)))
        for v in range(shape.vectors):
            grown[m, v] = code.fma(spread, columns[v], f"%s{m}.{v}")
    code.lines[head:head] = [
        f"  %s{m}.{v} = phi {element.vector} [{element.splat(0.0)}, %entry], [{grown[m, v]}, %k]"
        for m, v in keys
    ]
    code.do("%next = add nuw nsw i64 %i, 1")
    code.do("%go = icmp ult i64 %next, %rows")
    code.do("br i1 %go, label %k, label %done")
    code.label("done")
    for m, v in keys:
        total = code.load(code.address(before[m], v * element.lanes))
        total = code.arithmetic("fadd", total, grown[m, v])
        code.store(total, code.address(after[m], v * element.lanes))
    return code.function(shape.name, TILE)


def outer_matrix_tile(shape: OuterShape, element: Element, intrinsics: dict[str, str]) -> str:
    """The same in bfloat16: A is turned and B paired (see `rounding`), each in whole tiles."""
    code = Code(element, intrinsics)
    lanes, bytes_ = element.lanes, element.bytes
    strides = [code.integer("mul", stride, bytes_) for stride in ("%ldc", "%to_stride")]
    for v in range(shape.vectors):
        tile(code, "tileloadd64", v, code.address("%c", v * lanes), strides[0])
    blocks = code.value(f"sdiv i64 {code.integer('add', '%rows', TILE_DEPTH - 1)}, {TILE_DEPTH}")
    with code.loop(0, blocks) as k:
        a = code.address("%a", code.integer("mul", k, TILE_ROWS * lanes))
        tile(code, "tileloadd64", FACTOR, a, lanes * bytes_)
        wide = shape.vectors * lanes
        b = code.address("%b", code.integer("mul", k, TILE_DEPTH // 2 * wide))
        for v in range(shape.vectors):
            held = WEIGHTS[v % len(WEIGHTS)]
            tile(code, "tileloadd64", held, code.address(b, v * lanes), wide * bytes_)
            tile(code, "tdpbf16ps", v, FACTOR, held)
    for v in range(shape.vectors):
        tile(code, "tilestored64", v, code.address("%to", v * lanes), strides[1])
    return code.function(shape.name, TILE)


PANELS = [
    *("ptr noalias %c", "i64 %ldc", "i64 %m", "ptr noalias %a", "ptr noalias %b"),
    *("i64 %rows", "i64 %depth", "i64 %first", "i64 %end", "i64 %b_first", "i64 %b_end"),
    *("i1 %begins", "ptr noalias %to", "i64 %to_first", "i64 %to_rows", "i64 %to_columns"),
]
"""Arguments of `outer_panels`' function."""


def outer_panels(shape: OuterShape, layout: Layout, intrinsics: dict[str, str]) -> str:
    """All tiles of some panels of A (one vector wide) with all panels of B.

    Each panel has room for `depth` rows. Some rows of a panel of B, which stay in the first-level
    cache, go with all panels of A before the next ones. Where the sums begin, what is in C does not
    count. Where there is a place that they are to go to, they do not return to C in the end: row
    `to_first` of C is the first of `to_rows` rows there, which have `to_columns` numbers each.
    """
    element = layout.element
    code = Code(element, intrinsics)
    lanes, wide = element.lanes, shape.vectors * element.lanes
    near = "%rows" if layout.rounds else NEAR_BYTES // (wide * element.bytes)
    zeros = code.value(f"alloca [{wide} x {element.name}], align 64")
    whole = code.value(f"alloca [{shape.rows * wide} x {element.name}], align 64")
    for v in range(0, wide, lanes):
        code.store(element.splat(0.0), code.address(zeros, v))
    goes = code.value("icmp ne ptr %to, null")
    with (
        code.loop("%b_first", "%b_end") as panel,
        code.loop(0, "%rows", near) as k,
        code.loop("%first", "%end") as block,
        code.loop(0, lanes, shape.rows) as m,
    ):
        a_row = code.integer("add", code.integer("mul", block, "%depth"), k)
        b_row = code.integer("add", code.integer("mul", panel, "%depth"), k)
        a = code.address("%a", code.integer("add", code.integer("mul", a_row, lanes), m))
        b = code.address("%b", code.integer("mul", b_row, wide))
        row = code.integer("add", code.integer("mul", block, lanes), m)
        column = code.integer("mul", panel, wide)
        at = code.address("%c", code.integer("add", code.integer("mul", row, "%ldc"), column))
        left = code.integer("sub", "%rows", k)
        count = code.minimum(left, near)
        begins = code.value(f"and i1 %begins, {code.value(f'icmp eq i64 {k}, 0')}")
        ends = code.value(f"and i1 {goes}, {code.value(f'icmp sle i64 {left}, {near}')}")
        start = code.value(f"select i1 {begins}, ptr {zeros}, ptr {at}")
        stride = code.value(f"select i1 {begins}, i64 0, i64 %ldc")
        to = code.value(f"select i1 {ends}, ptr {whole}, ptr {at}")
        to_stride = code.value(f"select i1 {ends}, i64 {wide}, i64 %ldc")
        with code.when(code.less(row, "%m")):
            code.do(
                f"call void @{shape.name}(ptr {start}, i64 {stride}, ptr {to}, i64 {to_stride}, "
                f"ptr {a}, ptr {b}, i64 {count})"
            )
            with code.when(ends):
                own = code.integer("sub", row, "%to_first")
                place = code.integer("add", code.integer("mul", own, "%to_columns"), column)
                rows = code.minimum(shape.rows, code.integer("sub", "%to_rows", own))
                columns = code.integer("sub", "%to_columns", column)
                code.do(
                    f"call void @{shape.name}.deliver(ptr {code.address('%to', place)}, "
                    f"i64 %to_columns, ptr {whole}, i64 {rows}, i64 {columns})"
                )
    return code.function(f"{shape.name}.all", PANELS)


def deliver_tile(shape: OuterShape, element: Element, intrinsics: dict[str, str]) -> str:
    """The function that copies some rows of a tile to where there may be fewer columns."""
    code = Code(element, intrinsics)
    wide = shape.vectors * element.lanes
    whole = code.value(f"icmp sge i64 %columns, {wide}")
    for condition, masked in ((whole, False), (code.value(f"xor i1 {whole}, true"), True)):
        with code.when(condition), code.loop(0, "%rows") as m:
            to = code.address("%to", code.integer("mul", m, "%stride"))
            source = code.address("%from", code.integer("mul", m, wide))
            for v in range(0, wide, element.lanes):
                left = code.integer("sub", "%columns", v)
                mask = code.lanes_below(left) if masked else None
                code.store(code.load(code.address(source, v)), code.address(to, v), mask)
    arguments = ["ptr noalias %to", "i64 %stride", "ptr noalias %from"]
    return code.function(f"{shape.name}.deliver", [*arguments, "i64 %rows", "i64 %columns"])


def pack_rows(element: Element, intrinsics: dict[str, str]) -> str:
    """Rows of numbers into panels: ``to[panel][row][width]``, zeros past the last unit.

    ``from`` is the first of `count` rows; they become the rows from `at` on of `total`. Neighbours
    in a row are read together, for some panels.
    """
    code = Code(element, intrinsics)
    lanes = element.lanes
    width = code.integer("mul", "%vectors", lanes)
    together = code.value(f"sdiv i64 {NEIGHBOURS}, %vectors")
    with code.loop("%first", "%end", together) as start, code.loop(0, "%count") as row:
        stop = code.minimum(code.integer("add", start, together), "%end")
        source = code.address("%from", code.integer("mul", row, "%stride"))
        own = code.address("%to", code.integer("mul", code.integer("add", "%at", row), width))
        with code.loop(start, stop) as panel:
            to = code.integer("mul", panel, code.integer("mul", "%total", width))
            unit = code.integer("mul", panel, width)
            with code.loop(0, width, lanes) as v:
                at = code.integer("add", unit, v)
                mask = code.lanes_below(code.integer("sub", "%units", at))
                value = code.load(code.address(source, at), mask)
                code.store(value, code.address(own, code.integer("add", to, v)))
    arguments = [
        *("ptr noalias %to", "ptr noalias %from", "i64 %stride", "i64 %units", "i64 %vectors"),
        *("i64 %count", "i64 %at", "i64 %total", "i64 %first", "i64 %end"),
    ]
    return code.function("pack_rows", arguments)


def column_sums(element: Element, intrinsics: dict[str, str]) -> str:
    """``to[n] += Σ_r from[r, n]`` for some vectors of n, rows in order; from zero at first."""
    code = Code(element, intrinsics)
    count = code.integer("sub", "%end", "%first")
    wide = code.integer("sub", "%end", code.value(f"srem i64 {count}, {SUMS}"))
    for first, end, width in (("%first", wide, SUMS), (wide, "%end", 1)):
        with code.loop(first, end, width) as panel:
            at = code.integer("mul", panel, element.lanes)
            cells = [code.address(code.address("%to", at), k * element.lanes) for k in range(width)]
            source = code.address("%from", at)

            def added(row: str, sums: list[str], source: str = source) -> list[str]:
                start = code.address(source, code.integer("mul", row, "%stride"))
                places = [code.address(start, k * element.lanes) for k in range(len(sums))]
                return [
                    code.arithmetic("fadd", total, code.load(place))
                    for total, place in zip(sums, places, strict=True)
                ]

            start = [
                code.value(
                    f"select i1 %begins, {element.vector} {element.splat(0.0)}, "
                    f"{element.vector} {code.load(cell)}"
                )
                for cell in cells
            ]
            sums = code.carry(0, "%rows", 1, start, added)
            for total, cell in zip(sums, cells, strict=True):
                code.store(total, cell)
    arguments = [
        *("ptr noalias %to", "ptr noalias %from", "i64 %stride", "i64 %rows"),
        *("i64 %first", "i64 %end", "i1 %begins"),
    ]
    return code.function("column_sums", arguments)


def copy_rows(element: Element, intrinsics: dict[str, str]) -> str:
    """Rows of `units` numbers from one stride to another."""
    code = Code(element, intrinsics)
    name = "llvm.memcpy.p0.p0.i64"
    intrinsics[name] = f"declare void @{name}(ptr, ptr, i64, i1 immarg)"
    size = code.integer("mul", "%units", element.bytes)
    with code.loop(0, "%rows") as row:
        to = code.address("%to", code.integer("mul", row, "%to_stride"))
        source = code.address("%from", code.integer("mul", row, "%from_stride"))
        code.do(f"call void @{name}(ptr {to}, ptr {source}, i64 {size}, i1 false)")
    arguments = [
        *("ptr noalias %to", "i64 %to_stride", "ptr noalias %from", "i64 %from_stride"),
        *("i64 %units", "i64 %rows"),
    ]
    return code.function("copy_rows", arguments)


def add_numbers(element: Element, intrinsics: dict[str, str]) -> str:
    """``to[n] += from[n]`` for n below `units`; what `to` points to ends with a whole vector."""
    code = Code(element, intrinsics)
    with code.loop(0, "%units", element.lanes) as n:
        left = code.integer("sub", "%units", n)
        added = code.load(code.address("%from", n), code.lanes_below(left))
        cell = code.address("%to", n)
        code.store(code.arithmetic("fadd", code.load(cell), added), cell)
    arguments = ["ptr noalias %to", "ptr noalias %from", "i64 %units"]
    return code.function("add_numbers", arguments)
