"""How many multiplications and additions this machine can do: a loop of nothing else.

``python -m benchmarks.peak`` prints GFLOP/s by number of threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache

import torch

from benchmarks.clock import CLOCKS, seconds_of_turns
from gatewise.backends.llvm.compiler import compile_text
from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.job import WORDS
from gatewise.backends.llvm.target import Target, host

CHAINS = 12
"""Independent sums: enough to hide the latency of an addition, few enough for 16 registers."""

ITERATIONS = 1 << 18
"""About a millisecond a call."""


def loop_text(element: Element) -> str:
    """The loop as LLVM IR: ``a = a · m + s`` on every chain."""
    code = Code(element, {})
    grown = []
    code.do("br label %loop")
    code.label("loop")
    code.do("%i = phi i64 [0, %entry], [%next, %loop]")
    head = len(code.lines)
    for k in range(CHAINS):
        grown.append(code.fma(f"%a{k}", element.splat(0.5), element.splat(1.0 + k)))
    code.lines[head:head] = [
        f"  %a{k} = phi {element.vector} [zeroinitializer, %entry], [{grown[k]}, %loop]"
        for k in range(CHAINS)
    ]
    code.do("%next = add nuw nsw i64 %i, 1")
    code.do(f"%more = icmp ult i64 %next, {ITERATIONS}")
    code.do("br i1 %more, label %loop, label %done")
    code.label("done")
    sink = code.value(f"alloca {element.vector}, align 64")
    for value in grown:  # or nothing would be computed
        code.do(f"store volatile {element.vector} {value}, ptr {sink}")
    body = code.function("multiply_and_add", ["ptr %job", "i64 %thread", "i64 %team"], linkage="")
    return "\n".join([*code.intrinsics.values(), body, "attributes #0 = { nounwind }"])


@lru_cache(maxsize=4)
def _compiled(target: Target) -> tuple[int, float, object]:
    """The loop's address, the operations of one call on one thread, and its owner."""
    element = Element("float", 4, target.lanes(4))
    compiled = compile_text(loop_text(element), target)
    operations = 2.0 * ITERATIONS * CHAINS * element.lanes
    return compiled.address("multiply_and_add"), operations, compiled


def peak_run() -> tuple[Callable[[], None], float]:
    """The loop on all of torch's threads as a call, and its operations."""
    address, operations, _ = _compiled(host())
    count = threads.available()
    job = (ctypes.c_int64 * len(WORDS))(address)
    run = threads.entry(count)
    return lambda: run(ctypes.addressof(job)), operations * count


def main() -> None:
    """Print the peak of one thread, two, and so on."""
    for count in range(1, torch.get_num_threads() + 1):
        torch.set_num_threads(count)
        run, operations = peak_run()
        turns = seconds_of_turns({"peak": run}, CLOCKS["wall"], 1.0)["peak"]
        print(f"{count} threads: {operations / min(turns) / 1e9:.0f} GFLOP/s in float32")


if __name__ == "__main__":
    main()
