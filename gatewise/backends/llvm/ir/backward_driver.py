"""The loop backwards in time, in blocks of steps."""

from __future__ import annotations

from dataclasses import dataclass

from gatewise.backends.llvm.ir.driver import Driver
from gatewise.backends.llvm.ir.outer import OuterShape
from gatewise.backends.llvm.plan.backward import Backward
from gatewise.backends.llvm.plan.part import Place


@dataclass(frozen=True)
class Delivery:
    """What of a product goes to a tensor of its own, without padding.

    Attributes:
        word: of the context, which says where; null for nowhere.
        first: the first row of the product.
        rows: how many rows.
    """

    word: str
    first: int
    rows: int


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
        deliveries: what its rows are, all of them; empty where some are not delivered.
    """

    name: str
    gradient: int
    rows: int
    vector: Place
    columns: int
    swapped: bool
    shape: OuterShape
    deliveries: tuple[Delivery, ...]

    def sides(self, lanes: int) -> tuple[int, int, int, int]:
        """Units of A, its panels, units of B, its panels."""
        a, b = (self.columns, self.rows) if self.swapped else (self.rows, self.columns)
        return a, -(-a // lanes), b, -(-b // (lanes * self.shape.vectors))

    def padded(self, lanes: int) -> tuple[int, int]:
        """Units of A and of B, rounded up to whole panels: the shape of C."""
        _, a_panels, _, b_panels = self.sides(lanes)
        return a_panels * lanes, b_panels * self.shape.vectors * lanes


def matrix_word(k: int) -> str:
    """The word that says where the k-th gradient of a matrix goes."""
    return f"matrix.{k}.gradient"


def vector_words(k: int) -> tuple[str, str]:
    """The words that say where the gradient of the k-th vector goes: two tensors at most."""
    return f"vector.{k}.gradient", f"vector.{k}.gradient.added"


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
            self._after_block(plan, jobs, kept, (t0, t1), self._edges(j, blocks))
            self.barrier()
        with code.when(code.value(f"icmp eq i64 {self.tid}, 0")):
            self._deliver_vectors(plan)
        return self.end("backward")

    def _edges(self, j: str, blocks: str) -> tuple[str, str]:
        """Whether the j-th block is the first, and the last."""
        code = self.code
        following = code.integer("add", j, 1)
        return code.value(f"icmp eq i64 {j}, 0"), code.value(f"icmp eq i64 {following}, {blocks}")

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
                self.set(flow, self.row(flow, self._flow_row(odd)))
                self.set(f"next_{flow}", self.row(flow, self._flow_row(even)))
            code.do(f"call void @step(ptr {self.frame}, i64 0, i64 {self.rows})")

    def _flow_row(self, turn: str) -> str:
        """The row of this thread's first sequence where two steps take turns."""
        return self.code.integer("add", self.code.integer("mul", turn, self.B), self.first_row)

    def _after_block(
        self,
        plan: Backward,
        jobs: list[OuterJob],
        kept: dict[str, bool],
        steps: tuple[str, str],
        edges: tuple[str, str],
    ) -> None:
        code = self.code
        t0, t1 = steps
        many = code.integer("mul", code.integer("sub", t1, t0), self.B)
        depth = many
        if self.layout.rounds:
            least = self.layout.depth(1)
            depth = code.value(f"call i64 @llvm.smax.i64(i64 {many}, i64 {least})")
            self.intrinsics["llvm.smax.i64"] = "declare i64 @llvm.smax.i64(i64, i64)"
        for job in jobs:
            self._pack(job, kept, (t0, t1), many, depth)
        if jobs:
            self.barrier()
        for job in jobs:
            self._multiply(job, many, depth, edges)
        if plan.vectors:
            stride = self.layout.buffers["gradients"].stride
            first, end = self.share(stride // self.element.lanes)
            code.do(
                f"call void @column_sums(ptr {self.pointer('base.sums')}, "
                f"ptr {self.pointer('base.gradients')}, i64 {stride}, i64 {many}, "
                f"i64 {first}, i64 {end}, i1 {edges[0]})"
            )
        if plan.deferred is not None:
            self._deferred(plan, steps, many)

    def _deferred(self, plan: Backward, steps: tuple[str, str], many: str) -> None:
        """Gradients of inputs: of all steps at once, or step by step among other sequences."""
        code, (t0, t1) = self.code, steps
        for buffer in ("gradients", "rest"):
            self.set(buffer, self.row(buffer, 0))
        self.set("scratch", self.row("scratch", 0, "deferred_scratch"))
        whole = code.value(f"icmp eq i64 {self.B}, {self.total}")
        with code.when(whole):
            self._deferred_rows(plan, code.integer("mul", t0, self.total), *self.share(many))
        with code.when(code.value(f"xor i1 {whole}, true")), code.loop(t0, t1) as t:
            at = code.integer("mul", code.integer("sub", t, t0), self.B)
            first, end = (code.integer("add", at, n) for n in self.share(self.B))
            # a row of the block is as far behind the first as one of the sequences' own
            start = code.integer("sub", code.integer("mul", t, self.total), at)
            self._deferred_rows(plan, start, first, end)
        self.set("scratch", self.row("scratch", self.first_row))

    def _deferred_rows(self, plan: Backward, start: str, first: str, end: str) -> None:
        """Gradients of inputs for some rows of the block; its first row would be row `start`."""
        for name in plan.input_gradients:
            self.set(f"dx.{name}", self.row(f"dx.{name}", start))
        self.code.do(f"call void @deferred(ptr {self.frame}, i64 {first}, i64 {end})")

    def _multiply(self, job: OuterJob, many: str, depth: str, edges: tuple[str, str]) -> None:
        """This thread's part of a block's product; the last one goes to its destinations."""
        code, lanes = self.code, self.element.lanes
        units, a_panels, _, b_panels = job.sides(lanes)
        a, b = (0, a_panels), (0, b_panels)
        if a_panels >= b_panels:
            a = self.share(a_panels)
        else:
            b = self.share(b_panels)
        sums, left, right = (self.pointer(f"base.{job.name}.{side}") for side in "cab")
        head = (
            f"call void @{job.shape.name}.all(ptr {sums}, "
            f"i64 {b_panels * job.shape.vectors * lanes}, i64 {units}, ptr {left}, ptr {right}, "
            f"i64 {many}, i64 {depth}"
        )
        tail = f"i64 {b[0]}, i64 {b[1]}, i1 {edges[0]}"
        if not job.deliveries:
            nowhere = "ptr null, i64 0, i64 0, i64 0"
            code.do(f"{head}, i64 {a[0]}, i64 {a[1]}, {tail}, {nowhere})")
        for own in job.deliveries:
            first = code.maximum(a[0], own.first // lanes)
            end = code.minimum(a[1], -(-(own.first + own.rows) // lanes))
            to = code.value(f"select i1 {edges[1]}, ptr {self.pointer(own.word)}, ptr null")
            place = f"ptr {to}, i64 {own.first}, i64 {own.rows}, i64 {job.columns}"
            code.do(f"{head}, i64 {first}, i64 {end}, {tail}, {place})")

    def _deliver_vectors(self, plan: Backward) -> None:
        """Copy the gradients of vectors of weights to the tensors that want them."""
        code = self.code
        for k, (_, place, units) in enumerate(plan.vectors):
            source = code.address(self.pointer("base.sums"), place.offset)
            for word in vector_words(k):
                to = self.pointer(word)
                with code.when(code.value(f"icmp ne ptr {to}, null")):
                    self.copy(to, 0, source, 0, units, 1)

    def _pack(
        self, job: OuterJob, kept: dict[str, bool], steps: tuple[str, str], many: str, depth: str
    ) -> None:
        """Both sides of an outer product, in panels."""
        code, lanes = self.code, self.element.lanes
        _, a_panels, _, b_panels = job.sides(lanes)
        wide = job.shape.vectors
        gradient, vector = ("b", "a") if job.swapped else ("a", "b")
        panels = {"a": (a_panels, 1), "b": (b_panels, wide)}
        stride = self.layout.buffers["gradients"].stride
        first, end = self.share(panels[gradient][0])
        source = code.address(self.pointer("base.gradients"), job.gradient)
        to = self.pointer(f"base.{job.name}.{gradient}")
        code.do(
            f"call void @pack_rows(ptr {to}, "
            f"ptr {source}, i64 {stride}, i64 {job.rows}, i64 {panels[gradient][1]}, i64 {many}, "
            f"i64 0, i64 {depth}, i64 {first}, i64 {end})"
        )
        self._round(to, many, depth, panels[gradient][1], (first, end), gradient == "a")
        first, end = self.share(panels[vector][0])
        to = self.pointer(f"base.{job.name}.{vector}")
        with code.loop(*steps) as t:
            at = code.integer("mul", code.integer("sub", t, steps[0]), self.B)
            source, row_stride = self._vector_rows(job.vector, kept, t, at)
            code.do(
                f"call void @pack_rows(ptr {to}, ptr {source}, i64 {row_stride}, "
                f"i64 {job.columns}, i64 {panels[vector][1]}, i64 {self.B}, i64 {at}, "
                f"i64 {depth}, i64 {first}, i64 {end})"
            )
        self._round(to, many, depth, panels[vector][1], (first, end), vector == "a")

    def _round(
        self, to: str, many: str, depth: str, wide: int, own: tuple[str, str], turned: bool
    ) -> None:
        """This thread's panels as tiles of rounded numbers, where products are of such."""
        if not self.layout.rounds:
            return
        self.code.do(
            f"call void @pair_rows(ptr {to}, i64 {many}, i64 {depth}, i64 {wide}, "
            f"i64 {own[0]}, i64 {own[1]})"
        )
        if turned:
            self.code.do(
                f"call void @turn_tiles(ptr {to}, i64 {many}, i64 {depth}, "
                f"i64 {own[0]}, i64 {own[1]})"
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
            address = self.row(name, code.integer("mul", t, self.total))
        elif name == f"state.{self.output_state}":
            start = self.row(name, 0, f"start.{self.output_state}")
            step = 1 if self.reverse else -1
            past = code.integer("mul", code.integer("add", t, step), self.total)
            edge = code.integer("sub", self.T, 1) if self.reverse else 0
            at_start = code.value(f"icmp eq i64 {t}, {edge}")
            address = code.value(f"select i1 {at_start}, ptr {start}, ptr {self.row('y', past)}")
        else:
            state = name.removeprefix("state.")
            before = code.integer("add", t, 1) if self.reverse else t
            address = self.row(name, code.integer("mul", before, self.total), f"past.{state}")
        return code.address(address, place.offset), stride
