"""Products with weights where they lie: for few rows, packing takes longer than multiplying."""

from __future__ import annotations

from functools import reduce

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.packing import transposed

CHAINS = 4
"""Sums across rows that do not wait for each other."""


def multiply_in_place(element: Element, intrinsics: dict[str, str]) -> str:
    """``to += matrix · vector`` for one panel of units; one of the matrix's strides is 1."""
    code = Code(element, intrinsics)
    across = code.value("icmp eq i64 %row_stride, 1")
    mask = code.lanes_below(code.integer("sub", "%rows", "%unit"))
    with code.when(across):
        _add(code, _across(code, mask))
    with code.when(code.value(f"xor i1 {across}, true")):
        _add(code, code.select(mask, _along(code), element.splat(0.0)))
    arguments = [
        *("ptr noalias %to", "ptr noalias %matrix", "i64 %row_stride", "i64 %column_stride"),
        *("i64 %rows", "i64 %unit", "ptr noalias %vector", "i64 %depth"),
    ]
    return code.function("multiply_in_place", arguments)


def _add(code: Code, value: str) -> None:
    code.store(code.arithmetic("fadd", code.load("%to"), value), "%to")


def _sum(code: Code, values: list[str]) -> str:
    return reduce(lambda a, c: code.arithmetic("fadd", a, c), values)


def _across(code: Code, mask: str) -> str:
    """Units are neighbours: their weights for each k, times that number of the vector."""
    zero = code.element.splat(0.0)
    whole = code.value(f"and i64 %depth, {-CHAINS}")

    def multiplied(k: str, total: str) -> str:
        at = code.integer("add", code.integer("mul", k, "%column_stride"), "%unit")
        spread = code.broadcast(code.scalar(code.address("%vector", k)))
        return code.fma(spread, code.load(code.address("%matrix", at), mask), total)

    def chained(k: str, totals: list[str]) -> list[str]:
        return [
            multiplied(code.integer("add", k, ahead), total) for ahead, total in enumerate(totals)
        ]

    sums = code.carry(0, whole, CHAINS, [zero] * CHAINS, chained)
    rest = code.carry(whole, "%depth", 1, [zero], lambda k, totals: [multiplied(k, totals[0])])
    return _sum(code, [*sums, *rest])


def _along(code: Code) -> str:
    """The numbers of a unit are neighbours: a vector of them at a time, summed up at the end."""
    lanes = code.element.lanes
    last = code.integer("sub", "%rows", 1)
    rows = []
    for lane in range(lanes):
        # rows past the end read the last row, and are masked afterwards
        row = code.minimum(code.integer("add", "%unit", lane), last)
        rows.append(code.address("%matrix", code.integer("mul", row, "%row_stride")))
    whole = code.integer("mul", code.value(f"sdiv i64 %depth, {lanes}"), lanes)
    mask = code.lanes_below(code.integer("sub", "%depth", whole))

    def multiplied(k: str, sums: list[str], mask: str | None = None) -> list[str]:
        numbers = code.load(code.address("%vector", k), mask)
        return [
            code.fma(code.load(code.address(row, k), mask), numbers, total)
            for row, total in zip(rows, sums, strict=True)
        ]

    sums = code.carry(0, whole, lanes, [code.element.splat(0.0)] * lanes, multiplied)
    return _sum(code, transposed(code, multiplied(whole, sums, mask)))
