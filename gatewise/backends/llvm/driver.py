"""The loops over time around a kernel's parts: what each thread of a call does, as LLVM IR.

A call hands every thread the same *context*, an array of words (addresses, strides, sizes). A
thread takes a range of sequences, and keeps the addresses that belong to its present step in a
*frame*, an array of its own that all parts read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewise.backends.llvm.code import Code
from gatewise.backends.llvm.outer import OuterShape
from gatewise.backends.llvm.part import Place
from gatewise.backends.llvm.program import Backward, Forward
from gatewise.backends.llvm.sweep import Layout


@dataclass
class Context:
    """The names of the words that a call is given."""

    words: dict[str, int] = field(default_factory=dict)

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
        self.intrinsics["omp_get_thread_num"] = "declare i32 @omp_get_thread_num()"
        self.intrinsics["omp_get_num_threads"] = "declare i32 @omp_get_num_threads()"
        self.intrinsics["GOMP_barrier"] = "declare void @GOMP_barrier()"
        self._flush_denormals()
        tid = code.value("call i32 @omp_get_thread_num()")
        team = code.value("call i32 @omp_get_num_threads()")
        self.tid = code.value(f"sext i32 {tid} to i64")
        self.team = code.value(f"sext i32 {team} to i64")
        words = max(1, len(self.layout.frame))
        self.frame = code.value(f"alloca [{words} x i64], align 64")
        self.T, self.B = self.size("T"), self.size("B")
        self.block = self.size("block")
        self.first_row, self.end_row = self.share(self.B)
        self.rows = code.integer("sub", self.end_row, self.first_row)

    def end(self, name: str) -> str:
        """Restore the floating-point mode and close the function."""
        self._restore_denormals()
        return self.code.function(name, ["ptr noalias %context"], linkage="")

    def _flush_denormals(self) -> None:
        code = self.code
        if "x86_64" not in self.layout.target.triple:
            return
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
        if "x86_64" in self.layout.target.triple:
            self.code.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.mode})")

    def barrier(self) -> None:
        """Wait for all threads."""
        self.code.do("call void @GOMP_barrier()")

    def share(self, count: object) -> tuple[str, str]:
        """This thread's part of a range, as first and end."""
        code = self.code
        first = code.value(f"sdiv i64 {code.integer('mul', self.tid, count)}, {self.team}")
        following = code.integer("mul", code.integer("add", self.tid, 1), count)
        return first, code.value(f"sdiv i64 {following}, {self.team}")

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
        for k, packed in enumerate(self.layout.packed):
            first, end = self.share(packed.groups)
            to = code.address(self.pointer("base.packed"), packed.offset)
            code.do(
                f"call void @pack_weights(ptr {to}, ptr {self.pointer(f'matrix.{k}')}, "
                f"i64 {self.size(f'matrix.{k}.row')}, i64 {self.size(f'matrix.{k}.column')}, "
                f"i64 {packed.rows}, i64 {packed.columns}, i64 {packed.factor}, "
                f"i64 {packed.factors}, i64 {packed.panels}, i64 {first}, i64 {end})"
            )
        with code.when(code.value(f"icmp eq i64 {self.tid}, 0")):
            for k, (offset, _) in enumerate(self.layout.constants.values()):
                to = code.address(self.pointer("base.constants"), offset)
                units = self.size(f"constant.{k}.units")
                source = self.pointer(f"constant.{k}")
                self.copy(to, 0, source, 0, units, 1)

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
        return self.code.integer("add", self.code.integer("mul", t, self.B), self.first_row)

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


