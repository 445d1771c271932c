"""The forward loop over time."""

from __future__ import annotations

from gatewise.backends.llvm.ir.driver import Driver
from gatewise.backends.llvm.plan.program import Forward


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
            first, end = self.share_by_unit(count)
            with code.loop(first, end) as k:
                t = self._time(code.integer("add", start, k))
                row = code.integer("add", region, code.integer("mul", k, self.rows))
                for name in plan.inputs:
                    self.copy_input(name, t, self.row(f"in.{name}", row), units[f"in.{name}"])
            if plan.hoist is not None:
                for buffer in self._block_buffers(plan):
                    self.set(buffer, self.row(buffer, region))
                rows = [code.integer("mul", k, self.rows) for k in (first, end)]
                code.do(f"call void @hoist(ptr {self.frame}, i64 {rows[0]}, i64 {rows[1]})")
            self.wait()
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
        self._end_states(kept, units)
        return self.end("forward")

    def _block_buffers(self, plan: Forward) -> list[str]:
        return [*(f"in.{name}" for name in plan.inputs), "hoisted", "hoist_scratch"]

    def _time(self, n: str) -> str:
        """The step that is the n-th to run."""
        if not self.reverse:
            return n
        return self.code.integer("sub", self.code.integer("sub", self.T, 1), n)

    def _end_states(self, kept: dict[str, bool], units: dict[str, int]) -> None:
        """Copy the states after the last step to where they are asked for."""
        code = self.code
        self.wait()
        first, end = self.share_by_unit(self.rows)
        count = code.integer("sub", end, first)
        own = code.integer("add", self.first_row, first)
        last = 0 if self.reverse else code.integer("sub", self.T, 1)
        for name, keeps in kept.items():
            state = f"state.{name}"
            to = self.pointer(f"base.end.{name}")
            to = code.address(to, code.integer("mul", own, units[state]))
            if name == self.output_state:
                row = code.integer("add", code.integer("mul", last, self.B), own)
                buffer, source = "y", self.row("y", row)
            else:
                at = 0 if self.reverse else self.T
                if not keeps:
                    at = code.value(f"and i64 {self.T}, 1")
                row = code.integer("add", code.integer("mul", at, self.B), own)
                buffer, source = state, self.row(state, row, f"past.{name}")
            stride = self.layout.buffers[buffer].stride
            with code.when(code.value(f"icmp ne ptr {self.pointer(f'base.end.{name}')}, null")):
                self.copy(to, units[state], source, stride, units[state], count)

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
