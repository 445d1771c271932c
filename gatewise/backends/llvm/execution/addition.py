"""Adding the gradients of weights of one half of the sequences to those of the other half."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from torch import Tensor

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.job import WORDS

COUNT, FIRST, EACH = len(WORDS), len(WORDS) + 1, 3
"""Words of the job: how many arrays there are, and of each `to`, `from` and its numbers."""

THREAD_NUMBERS = 1 << 13
"""Additions that take a thread longer than it takes to wake it."""


class HeldGradients:
    """Gradients of weights that stay here, and the job that adds them to others.

    Args:
        add_arrays: the address of that function.
        tensors: contiguous; None where there is none.
    """

    def __init__(self, add_arrays: int, tensors: Sequence[Tensor | None]):
        self.tensors = tensors
        words, numbers = [], 0
        for tensor in tensors:
            start, count = (0, 0) if tensor is None else (tensor.data_ptr(), tensor.numel())
            words += (0, start, count)
            numbers += count
        values = (add_arrays, 0, len(tensors), *words)
        self._words = (ctypes.c_int64 * len(values))(*values)
        self._address = ctypes.addressof(self._words)
        self._useful = 1 + numbers // THREAD_NUMBERS

    def add_to(self, others: Sequence[Tensor | None], team: int) -> None:
        """Add them, on a team of threads, to tensors of the same shapes, where there are such."""
        for k, other in enumerate(others):
            self._words[FIRST + EACH * k] = 0 if other is None else other.data_ptr()
        threads.entry(min(team, self._useful))(self._address)


def add_arrays(element: Element, intrinsics: dict[str, str]) -> str:
    """The text of ``add_arrays(job, thread, team)``: ``to[n] += from[n]`` for each pair of arrays.

    Every thread has a share of each, of whole vectors; where `to` is null, nothing is added.
    """
    code = Code(element, intrinsics)
    count = code.word("%job", COUNT, "i64")
    with code.loop(0, count) as k:
        at = code.integer("add", code.integer("mul", k, EACH), FIRST)
        words = code.value(f"getelementptr i64, ptr %job, i64 {at}")
        to, source = code.word(words, 0), code.word(words, 1)
        numbers = code.word(words, 2, "i64")
        nowhere = code.value(f"icmp eq ptr {to}, null")
        numbers = code.value(f"select i1 {nowhere}, i64 0, i64 {numbers}")
        vectors = code.integer("add", numbers, element.lanes - 1)
        vectors = code.value(f"sdiv i64 {vectors}, {element.lanes}")
        thread_after = code.integer("add", "%thread", 1)
        first, end = (
            code.integer("mul", code.value(f"sdiv i64 {share}, %team"), element.lanes)
            for share in (
                code.integer("mul", vectors, "%thread"),
                code.integer("mul", vectors, thread_after),
            )
        )
        with code.loop(first, code.minimum(end, numbers), element.lanes) as n:
            own = code.lanes_below(code.integer("sub", numbers, n))
            cell = code.address(to, n)
            added = code.load(code.address(source, n), own)
            code.store(code.arithmetic("fadd", code.load(cell, own), added), cell, own)
    arguments = ["ptr noalias %job", "i64 %thread", "i64 %team"]
    return code.function("add_arrays", arguments, linkage="")