class ForwardDriver(Driver):
    """The forward loop."""

    def emit(self, plan: Forward, kept: dict[str, bool], units: dict[str, int]) -> str:
        """The text of ``forward(context)``.

        Args:
            plan: the parts.
            kept: for each state, whether its whole past is kept.
            units: of inputs (``in.x``), states (``state.h``) and givens (``given.name``).
        """
        code = self.code
        self.begin()
        self.prepare()
        for buffer in self.layout.buffers:
            if buffer.startswith("given."):
                self.copy_own(buffer, f"source.{buffer}", units[buffer])
            if buffer in ("scratch",):
                self.set(buffer, self.row(buffer, self.first_row))
        self._start_states(kept, units)
        self.barrier()
        for buffer in self.layout.buffers:
            if buffer.startswith("given."):
                self.set(buffer, self.row(buffer, self.first_row))
        region = code.integer("mul", self.first_row, self.block)
        with code.loop(0, self.T, self.block) as start:
            stop = code.minimum(code.integer("add", start, self.block), self.T)
            count = code.integer("sub", stop, start)
            with code.loop(0, count) as k:
                t = self._time(code.integer("add", start, k))
                row = code.integer("add", region, code.integer("mul", k, self.rows))
                for name in plan.inputs:
                    self.copy_input(name, t, self.row(f"in.{name}", row), units[f"in.{name}"])
            if plan.hoist is not None:
                for buffer in self._block_buffers(plan):
                    self.set(buffer, self.row(buffer, region))
                many = code.integer("mul", count, self.rows)
                code.do(f"call void @hoist(ptr {self.frame}, i64 0, i64 {many})")
            with code.loop(0, count) as k:
                n = code.integer("add", start, k)
                t = self._time(n)
                row = code.integer("add", region, code.integer("mul", k, self.rows))
                for buffer in self._block_buffers(plan):
                    self.set(buffer, self.row(buffer, row))
                for buffer in ("y", "saved"):
                    self.set(buffer, self.row(buffer, self.step_row(t)))
                self.set_states(t, kept, n)
                code.do(f"call void @step(ptr {self.frame}, i64 0, i64 {self.rows})")
        return self.end("forward")

    def _block_buffers(self, plan: Forward) -> list[str]:
        return [*(f"in.{name}" for name in plan.inputs), "hoisted", "hoist_scratch"]

    def _time(self, n: str) -> str:
        """The step that is the n-th to run."""
        if not self.reverse:
            return n
        return self.code.integer("sub", self.code.integer("sub", self.T, 1), n)

    def _start_states(self, kept: dict[str, bool], units: dict[str, int]) -> None:
        code = self.code
        for name, keeps in kept.items():
            if name == self.output_state:
                continue
            state = f"state.{name}"
            position = self.T if keeps and self.reverse else 0
            to = self.row(state, self.step_row(position), f"past.{name}")
            size = units[state]
            source = self.pointer(f"base.start.{name}")
            source = code.address(source, code.integer("mul", self.first_row, size))
            stride = self.layout.buffers[state].stride
            self.copy(to, stride, source, size, size, self.rows)


