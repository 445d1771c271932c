"""What one recurrence did in one call: every named value at every step, computed when it is read.

What is recorded are the operands, which exist anyway, and the states before each step, which a
training call keeps anyway. Everything else follows from them for all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gatewise.backends import PAST, Operands, Recurrence, run
from gatewise.backends.interception import unobserved
from gatewise.equations import Graph
from gatewise.equations.expression import Value
from gatewise.equations.size import size_number
from gatewise.lens.evaluation import evaluate_blocks
from gatewise.lens.naming import PRE, Names
from gatewise.lens.place import Kept, Place, Values
from gatewise.lens.versions import VALUES, Versions

if TYPE_CHECKING:
    from gatewise.lens.plots import Plots


class TraceError(RuntimeError):
    """Something cannot be read from a trace; the message says what to do."""


class Record:
    """One recurrence of one call.

    Named values are attributes and items in the layer's own order of dimensions, `dims`:
    ``record.f`` or ``record["f"]``, ``(T, B, size)`` or ``(B, T, size)``. Steps that do not count,
    past the end of a sequence, are NaN.

    Args:
        place: where it ran.
        recurrence: the equations as they ran.
        operands: what they were given, or how to get it.
        past: the states before each step, ``(T, B, size)``; None to run the recurrence again.
        last: the states after the last step.
        kept: which units and steps are wanted.
        zeros: by name what was added to values, for its gradient.
        versions: what must not change until values are computed; the operands where they are known.
        saved: read values that are kept for the backward pass; None once that has let go of them.
    """

    def __init__(
        self,
        place: Place,
        recurrence: Recurrence,
        operands: Operands | Callable[[], Operands] | None,
        past: Mapping[str, Tensor] | None = None,
        last: Mapping[str, Tensor] | None = None,
        kept: Kept | None = None,
        zeros: Mapping[str, Tensor] | None = None,
        versions: Versions | None = None,
        saved: Mapping[str, Callable[[], Tensor | None]] | None = None,
    ):
        self.place, self.recurrence, self.kept = place, recurrence, kept or Kept()
        self._operands, self._last = operands, last
        self._past = None if past is None else {n: self.kept.thin(v) for n, v in past.items()}
        self._zeros = dict(zeros or {})
        self._stored: dict[str, Tensor] = {}
        self._saved = saved or {}
        self._versions = Versions(operands) if isinstance(operands, Operands) else versions

    # -- what it is

    @property
    def module(self) -> str:
        """The layer's path within the model."""
        return self.place.module

    @property
    def layer(self) -> int:
        """Which layer of a stack, from 0."""
        return self.place.layer

    @property
    def direction(self) -> str:
        """``"forward"`` or ``"reverse"``; the order of values is that of the input in both."""
        return self.place.direction

    @property
    def calls(self) -> tuple[Record, ...]:
        """This one call; several where the module was called again."""
        return (self,)

    @property
    def graph(self) -> Graph:
        """One step as it ran, lengths, resets and interventions included."""
        return self.recurrence.graph

    @property
    def names(self) -> tuple[str, ...]:
        """The named values of the cell."""
        return tuple(self.graph.values)

    @property
    def states(self) -> tuple[str, ...]:
        """The states of the cell."""
        return self._known.states

    @property
    def gates(self) -> tuple[str, ...]:
        """The cell's gates: named activations, the output apart."""
        return self._known.gates

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.recurrence.sizes["H"]

    def size(self, name: str) -> int:
        """How many units a value has, kept or not."""
        node = next(family[name] for family in self._known.families if name in family)
        return size_number(self.graph.sizes.values[node], self.recurrence.sizes)

    @property
    def every(self) -> int:
        """Every how many steps are kept."""
        return self.kept.every

    @property
    def units(self) -> tuple[int, ...] | None:
        """Which units are kept; None for all."""
        return self.kept.units

    @property
    def dims(self) -> tuple[str, ...]:
        """The order of dimensions: T steps, B sequences, H units."""
        if not self.place.batched:
            return ("T", "H")
        return ("B", "T", "H") if self.place.batch_first else ("T", "B", "H")

    # -- values, as people read them

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.names:
            return self[name]
        listed = ", ".join(self.names)
        raise AttributeError(f"cell {self.graph.name!r} has no value {name!r}; it has {listed}.")

    def __getitem__(self, name: str) -> Tensor:
        return self.arrange(self.series(name))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.names})

    def __repr__(self) -> str:
        return f"<record {self.place} of {self.graph.name}: {', '.join(self.names)}>"

    @property
    def pre(self) -> Values:
        """Pre-activations: ``record.pre.f`` is what went into the activation of f."""
        names = [name.removeprefix(PRE) for name in self._known.pre]
        return Values(names, lambda name: self[PRE + name])

    @property
    def products(self) -> Values:
        """Products of a matrix and a vector: ``record.products["U.f"]`` is U.f @ h."""
        return Values(tuple(self._known.products), lambda name: self[name])

    @property
    def grad(self) -> Values:
        """∂L/∂ a value at each step, once ``backward`` has run: ``record.grad.c``."""
        return Values(tuple(self._zeros), lambda name: self.arrange(self.gradient(name)))

    @property
    def plot(self) -> Plots:
        """Pictures of this record: ``record.plot.gates()``."""
        from gatewise.lens.plots import Plots

        return Plots(self)

    def explore(self, path: str | PathLike[str], row: int = 0) -> Path:
        """Write a page that shows this recurrence, and runs it; see `gatewise.explorer.export`.

        Args:
            path: the HTML file to write.
            row: which sequence of the batch.
        """
        from gatewise.explorer.traced import export_records

        return export_records([self], path, row)

    def to_xarray(self, names: Sequence[str] | None = None) -> Any:
        """An `xarray.Dataset` over step, sequence and unit; see `gatewise.lens.tables`.

        Args:
            names: values, pre-activations (``"pre.f"``) or products; all values if left out.
        """
        from gatewise.lens.tables import to_xarray

        return to_xarray(self, names)

    def to_frame(self, names: Sequence[str] | None = None, library: str | None = None) -> Any:
        """A table with a row for each step, sequence and unit; see `gatewise.lens.tables`.

        Args:
            names: values, pre-activations (``"pre.f"``) or products; all values if left out.
            library: ``"polars"`` or ``"pandas"``.
        """
        from gatewise.lens.tables import to_frame

        return to_frame([self], names, library)

    def arrange(self, series: Tensor) -> Tensor:
        """A tensor ``(T, B, size)`` in the layer's own order, `dims`."""
        if not self.place.batched:
            return series[:, 0]
        return series.transpose(0, 1) if self.place.batch_first else series

    # -- values, time first

    def series(self, name: str) -> Tensor:
        """A value at every kept step, ``(T, B, size)`` whatever the layer's order.

        Args:
            name: a named value (``"f"``), a pre-activation (``"pre.f"``) or a product (``"U.f"``).

        Raises:
            KeyError: the cell computes no such value.
            TraceError: a weight or an input was changed in place since, so that it is lost.
        """
        if name not in self._stored:
            family = next((f for f in self._known.families if name in f), None)
            if family is None:
                raise KeyError(f"{name!r} is no value of {self.graph.name!r}: {self._known}.")
            if not self._is_there(name):
                self._evaluate(family)
        return self._stored[name]

    def before(self, state: str) -> Tensor:
        """The state that each kept step started from, ``(T, B, size)`` in the order of the input.

        Raises:
            KeyError: the cell has no such state.
            TraceError: a weight or an input was changed in place since; what is computed from this
                state and those weights would be neither the old nor the new.
        """
        if state not in self.graph.states:
            raise KeyError(f"{state!r} is no state of {self.graph.name!r}: {self.states}.")
        self._check_versions()
        return self._run_again()[state]

    def gradient(self, name: str) -> Tensor:
        """∂L/∂ a value at every kept step, inside the recurrence, ``(T, B, size)``.

        What a small change of the value at that step would do to the loss, through everything that
        follows. Where ``backward`` ran several times it is the sum, as for weights; zero where
        the loss depends on other traced values alone.

        Raises:
            KeyError: no gradient of that value was asked for.
            TraceError: ``backward`` has not run, or the loss does not depend on the layer.
        """
        if name not in self._zeros:
            traced = ", ".join(self._zeros) or "none"
            raise KeyError(
                f"the gradient of {name!r} was not traced, but of {traced}: say "
                f"gw.trace(model, grads=True) or grads=({name!r}, ...)."
            )
        zero = self._zeros[name]
        found = zero.grad
        if found is None and any(other.grad is not None for other in self._zeros.values()):
            found = torch.zeros_like(zero)  # nothing is learned through it, as through a counter
        if found is None:
            raise TraceError(
                f"no gradient of {name!r} in {self.place} yet: call loss.backward(), with "
                "gradients enabled while the model runs, of a loss that depends on it."
            )
        return self.kept.cut(found[:: self.every], self.hidden_size)

    @cached_property
    def alive(self) -> Tensor | None:
        """``(T, B)`` bool: the kept steps that count; None where all do."""
        alive = self.operands.inputs.get("alive")
        return None if alive is None else alive[:: self.every, :, 0] > 0.5

    @property
    def operands(self) -> Operands:
        """What the recurrence was given: inputs ``(T, B, size)``, first states, weights.

        Raises:
            TraceError: only chosen values were kept.
        """
        if self._operands is None:
            raise TraceError(f"{self.place}: only {', '.join(self._stored)} were kept; {VALUES}")
        if not isinstance(self._operands, Operands):
            self._operands = self._operands()
        return self._operands

    # -- how they are found

    @cached_property
    def _known(self) -> Names:
        return Names(self.graph)

    def _evaluate(self, family: Mapping[str, Value]) -> None:
        past, operands = self._run_again(), self.operands
        self._check_versions()
        names = [n for n in family if n not in self._stored and not self._is_there(n)]
        inputs = {name: value[:: self.every] for name, value in operands.inputs.items()}
        given = replace(operands, inputs=inputs)
        nodes = [family[name] for name in names]
        found = evaluate_blocks(
            self.recurrence, given, past, nodes, lambda v: self.kept.cut(v, self.hidden_size)
        )
        for name, series in zip(names, found, strict=True):
            self._store(name, series)

    def _store(self, name: str, series: Tensor) -> None:
        if self.alive is not None:
            series = series.masked_fill(~self.alive[..., None], torch.nan)
        self._stored[name] = series

    def _is_there(self, name: str) -> bool:
        """Store a value that need not be computed; False for others."""
        return self._handed_on(name) or self._saved_anyway(name)

    def _saved_anyway(self, name: str) -> bool:
        """Store a value that the backward pass is still to read; False for others."""
        series = self._saved[name]() if name in self._saved else None
        if series is None:
            return False
        self._store(name, self.kept.cut(self.kept.thin(series), self.hidden_size))
        return True

    def _handed_on(self, name: str) -> bool:
        """Store a state's new value, which is what the next step started from; False for others."""
        if self.every > 1 or name not in self._known.handed_on:
            return False
        past = self._run_again()[name]
        assert self._last is not None
        last = self._last[name][None]
        reverse = self.recurrence.reverse
        series = torch.cat((last, past[:-1]) if reverse else (past[1:], last))
        self._store(name, self.kept.cut(series, self.hidden_size))
        return True

    def _run_again(self) -> Mapping[str, Tensor]:
        """The states before each kept step."""
        if self._past is None:
            self.output  # noqa: B018
        assert self._past is not None
        return self._past

    @cached_property
    def output(self) -> Tensor:
        """What the recurrence returns when it runs again, ``(T, B, size)``, zero past the end."""
        operands = self.operands
        self._check_versions()
        keep = tuple(PAST + name for name in self.graph.states)
        with torch.no_grad(), unobserved():
            result = run(self.recurrence, operands, keep)
        past = {name: result.values[PAST + name] for name in self.graph.states}
        self._past = {name: self.kept.thin(value) for name, value in past.items()}
        self._last = result.states
        return result.output

    # -- what outlives the weights, and files

    @property
    def held(self) -> dict[str, Tensor] | None:
        """The values that alone were kept, ``(T, B, size)``; None where operands are there."""
        return self._stored if self._operands is None else None

    @property
    def raw_gradients(self) -> dict[str, Tensor]:
        """The gradients that are there, of all steps and units, ``(T, B, size)``."""
        return {n: zero.grad for n, zero in self._zeros.items() if zero.grad is not None}

    def checked_operands(self) -> Operands:
        """The operands, unchanged since they were traced.

        Raises:
            TraceError: one of them was changed.
        """
        self._check_versions()
        return self.operands

    def restore(self, values: Mapping[str, Tensor], alive: Tensor | None) -> None:
        """Hold values that were held before, in another process."""
        self._stored, self.alive = dict(values), alive

    def _check_versions(self) -> None:
        changed = self._versions and self._versions.changed()
        if changed:
            raise TraceError(
                f"{changed} of {self.place} was changed in place after it was traced, so its "
                f"values cannot be computed any more; {VALUES}"
            )

    def known(self, names: Iterable[str]) -> list[str]:
        """Those of some names that this record can compute."""
        return [name for name in names if any(name in family for family in self._known.families)]

    def hold(self, names: Sequence[str]) -> None:
        """Compute some values now and let go of all else: they outlive a change of the weights.

        Raises:
            KeyError: the cell computes no such value.
        """
        found = {name: self.series(name) for name in names}
        self.alive  # noqa: B018
        self._stored, self._operands, self._past, self._last = found, None, None, None
        self._saved = {}
        vars(self).pop("output", None)
