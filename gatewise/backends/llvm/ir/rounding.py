"""Numbers rounded to bfloat16 and put where tiles of a matrix product read them."""

from __future__ import annotations

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import TILE_DEPTH
from gatewise.backends.llvm.ir.packing import transposed


def round_rows(element: Element, intrinsics: dict[str, str]) -> str:
    """Rows of `units` numbers rounded to bfloat16, with zeros up to whole tiles."""
    code = Code(element, intrinsics)
    lanes = element.lanes
    whole = code.value(f"sdiv i64 %units, {TILE_DEPTH}")
    blocks = code.value(f"sdiv i64 {code.integer('add', '%units', TILE_DEPTH - 1)}, {TILE_DEPTH}")

    def copy(to: str, source: str, block: str, masks: tuple[str | None, str | None]) -> None:
        at = code.address(source, code.integer("mul", block, TILE_DEPTH))
        halves = [code.load(code.address(at, k * lanes), mask) for k, mask in enumerate(masks)]
        code.store(code.joined(*halves), code.address(to, code.integer("mul", block, lanes)))

    left = code.integer("sub", "%units", code.integer("mul", whole, TILE_DEPTH))
    masks = code.lanes_below(left), code.lanes_below(code.integer("sub", left, lanes))
    with code.loop(0, "%count") as row:
        to = code.address("%to", code.integer("mul", row, "%to_stride"))
        source = code.address("%from", code.integer("mul", row, "%stride"))
        with code.loop(0, whole) as block:
            copy(to, source, block, (None, None))
        with code.loop(whole, blocks) as block:
            copy(to, source, block, masks)
    arguments = [
        *("ptr noalias %to", "i64 %to_stride", "ptr noalias %from", "i64 %stride", "i64 %units"),
        "i64 %count",
    ]
    return code.function("round_rows", arguments)


def pair_rows(element: Element, intrinsics: dict[str, str]) -> str:
    """Packed numbers rounded to bfloat16, in place: k and k + 1 side by side, then zeros.

    ``to[panel][k][vector][lane]`` becomes ``to[panel][k / 2][vector][lane][2]``; what is written
    never overtakes what is still to be read. A panel has room for `depth` k.
    """
    code = Code(element, intrinsics)
    lanes = element.lanes
    step = code.integer("mul", "%vectors", lanes)
    whole = code.value("sdiv i64 %count, 2")
    blocks = code.integer("add", "%count", TILE_DEPTH - 1)
    pairs = code.integer("mul", code.value(f"sdiv i64 {blocks}, {TILE_DEPTH}"), TILE_DEPTH // 2)

    def pair(base: str, row: str, odd: bool) -> None:
        source = code.address(base, code.integer("mul", row, code.integer("mul", step, 2)))
        to = code.address(base, code.integer("mul", row, step))
        left = code.integer("sub", "%count", code.integer("mul", row, 2))
        mask = None if odd else code.lanes_below(code.integer("mul", left, lanes))
        with code.loop(0, "%vectors") as v:
            at = code.integer("mul", v, lanes)
            first = code.load(code.address(source, at), mask)
            second = code.load(code.address(source, code.integer("add", at, step))) if odd else None
            made = code.paired(first, second or element.splat(0.0))
            code.store(made, code.address(to, at))

    with code.loop("%first", "%end") as group:
        base = code.integer("mul", group, code.integer("mul", "%depth", step))
        base = code.address("%to", base)
        with code.loop(0, whole) as row:
            pair(base, row, True)
        with code.loop(whole, pairs) as row:
            pair(base, row, False)
    arguments = [
        *("ptr noalias %to", "i64 %count", "i64 %depth", "i64 %vectors"),
        *("i64 %first", "i64 %end"),
    ]
    return code.function("pair_rows", arguments)


def turn_tiles(element: Element, intrinsics: dict[str, str]) -> str:
    """Paired panels of one vector turned tile by tile, in place: a row for each lane.

    ``to[panel][k / 32][16 pairs][lane][2]`` becomes ``to[panel][k / 32][lane][32]``.
    """
    code = Code(element, intrinsics)
    lanes = element.lanes
    blocks = code.value(f"sdiv i64 {code.integer('add', '%count', TILE_DEPTH - 1)}, {TILE_DEPTH}")
    with code.loop("%first", "%end") as panel, code.loop(0, blocks) as block:
        at = code.integer("mul", panel, code.integer("mul", "%depth", lanes))
        at = code.integer("add", at, code.integer("mul", block, lanes * lanes))
        places = [code.address(code.address("%to", at), k * lanes) for k in range(lanes)]
        for place, row in zip(places, transposed(code, list(map(code.load, places))), strict=True):
            code.store(row, place)
    arguments = ["ptr noalias %to", "i64 %count", "i64 %depth", "i64 %first", "i64 %end"]
    return code.function("turn_tiles", arguments)
