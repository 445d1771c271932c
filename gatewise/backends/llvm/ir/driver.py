"""The loops over time around a kernel's parts: what each thread of a call does, as LLVM IR.

A call hands every thread the same *context*, an array of words (addresses, strides, sizes), and
tells it which of how many it is. A thread takes a range of sequences, and keeps the addresses that
belong to its present step in a *frame*, an array of its own that all parts read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewise.backends.llvm.ir import job
from gatewise.backends.llvm.ir.code import Code
from gatewise.backends.llvm.ir.layout import Layout, Packed
from gatewise.backends.llvm.ir.matrix_tiles import configure, restore


@dataclass
class Context:
    """The names of the words that a call is given."""

    words: dict[str, int] = field(
        default_factory=lambda: {name: k for k, name in enumerate(job.WORDS)}
    )

    def index(self, name: str) -> int:
        """The position of a word."""
        return self.words.setdefault(name, len(self.words))


class Driver:
    """What forward and backward share."""

    def __init__(
        self,
        layout: Layout,
        context: Context,
        intrinsics: dict[str, str],
        output_state: str | None,
        reverse: bool,
    ):
        self.layout, self.context, self.intrinsics = layout, context, intrinsics
        self.output_state, self.reverse = output_state, reverse
        self.element = layout.element
        self.code = Code(layout.element, intrinsics)

    def pointer(self, name: str) -> str:
        """An address out of the context."""
        return self.code.word("%context", self.context.index(name))

    def size(self, name: str) -> str:
        """A number out of the context."""
        return self.code.word("%context", self.context.index(name), "i64")

    def begin(self) -> None:
        """Which thread this is and which sequences are its own; denormals become zero."""
        code = self.code
        self._flush_denormals()
        self.tid, self.team = "%thread", "%team"
        words = max(1, len(self.layout.frame))
        self.frame = code.value(f"alloca [{words} x i64], align 64")
        self.T, self.B, self.total = self.size("T"), self.size("B"), self.size("total")
        self.block = self.size("block")
        if self.layout.rounds:
            own = code.integer("mul", self.tid, self.layout.rounded_elements)
            self.set("rounded", code.address(self.pointer("base.rounded"), own))
            self.tiles = configure(code)
        self._divide()
        self.first_row, self.end_row = self._share(self.B, *self.by_row)
        self.rows = code.integer("sub", self.end_row, self.first_row)

    def end(self, name: str) -> str:
        """Restore the floating-point mode and close the function."""
        self._restore_denormals()
        if self.layout.rounds:
            restore(self.code, self.tiles)
        return self.code.function(
            name, ["ptr noalias %context", "i64 %thread", "i64 %team"], linkage=""
        )

    def _flush_denormals(self) -> None:
        code, triple = self.code, self.layout.target.triple
        if "aarch64" in triple or "arm64" in triple:
            self.intrinsics["get.fpcr"] = "declare i64 @llvm.aarch64.get.fpcr()"
            self.intrinsics["set.fpcr"] = "declare void @llvm.aarch64.set.fpcr(i64)"
            self.mode = code.value("call i64 @llvm.aarch64.get.fpcr()")
            # bit 24: denormal operands and results are zero
            flushed = code.value(f"or i64 {self.mode}, 16777216")
            code.do(f"call void @llvm.aarch64.set.fpcr(i64 {flushed})")
        elif "x86_64" in triple:
            self._flush_denormals_of_x86()

    def _flush_denormals_of_x86(self) -> None:
        code = self.code
        for name in ("stmxcsr", "ldmxcsr"):
            self.intrinsics[name] = f"declare void @llvm.x86.sse.{name}(ptr)"
        self.mode = code.value("alloca i32, align 4")
        self.flushed = code.value("alloca i32, align 4")
        code.do(f"call void @llvm.x86.sse.stmxcsr(ptr {self.mode})")
        before = code.value(f"load i32, ptr {self.mode}, align 4")
        # bits 15 and 6: flush results to zero, take denormal operands as zero
        code.do(f"store i32 {code.value(f'or i32 {before}, 32832')}, ptr {self.flushed}, align 4")
        code.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.flushed})")

    def _restore_denormals(self) -> None:
        if "ldmxcsr" in self.intrinsics:
            self.code.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.mode})")
        elif "set.fpcr" in self.intrinsics:
            self.code.do(f"call void @llvm.aarch64.set.fpcr(i64 {self.mode})")

    def barrier(self) -> None:
        """Wait for all threads."""
        self.code.do(f"call void @meet(ptr {self.frame})")

    def _divide(self) -> None:
        """How a step is divided among the team: by sequences or, where asked for, by units.

        Divided by units, each thread goes through all sequences with its share of the weights.
        """
        code = self.code
        units = code.value(f"icmp ne i64 {self.size('by_unit')}, 0")

        def either(by_unit: str, by_row: str) -> str:
            return code.value(f"select i1 {units}, i64 {by_unit}, i64 {by_row}")

        self.by_row = either("0", self.tid), either("1", self.team)
        self.by_unit = either(self.tid, "0"), either(self.team, "1")
        for word, value in zip(("unit.thread", "unit.team"), self.by_unit, strict=True):
            code.set_word(self.frame, self.layout.frame[word], value, "i64")
        code.set_word(self.frame, self.layout.frame["team"], self.team, "i64")
        code.set_word(self.frame, self.layout.frame["barrier"], self.pointer("base.barrier"))
        code.set_word(self.frame, self.layout.frame["barrier.target"], "0", "i64")

    def share(self, count: object) -> tuple[str, str]:
        """This thread's part of a range, as first and end."""
        return self._share(count, self.tid, self.team)

    def share_by_unit(self, count: object) -> tuple[str, str]:
        """This thread's part of what its sequences need; all of it unless units are divided."""
        return self._share(count, *self.by_unit)

    def _share(self, count: object, thread: str, team: str) -> tuple[str, str]:
        code = self.code
        first = code.value(f"sdiv i64 {code.integer('mul', thread, count)}, {team}")
        following = code.integer("mul", code.integer("add", thread, 1), count)
        return first, code.value(f"sdiv i64 {following}, {team}")

    def wait(self) -> None:
        """Wait for those who share this thread's sequences."""
        self.code.do(f"call void @wait(ptr {self.frame})")

    def set(self, buffer: str, address: str) -> None:
        """Say where the rows of a buffer begin for the present step."""
        if buffer in self.layout.frame:
            self.code.set_word(self.frame, self.layout.frame[buffer], address)

    def row(self, buffer: str, row: object, base: str | None = None) -> str:
        """The address of a row of a buffer."""
        code = self.code
        start = self.pointer(f"base.{base or buffer}")
        stride = self.layout.buffers[buffer].stride
        return code.address(start, code.integer("mul", row, stride))

    def prepare(self) -> None:
        """Pack weights, copy constants and givens; every thread does a share."""
        code = self.code
        self.set("packed", self.pointer("base.packed"))
        self.set("constants", self.pointer("base.constants"))
        self._locate_weights()
        # a stream packs once and then steps on
        with code.when(code.value(f"icmp ne i64 {self.size('prepare')}, 0")):
            packs = code.value(f"icmp eq i64 {self.size('in_place')}, 0")
            for members in self._packed_together():
                # where nothing is packed, no group is anybody's
                count = code.value(f"select i1 {packs}, i64 {members[0][1].groups}, i64 0")
                first, end = self.share(count)
                # all factors of a group at once: their lines of memory are neighbours
                with code.loop(first, end) as group:
                    for k, packed in members:
                        self._pack_matrix(k, packed, group)
            with code.when(code.value(f"icmp eq i64 {self.tid}, 0")):
                for k, (offset, _) in enumerate(self.layout.constants.values()):
                    to = code.address(self.pointer("base.constants"), offset)
                    units = self.size(f"constant.{k}.units")
                    source = self.pointer(f"constant.{k}")
                    self.copy(to, 0, source, 0, units, 1)
                    added = self.pointer(f"constant.{k}.added")
                    with code.when(code.value(f"icmp ne ptr {added}, null")):
                        code.do(f"call void @add_numbers(ptr {to}, ptr {added}, i64 {units})")

    def _locate_weights(self) -> None:
        """Say where weights are that are multiplied without being packed."""
        words = {"in_place": "i64"}
        for k in range(len(self.layout.packed)):
            words |= {f"matrix.{k}": "ptr", f"matrix.{k}.row": "i64", f"matrix.{k}.column": "i64"}
        for name, kind in words.items():
            value = self.code.word("%context", self.context.index(name), kind)
            if name in self.layout.frame:
                self.code.set_word(self.frame, self.layout.frame[name], value, kind)

    def _packed_together(self) -> list[list[tuple[int, Packed]]]:
        """The packed matrices, with their positions, by the memory that they share."""
        found: dict[int, list[tuple[int, Packed]]] = {}
        for k, packed in enumerate(self.layout.packed):
            found.setdefault(packed.offset, []).append((k, packed))
        return list(found.values())

    def _pack_matrix(self, k: int, packed: Packed, group: str) -> None:
        """Pack one panel group of a matrix."""
        code = self.code
        to = code.address(self.pointer("base.packed"), packed.offset)
        span = f"i64 {group}, i64 {code.integer('add', group, 1)}"
        code.do(
            f"call void @pack_weights(ptr {to}, ptr {self.pointer(f'matrix.{k}')}, "
            f"i64 {self.size(f'matrix.{k}.row')}, i64 {self.size(f'matrix.{k}.column')}, "
            f"i64 {packed.rows}, i64 {packed.columns}, i64 {packed.factor}, "
            f"i64 {packed.factors}, i64 {packed.panels}, i64 {packed.depth}, {span})"
        )
        if self.layout.rounds and packed.factor == packed.factors - 1:
            code.do(
                f"call void @pair_rows(ptr {to}, i64 {packed.columns}, i64 {packed.depth}, "
                f"i64 {packed.factors * packed.panels}, {span})"
            )

    def copy(
        self, to: str, to_stride: object, source: str, stride: object, units: object, rows: object
    ) -> None:
        """Copy rows."""
        self.code.do(
            f"call void @copy_rows(ptr {to}, i64 {to_stride}, ptr {source}, i64 {stride}, "
            f"i64 {units}, i64 {rows})"
        )

    def copy_own(self, buffer: str, source: str, units: int) -> None:
        """Copy this thread's rows of a ``(B, units)`` tensor into a padded buffer."""
        code = self.code
        start = code.address(self.pointer(source), code.integer("mul", self.first_row, units))
        stride = self.layout.buffers[buffer].stride
        self.copy(self.row(buffer, self.first_row), stride, start, units, units, self.rows)

    def copy_input(self, name: str, t: str, to: str, units: int) -> None:
        """Copy this thread's rows of step t of an input of any strides."""
        code = self.code
        at = code.integer("mul", t, self.size(f"input.{name}.step"))
        row = self.size(f"input.{name}.row")
        at = code.integer("add", at, code.integer("mul", self.first_row, row))
        source = code.address(self.pointer(f"input.{name}"), at)
        self.copy(to, self.layout.buffers[f"in.{name}"].stride, source, row, units, self.rows)

    def step_row(self, t: object) -> str:
        """The row of this thread's first sequence at step t, where all rows are kept."""
        return self.code.integer("add", self.code.integer("mul", t, self.total), self.first_row)

    def set_states(self, t: str, kept: dict[str, bool], count: str) -> None:
        """Addresses of the states before (and after) step t."""
        code = self.code
        step = -1 if not self.reverse else 1
        for name, keeps in kept.items():
            state = f"state.{name}"
            if name == self.output_state:
                # the past of the output is the output itself; before the first step, the start
                at_start = code.value(f"icmp eq i64 {count}, 0")
                past = self.row("y", self.step_row(code.integer("add", t, step)))
                start = self.row(state, self.first_row, f"start.{name}")
                self.set(state, code.value(f"select i1 {at_start}, ptr {start}, ptr {past}"))
                self.set(f"new.{name}", self.row("y", self.step_row(t)))
                continue
            before, after = (t, code.integer("add", t, 1))
            if not keeps:
                before = code.value(f"and i64 {count}, 1")
                after = code.value(f"xor i64 {before}, 1")
            elif self.reverse:
                before, after = after, before
            self.set(state, self.row(state, self.step_row(before), f"past.{name}"))
            self.set(f"new.{name}", self.row(state, self.step_row(after), f"past.{name}"))
