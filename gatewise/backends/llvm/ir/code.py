"""A small writer of LLVM IR: names, loops, vectors of one element type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gatewise.backends.llvm.element import Element


class Code:
    """The text of one function; every method adds instructions and returns a name."""

    def __init__(self, element: Element, intrinsics: dict[str, str]):
        self.element, self.intrinsics = element, intrinsics
        self.lines: list[str] = []
        self.block = "entry"
        self._count = 0

    def fresh(self, stem: str = "v") -> str:
        """A new name without its percent sign."""
        self._count += 1
        return f"{stem}{self._count}"

    def value(self, instruction: str) -> str:
        """Add an instruction that has a result."""
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Add an instruction without result."""
        self.lines.append(f"  {instruction}")

    def label(self, name: str) -> None:
        """Start a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def call(
        self, intrinsic: str, result: str, *arguments: tuple[str, str], flags: str = ""
    ) -> str:
        """Call an intrinsic and declare it."""
        types = ", ".join(kind for kind, _ in arguments)
        self.intrinsics[intrinsic] = f"declare {result} @{intrinsic}({types})"
        given = ", ".join(f"{kind} {value}" for kind, value in arguments)
        return self.value(f"call {flags} {result} @{intrinsic}({given})")

    # -- integers and addresses

    def integer(self, operation: str, a: object, c: object) -> str:
        """Arithmetic on i64; two numbers are folded."""
        if isinstance(a, int) and isinstance(c, int) and operation in ("add", "mul", "sub"):
            return str({"add": a + c, "mul": a * c, "sub": a - c}[operation])
        if operation == "mul" and c == 1:
            return str(a)
        if operation in ("add", "sub") and c == 0:
            return str(a)
        return self.value(f"{operation} i64 {a}, {c}")

    def less(self, a: object, c: object) -> str:
        """A signed comparison."""
        return self.value(f"icmp slt i64 {a}, {c}")

    def minimum(self, a: object, c: object) -> str:
        """The smaller of two i64."""
        return self.value(f"select i1 {self.less(a, c)}, i64 {a}, i64 {c}")

    def maximum(self, a: object, c: object) -> str:
        """The greater of two i64."""
        return self.value(f"select i1 {self.less(a, c)}, i64 {c}, i64 {a}")

    def address(self, pointer: str, offset: object) -> str:
        """The address of an element."""
        if offset in (0, "0"):
            return pointer
        return self.value(f"getelementptr {self.element.name}, ptr {pointer}, i64 {offset}")

    def word(self, pointer: str, index: int, kind: str = "ptr") -> str:
        """A pointer or i64 out of an array of words."""
        at = self.value(f"getelementptr i64, ptr {pointer}, i64 {index}")
        return self.value(f"load {kind}, ptr {at}, align 8")

    def set_word(self, pointer: str, index: int, value: str, kind: str = "ptr") -> None:
        """Put a pointer or i64 into an array of words."""
        at = self.value(f"getelementptr i64, ptr {pointer}, i64 {index}")
        self.do(f"store {kind} {value}, ptr {at}, align 8")

    # -- vectors

    def load(self, pointer: str, mask: str | None = None) -> str:
        """A vector; lanes outside the mask are zero and not read."""
        e = self.element
        if mask is None:
            return self.value(f"load {e.vector}, ptr {pointer}, align {e.bytes}")
        name = f"llvm.masked.load.{e.suffix}.p0"
        self.intrinsics[name] = f"declare {e.vector} @{name}(ptr, i32 immarg, {e.mask}, {e.vector})"
        return self.value(
            f"call {e.vector} @{name}(ptr {pointer}, i32 {e.bytes}, {e.mask} {mask}, "
            f"{e.vector} zeroinitializer)"
        )

    def prefetch(self, pointer: str, level: int) -> None:
        """Ask for a line of memory to come to a cache of this level; any address will do."""
        name = "llvm.prefetch.p0"
        self.intrinsics[name] = f"declare void @{name}(ptr, i32 immarg, i32 immarg, i32 immarg)"
        self.do(f"call void @{name}(ptr {pointer}, i32 0, i32 {4 - level}, i32 1)")

    def store(self, value: str, pointer: str, mask: str | None = None) -> None:
        """Write a vector, or its lanes inside the mask."""
        e = self.element
        if mask is None:
            self.do(f"store {e.vector} {value}, ptr {pointer}, align {e.bytes}")
            return
        name = f"llvm.masked.store.{e.suffix}.p0"
        self.intrinsics[name] = f"declare void @{name}({e.vector}, ptr, i32 immarg, {e.mask})"
        self.do(
            f"call void @{name}({e.vector} {value}, ptr {pointer}, i32 {e.bytes}, {e.mask} {mask})"
        )

    def scalar(self, pointer: str) -> str:
        """One number."""
        return self.value(f"load {self.element.name}, ptr {pointer}, align {self.element.bytes}")

    def set_scalar(self, value: str, pointer: str) -> None:
        """Write one number."""
        self.do(f"store {self.element.name} {value}, ptr {pointer}, align {self.element.bytes}")

    def broadcast(self, scalar: str) -> str:
        """A vector of one number."""
        e = self.element
        first = self.value(f"insertelement {e.vector} poison, {e.name} {scalar}, i32 0")
        zeros = f"<{e.lanes} x i32> zeroinitializer"
        return self.value(f"shufflevector {e.vector} {first}, {e.vector} poison, {zeros}")

    def arithmetic(self, operation: str, a: str, c: str) -> str:
        """fadd, fsub, fmul or fdiv; a product may be fused with a sum."""
        return self.value(f"{operation} contract {self.element.vector} {a}, {c}")

    def fma(self, a: str, c: str, d: str) -> str:
        """A · c + d, rounded once where the processor can."""
        e = self.element
        return self.call(
            f"llvm.fmuladd.{e.suffix}", e.vector, (e.vector, a), (e.vector, c), (e.vector, d)
        )

    def unary(self, function: str, a: str) -> str:
        """An intrinsic of one vector, such as sqrt, fabs or rint."""
        e = self.element
        return self.call(f"llvm.{function}.{e.suffix}", e.vector, (e.vector, a))

    def compare(self, relation: str, a: str, c: str) -> str:
        """A vector of conditions."""
        return self.value(f"fcmp {relation} {self.element.vector} {a}, {c}")

    def shuffle(self, a: str, c: str, order: Sequence[int]) -> str:
        """Lanes of two vectors in a new order."""
        e = self.element
        indices = ", ".join(f"i32 {k}" for k in order)
        return self.value(
            f"shufflevector {e.vector} {a}, {e.vector} {c}, <{e.lanes} x i32> <{indices}>"
        )

    def paired(self, a: str, c: str) -> str:
        """Two vectors rounded to bfloat16, lane beside lane, as the bits of one vector."""
        lanes = range(self.element.lanes)
        return self._halves(a, c, [k for pair in lanes for k in (pair, pair + len(lanes))])

    def joined(self, a: str, c: str) -> str:
        """Two vectors rounded to bfloat16, one after the other, as the bits of one vector."""
        return self._halves(a, c, range(2 * self.element.lanes))

    def _halves(self, a: str, c: str, order: Sequence[int]) -> str:
        e = self.element
        half, both = f"<{e.lanes} x bfloat>", f"<{2 * e.lanes} x bfloat>"
        low, high = (self.value(f"fptrunc {e.vector} {v} to {half}") for v in (a, c))
        indices = ", ".join(f"i32 {k}" for k in order)
        made = self.value(
            f"shufflevector {half} {low}, {half} {high}, <{2 * e.lanes} x i32> <{indices}>"
        )
        return self.value(f"bitcast {both} {made} to {e.vector}")

    def lanes_below(self, count: str) -> str:
        """The mask of the first `count` lanes; none where it is below one, all beyond."""
        lanes = self.element.lanes
        many = f"<{lanes} x i64>"
        iota = "<" + ", ".join(f"i64 {k}" for k in range(lanes)) + ">"
        spread = self.value(f"insertelement {many} poison, i64 {count}, i32 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        spread = self.value(f"shufflevector {many} {spread}, {many} poison, {zeros}")
        return self.value(f"icmp slt {many} {iota}, {spread}")

    def select(self, condition: str, a: str, c: str) -> str:
        """Lane by lane, a where the condition holds, else c."""
        e = self.element
        return self.value(f"select {e.mask} {condition}, {e.vector} {a}, {e.vector} {c}")

    # -- control

    @contextmanager
    def loop(self, start: object, stop: object, step: object = 1) -> Iterator[str]:
        """For i from start below stop."""
        n = self.fresh("loop")
        before = self.block
        self.do(f"br label %{n}.head")
        self.label(f"{n}.head")
        index = f"%{n}.i"
        self.do(f"{index} = phi i64 [{start}, %{before}], [%{n}.next, %{n}.latch]")
        self.do(f"%{n}.go = icmp slt i64 {index}, {stop}")
        self.do(f"br i1 %{n}.go, label %{n}.body, label %{n}.exit")
        self.label(f"{n}.body")
        yield index
        self.do(f"br label %{n}.latch")
        self.label(f"{n}.latch")
        self.do(f"%{n}.next = add nsw i64 {index}, {step}")
        self.do(f"br label %{n}.head")
        self.label(f"{n}.exit")

    def carry(
        self,
        start: object,
        stop: object,
        step: int,
        values: list[str],
        body: Callable[[str, list[str]], list[str]],
    ) -> list[str]:
        """For i from start below stop: vectors that a loop hands on in registers, after the last.

        Args:
            start: of i.
            stop: likewise.
            step: likewise.
            values: the vectors before the first.
            body: makes the next vectors, of i and the last ones.
        """
        n, before, kind = self.fresh("carry"), self.block, self.element.vector
        self.do(f"br label %{n}.head")
        self.label(f"{n}.head")
        index, now = f"%{n}.i", [f"%{n}.v{k}" for k in range(len(values))]
        head = len(self.lines)
        self.do(f"%{n}.go = icmp slt i64 {index}, {stop}")
        self.do(f"br i1 %{n}.go, label %{n}.body, label %{n}.exit")
        self.label(f"{n}.body")
        following = body(index, now)
        self.do(f"%{n}.next = add nsw i64 {index}, {step}")
        self.lines[head:head] = [
            f"  {index} = phi i64 [{start}, %{before}], [%{n}.next, %{self.block}]",
            *(
                f"  {own} = phi {kind} [{first}, %{before}], [{later}, %{self.block}]"
                for own, first, later in zip(now, values, following, strict=True)
            ),
        ]
        self.do(f"br label %{n}.head")
        self.label(f"{n}.exit")
        return now

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """If the condition holds."""
        n = self.fresh("if")
        self.do(f"br i1 {condition}, label %{n}.then, label %{n}.end")
        self.label(f"{n}.then")
        yield
        self.do(f"br label %{n}.end")
        self.label(f"{n}.end")

    def switch(self, value: str, cases: dict[int, str]) -> str:
        """Jump to a block per value; returns the label of the block after all of them."""
        n = self.fresh("switch")
        arms = " ".join(f"i64 {k}, label %{label}" for k, label in cases.items())
        self.do(f"switch i64 {value}, label %{n}.end [{arms}]")
        return f"{n}.end"

    def function(self, name: str, arguments: Sequence[str], linkage: str = "internal") -> str:
        """The finished text of a function that returns nothing."""
        head = f"define {linkage} void @{name}({', '.join(arguments)}) nounwind #0 {{"
        return "\n".join([head, "entry:", *self.lines, "  ret void", "}"])
