"""Where the threads of a call wait for each other.

A step takes microseconds: a barrier of the pool, which may put threads to sleep, would take longer
than the work between two of them.
"""

from __future__ import annotations

from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import Layout

SPINS = 1000
"""How often a thread looks again before it lets another run: some ten microseconds."""


def wait(layout: Layout, intrinsics: dict[str, str]) -> str:
    """The text of ``wait(frame)``: return when all have come here who share these sequences."""
    code = Code(layout.element, intrinsics)
    team = code.word("%frame", layout.word("unit.team"), "i64")
    with code.when(code.less(1, team)):
        code.do("call void @meet(ptr %frame)")
    return code.function("wait", ["ptr %frame"])


def meet(layout: Layout, intrinsics: dict[str, str]) -> str:
    """The text of ``meet(frame)``: return when all threads of the team have come here.

    Every thread adds one to a counter that only grows, and knows how far it must have grown.
    """
    code = Code(layout.element, intrinsics)
    team = code.word("%frame", layout.word("team"), "i64")
    with code.when(code.less(1, team)):
        counter = code.word("%frame", layout.word("barrier"))
        before = code.word("%frame", layout.word("barrier.target"), "i64")
        target = code.integer("add", before, team)
        code.set_word("%frame", layout.word("barrier.target"), target, "i64")
        code.value(f"atomicrmw add ptr {counter}, i64 1 seq_cst")
        _spin(code, counter, target, "x86_64" in layout.target.triple)
    return code.function("meet", ["ptr %frame"])


def _spin(code: Code, counter: str, target: str, has_pause: bool) -> None:
    code.intrinsics["sched_yield"] = "declare i32 @sched_yield()"
    before = code.block
    code.do("br label %look")
    code.label("look")
    code.do(f"%spins = phi i64 [0, %{before}], [%more, %again], [0, %rest]")
    now = code.value(f"load atomic i64, ptr {counter} acquire, align 8")
    code.do(f"br i1 {code.value(f'icmp sge i64 {now}, {target}')}, label %met, label %again")
    code.label("again")
    if has_pause:
        code.intrinsics["llvm.x86.sse2.pause"] = "declare void @llvm.x86.sse2.pause()"
        code.do("call void @llvm.x86.sse2.pause()")
    code.do("%more = add i64 %spins, 1")
    tired = code.value(f"icmp sgt i64 %more, {SPINS}")
    code.do(f"br i1 {tired}, label %rest, label %look")
    code.label("rest")
    code.value("call i32 @sched_yield()")
    code.do("br label %look")
    code.label("met")