@dataclass(frozen=True)
class OuterJob:
    """One product of gradients with vectors, added up over all rows.

    Attributes:
        name: of its buffers: ``<name>.c``, ``<name>.a``, ``<name>.b``.
        gradient: where the gradients start within a row; whole vectors.
        rows: how many numbers of a row they are, padding included.
        vector: place of the vectors.
        columns: units of a vector.
        swapped: whether the vectors, too narrow for a panel, are the broadcast side.
        shape: of the register tile.
    """

    name: str
    gradient: int
    rows: int
    vector: Place
    columns: int
    swapped: bool
    shape: OuterShape

    def sides(self, lanes: int) -> tuple[int, int, int, int]:
        """Units of A, its panels, units of B, its panels."""
        a, b = (self.columns, self.rows) if self.swapped else (self.rows, self.columns)
        return a, -(-a // lanes), b, -(-b // (lanes * self.shape.vectors))

    def padded(self, lanes: int) -> tuple[int, int]:
        """Units of A and of B, rounded up to whole panels: the shape of C."""
        _, a_panels, _, b_panels = self.sides(lanes)
        return a_panels * lanes, b_panels * self.shape.vectors * lanes


class BackwardDriver(Driver):
    """The loop backwards in time, in blocks; gradients of weights follow each block."""

    def emit(
        self,
        plan: Backward,
        jobs: list[OuterJob],
        kept: dict[str, bool],
        units: dict[str, int],
    ) -> str:
        """The text of ``backward(context)``."""
        code = self.code
        self.begin()
        self.prepare()
        for buffer in self.layout.buffers:
            if buffer.startswith("given."):
                self.copy_own(buffer, f"source.{buffer}", units[buffer])
        for name in kept:
            self.copy_own(f"flow.{name}", f"source.flow.{name}", units[f"state.{name}"])
        self.barrier()
        for buffer in self.layout.buffers:
            if buffer.startswith(("given.", "dgiven.")) or buffer == "scratch":
                self.set(buffer, self.row(buffer, self.first_row))
        blocks = code.integer("add", self.T, code.integer("sub", self.block, 1))
        blocks = code.value(f"sdiv i64 {blocks}, {self.block}")
        with code.loop(0, blocks) as j:
            t0, t1 = self._block(j)
            self._steps(plan, kept, units, t0, t1)
            self.barrier()
            self._after_block(plan, jobs, kept, t0, t1)
            self.barrier()
        return self.end("backward")

    def _block(self, j: str) -> tuple[str, str]:
        """The steps of the j-th block: the end of the sequence first, unless time runs back."""
        code = self.code
        done = code.integer("mul", j, self.block)
        if self.reverse:
            return done, code.minimum(code.integer("add", done, self.block), self.T)
        t1 = code.integer("sub", self.T, done)
        t0 = code.integer("sub", t1, self.block)
        return code.value(f"select i1 {code.less(t0, 0)}, i64 0, i64 {t0}"), t1

    def _steps(
        self, plan: Backward, kept: dict[str, bool], units: dict[str, int], t0: str, t1: str
    ) -> None:
        code = self.code
        with code.loop(0, code.integer("sub", t1, t0)) as k:
            if self.reverse:
                t = code.integer("add", t0, k)
                count = code.integer("sub", code.integer("sub", self.T, 1), t)
                done = t
            else:
                t = code.integer("sub", code.integer("sub", t1, 1), k)
                count = t
                done = code.integer("sub", code.integer("sub", self.T, 1), t)
            in_block = code.integer("mul", code.integer("sub", t, t0), self.B)
            row = code.integer("add", in_block, self.first_row)
            for name in plan.inputs:
                to = self.row(f"in.{name}", row)
                self.copy_input(name, t, to, units[f"in.{name}"])
                self.set(f"in.{name}", to)
            for buffer in ("gradients", "vectors", "rest"):
                self.set(buffer, self.row(buffer, row))
            for buffer in ("y", "saved", "dy"):
                self.set(buffer, self.row(buffer, self.step_row(t)))
            self.set_states(t, kept, count)
            odd = code.value(f"and i64 {done}, 1")
            even = code.value(f"xor i64 {odd}, 1")
            for name in kept:
                flow = f"flow.{name}"
                self.set(flow, self.row(flow, self.step_row(odd)))
                self.set(f"next_{flow}", self.row(flow, self.step_row(even)))
            code.do(f"call void @step(ptr {self.frame}, i64 0, i64 {self.rows})")

    def _after_block(
        self, plan: Backward, jobs: list[OuterJob], kept: dict[str, bool], t0: str, t1: str
    ) -> None:
        code = self.code
        many = code.integer("mul", code.integer("sub", t1, t0), self.B)
        for job in jobs:
            self._pack(job, kept, t0, t1, many)
        if jobs:
            self.barrier()
        lanes = self.element.lanes
        for job in jobs:
            _, a_panels, _, b_panels = job.sides(lanes)
            a, b = (0, a_panels), (0, b_panels)
            if a_panels >= b_panels:
                a = self.share(a_panels)
            else:
                b = self.share(b_panels)
            ldc = b_panels * job.shape.vectors * lanes
            code.do(
                f"call void @{job.shape.name}.all(ptr {self.pointer(f'base.{job.name}.c')}, "
                f"i64 {ldc}, i64 {job.sides(lanes)[0]}, ptr {self.pointer(f'base.{job.name}.a')}, "
                f"ptr {self.pointer(f'base.{job.name}.b')}, i64 {many}, "
                f"i64 {a[0]}, i64 {a[1]}, i64 {b[0]}, i64 {b[1]})"
            )
        if plan.vectors:
            stride = self.layout.buffers["gradients"].stride
            first, end = self.share(stride // lanes)
            code.do(
                f"call void @column_sums(ptr {self.pointer('base.sums')}, "
                f"ptr {self.pointer('base.gradients')}, i64 {stride}, i64 {many}, "
                f"i64 {first}, i64 {end})"
            )
        if plan.deferred is not None:
            for buffer in ("gradients", "rest"):
                self.set(buffer, self.row(buffer, 0))
            self.set("scratch", self.row("scratch", 0, "deferred_scratch"))
            for name in plan.input_gradients:
                row = code.integer("mul", t0, self.B)
                self.set(f"dx.{name}", self.row(f"dx.{name}", row))
            first, end = self.share(many)
            code.do(f"call void @deferred(ptr {self.frame}, i64 {first}, i64 {end})")
            self.set("scratch", self.row("scratch", self.first_row))

    def _pack(self, job: OuterJob, kept: dict[str, bool], t0: str, t1: str, many: str) -> None:
        """Both sides of an outer product, in panels."""
        code, lanes = self.code, self.element.lanes
        _, a_panels, _, b_panels = job.sides(lanes)
        wide = job.shape.vectors
        gradient, vector = ("b", "a") if job.swapped else ("a", "b")
        panels = {"a": (a_panels, 1), "b": (b_panels, wide)}
        stride = self.layout.buffers["gradients"].stride
        first, end = self.share(panels[gradient][0])
        source = code.address(self.pointer("base.gradients"), job.gradient)
        code.do(
            f"call void @pack_rows(ptr {self.pointer(f'base.{job.name}.{gradient}')}, "
            f"ptr {source}, i64 {stride}, i64 {job.rows}, i64 {panels[gradient][1]}, i64 {many}, "
            f"i64 0, i64 {many}, i64 {first}, i64 {end})"
        )
        first, end = self.share(panels[vector][0])
        to = self.pointer(f"base.{job.name}.{vector}")
        with code.loop(t0, t1) as t:
            at = code.integer("mul", code.integer("sub", t, t0), self.B)
            source, row_stride = self._vector_rows(job.vector, kept, t, at)
            code.do(
                f"call void @pack_rows(ptr {to}, ptr {source}, i64 {row_stride}, "
                f"i64 {job.columns}, i64 {panels[vector][1]}, i64 {self.B}, i64 {at}, "
                f"i64 {many}, i64 {first}, i64 {end})"
            )

    def _vector_rows(
        self, place: Place, kept: dict[str, bool], t: str, in_block: str
    ) -> tuple[str, object]:
        """The rows of all sequences at step t of a place, and their stride."""
        code = self.code
        name = place.buffer
        stride = self.layout.buffers[name].stride
        if name.startswith("in."):
            own = name.removeprefix("in.")
            at = code.integer("mul", t, self.size(f"input.{own}.step"))
            address = code.address(self.pointer(f"input.{own}"), at)
            return address, self.size(f"input.{own}.row")
        if name == "vectors":
            address = self.row(name, in_block)
        elif name == "saved":
            address = self.row(name, code.integer("mul", t, self.B))
        elif name == f"state.{self.output_state}":
            start = self.row(name, 0, f"start.{self.output_state}")
            step = 1 if self.reverse else -1
            past = code.integer("mul", code.integer("add", t, step), self.B)
            edge = code.integer("sub", self.T, 1) if self.reverse else 0
            at_start = code.value(f"icmp eq i64 {t}, {edge}")
            address = code.value(f"select i1 {at_start}, ptr {start}, ptr {self.row('y', past)}")
        else:
            state = name.removeprefix("state.")
            before = code.integer("add", t, 1) if self.reverse else t
            address = self.row(name, code.integer("mul", before, self.B), f"past.{state}")
        return code.address(address, place.offset), stride
