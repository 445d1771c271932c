"""Weights in the order in which the innermost loops read them."""

from __future__ import annotations

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir.code import Code


def pack_weights(element: Element, intrinsics: dict[str, str]) -> str:
    """One matrix of a group into ``to[panel group][k][factor][panel][lane]``.

    A panel group has room for `depth` k. Lanes past the last row are zero. Matrices whose columns
    (or, transposed, rows) are neighbours in memory go in whole vectors, others number by number.
    """
    code = Code(element, intrinsics)
    lanes = element.lanes
    step = code.integer("mul", code.integer("mul", "%factors", "%panels"), lanes)
    across = code.value("icmp eq i64 %row_stride, 1")
    along = code.value("icmp eq i64 %column_stride, 1")
    whole = code.integer("mul", code.value(f"sdiv i64 %columns, {lanes}"), lanes)
    with code.loop("%first", "%end") as group, code.loop(0, "%panels") as panel:
        unit = code.integer("add", code.integer("mul", group, "%panels"), panel)
        unit = code.integer("mul", unit, lanes)
        mask = code.lanes_below(code.integer("sub", "%rows", unit))
        to = code.integer("mul", code.integer("mul", group, "%depth"), step)
        own = code.integer("add", code.integer("mul", "%factor", "%panels"), panel)
        to = code.address("%to", code.integer("add", to, code.integer("mul", own, lanes)))
        with code.when(across), code.loop(0, "%columns") as k:
            at = code.integer("add", code.integer("mul", k, "%column_stride"), unit)
            value = code.load(code.address("%from", at), mask)
            code.store(value, code.address(to, code.integer("mul", k, step)))
        done = code.value(f"select i1 {along}, i64 {whole}, i64 0")
        rest = code.value(f"select i1 {across}, i64 %columns, i64 {done}")
        with code.when(code.value(f"xor i1 {across}, true")):
            with code.loop(0, done, lanes) as k:
                _transpose(code, to, step, unit, k, mask)
            with code.loop(rest, "%columns") as k:
                _single(code, to, step, unit, k)
    arguments = [
        *("ptr noalias %to", "ptr noalias %from", "i64 %row_stride", "i64 %column_stride"),
        *("i64 %rows", "i64 %columns", "i64 %factor", "i64 %factors", "i64 %panels"),
        *("i64 %depth", "i64 %first", "i64 %end"),
    ]
    return code.function("pack_weights", arguments)


def _transpose(code: Code, to: str, step: str, unit: str, k: str, mask: str) -> None:
    """A square of weights: read along rows, written along columns."""
    e = code.element
    last = code.integer("sub", "%rows", 1)
    rows = []
    for lane in range(e.lanes):
        # rows past the end read the last row, and are masked afterwards
        row = code.minimum(code.integer("add", unit, lane), last)
        at = code.integer("add", code.integer("mul", row, "%row_stride"), k)
        rows.append(code.load(code.address("%from", at)))
    for lane, column in enumerate(transposed(code, rows)):
        at = code.integer("mul", code.integer("add", k, lane), step)
        code.store(code.select(mask, column, e.splat(0.0)), code.address(to, at))


def transposed(code: Code, rows: list[str]) -> list[str]:
    """The columns of as many vectors as each has lanes."""
    lanes = code.element.lanes
    half = lanes // 2
    low = [index for k in range(half) for index in (k, lanes + k)]
    high = [index + half for index in low]
    for _ in range(lanes.bit_length() - 1):
        # interleaving the two halves log2(lanes) times is a transposition
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [code.shuffle(a, c, order) for a, c in pairs for order in (low, high)]
    return rows


def _single(code: Code, to: str, step: str, unit: str, k: str) -> None:
    """One column, number by number."""
    e = code.element
    start = code.address(to, code.integer("mul", k, step))
    with code.loop(0, e.lanes) as lane:
        row = code.integer("add", unit, lane)
        code.set_scalar(e.literal(0.0), code.address(start, lane))
        with code.when(code.less(row, "%rows")):
            at = code.integer("mul", row, "%row_stride")
            at = code.integer("add", at, code.integer("mul", k, "%column_stride"))
            code.set_scalar(code.scalar(code.address("%from", at)), code.address(start, lane))
