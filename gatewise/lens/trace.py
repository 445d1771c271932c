"""Every named value inside a model's recurrent layers, at every step: ``with gw.trace(model)``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from gatewise.backends import PAST, Operands, Proceed, Recurrence, Result
from gatewise.equations.rewrite import with_change, with_lengths
from gatewise.equations.size import size_number
from gatewise.layers.depth import Track
from gatewise.lens.memory import MemoryEstimate, estimate
from gatewise.lens.modules import Visit, recurrent_modules, visiting
from gatewise.lens.record import Kept, Place, Record, TraceError, Versions, detached
from gatewise.lens.torch_operators import TorchCall

if TYPE_CHECKING:
    from gatewise.lens.plots import Plots


def trace(
    model: nn.Module,
    values: Sequence[str] | None = None,
    *,
    units: Sequence[int] | None = None,
    every: int = 1,
    grads: bool | Sequence[str] = False,
) -> Trace:
    """Record what the recurrent layers of a model do while it runs inside a ``with`` block.

    Layers of Gatewise and `torch.nn.LSTM`, `GRU`, `RNN` and their cells, stacked, bidirectional,
    packed, projected, in training and evaluation, with and without gradients. The layers compute
    what they would compute anyway; named values follow, for all steps at once, when they are read.
    For two things a layer of torch runs on the equations in place of torch's operator, with results
    that agree to rounding: for `grads`, and for dropout between layers in training, whose mask
    torch would not tell.

    Args:
        model: any module; its recurrent layers are found by their names in it.
        values: names of values to compute as soon as a call ends, such as ``("f", "c", "pre.o")``;
            nothing else is then kept, and they outlive a change of the weights. None computes
            values when they are read.
        units: hidden units to keep; None for all.
        every: keep the steps 0, every, 2 · every, ...
        grads: True for the gradient of the loss by every state at every step, inside the
            recurrence; or the names of values. It is there once ``loss.backward()`` has run.

    Returns:
        The trace; see `Trace`.

    Raises:
        ValueError: the model has no recurrent layer, or an option makes no sense.

    Example:
        >>> import torch, gatewise as gw
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LSTM(3, 5))
        >>> with gw.trace(model) as t:
        ...     y, state = model(torch.randn(7, 2, 4))
        >>> t["1"].f.shape, t["1"].pre.f.shape, t["1"].dims
        (torch.Size([7, 2, 5]), torch.Size([7, 2, 5]), ('T', 'B', 'H'))
        >>> torch.allclose(t["1"].h, y, atol=1e-6)
        True
    """
    if every < 1:
        raise ValueError(f"every={every}: keep every step (1), every second (2), ...")
    if not recurrent_modules(model):
        raise ValueError(
            f"{type(model).__name__} has no recurrent layer to trace: no layer of Gatewise and no "
            "nn.LSTM, nn.GRU or nn.RNN."
        )
    kept = Kept(None if units is None else tuple(units), every)
    return Trace(model, None if values is None else tuple(values), kept, grads)


class Trace:
    """What the recurrent layers of a model did.

    ``t["lstm"]`` is the `Record` of the layer of that name, where it has one layer, one direction
    and ran once; ``t["lstm", 1, "reverse"]`` that of a stacked or bidirectional one,
    ``t["lstm"].calls[2]`` that of its third call. `only` is the record where there is just one.

    Attributes:
        records: all, in the order in which they ran.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        values: tuple[str, ...] | None = None,
        kept: Kept | None = None,
        grads: bool | Sequence[str] = False,
        records: Sequence[Record] = (),
    ):
        self.records = list(records)
        self._model, self._values, self._kept, self._grads = model, values, kept or Kept(), grads
        self._asked = {*(values or ()), *(() if isinstance(grads, bool) else grads)}
        self._stack: list[ExitStack] = []

    def __enter__(self) -> Self:
        if self._model is None:
            raise TraceError("this trace was read from a file; gw.trace(model) makes a new one.")
        stack = ExitStack()
        stack.enter_context(visiting(self._model, self._watch))
        self._stack.append(stack)
        return self

    def __exit__(self, kind: type | None, *problem: Any) -> None:
        self._stack.pop().close()
        if self.records and self._asked and kind is None:
            raise TraceError(f"no layer has a value {', '.join(sorted(self._asked))}.")

    def _watch(self, visit: Visit) -> Recorder:
        call = 1 + max((r.place.call for r in self.records if r.module == visit.name), default=-1)
        return Recorder(self, visit, call)

    def add(self, *records: Record) -> None:
        """Take in what ran last."""
        self.records += records
        for record in reversed(records):  # upper layers read the lower ones
            self._asked.difference_update(record.known(self._asked))
            if self._values is not None:
                record.hold(record.known(self._values))

    # -- reading

    def __getitem__(self, key: str | tuple[Any, ...]) -> Any:
        name, *rest = key if isinstance(key, tuple) else (key,)
        found = [
            record
            for record in self.records
            if record.module == name
            and all(part in (record.layer, record.direction) for part in rest)
        ]
        if not found:
            raise KeyError(f"nothing was traced as {key!r}; there is {self._listed()}")
        return found[0] if len(found) == 1 else Selection(found)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def only(self) -> Record:
        """The one record of a model with one layer and direction that ran once.

        Raises:
            TraceError: there is none, or more than one.
        """
        if len(self.records) != 1:
            raise TraceError(f"there is not just one record, but {self._listed()}")
        return self.records[0]

    @property
    def plot(self) -> Plots:
        """Pictures of the only record: ``t.plot.gates()``; of others ``t["lstm", 1].plot``."""
        return self.only.plot

    def _listed(self) -> str:
        if self.records:
            return f"{', '.join(map(str, dict.fromkeys(record.place for record in self.records)))}."
        names = recurrent_modules(self._model) if self._model else {}
        return f"nothing: no layer ran inside the `with` block ({', '.join(map(repr, names))})."

    def __repr__(self) -> str:
        return f"<trace of {self._listed()}>"

    # -- size

    def estimate(self, steps: int, batch: int = 1) -> MemoryEstimate:
        """How much memory a trace takes, before anything runs.

        Args:
            steps: T of a call.
            batch: B.
        """
        if self._model is None:
            raise TraceError("this trace was read from a file; it takes what its file takes.")
        return estimate(self._model, steps, batch, self._values, self._kept)

    # -- files and tables

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trace to a ``.npz`` file: operands and states, from which all values follow.

        Where the trace was made with ``values=``, these are written instead. Gradients that are
        there are written too. The file is written whole or not at all.

        Args:
            path: where to.
        """
        from gatewise.lens.storage import save

        save(self.records, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Trace:
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            ValueError: the file is damaged or comes from elsewhere.
        """
        from gatewise.lens.storage import load

        return cls(records=load(path))


class Selection:
    """Several records of one name; each attribute is an error that says which there are.

    Attributes:
        records: all of them.
    """

    def __init__(self, records: Sequence[Record]):
        self.records = list(records)

    @property
    def calls(self) -> tuple[Any, ...]:
        """The calls of the module, each a `Record`, or a `Selection` of layers and directions."""
        by_call: dict[int, list[Record]] = {}
        for record in self.records:
            by_call.setdefault(record.place.call, []).append(record)
        return tuple(
            found[0] if len(found) == 1 else Selection(found) for found in by_call.values()
        )

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"say which: {self._listed}")

    def __getitem__(self, name: str) -> Any:
        raise KeyError(f"say which: {self._listed}")

    @property
    def _listed(self) -> str:
        places = dict.fromkeys(replace(record.place, call=0) for record in self.records)
        listed = ", ".join(f"t[{str(place)[1:-1]}]" for place in places)
        calls = len({record.place.call for record in self.records})
        more = f"it ran {calls} times: t[...].calls[k] with k from 0 to {calls - 1}"
        if len(places) == 1:
            return f"{more}."
        return f"{listed}{f'; {more}' if calls > 1 else ''}."

    def __repr__(self) -> str:
        return f"<{len(self.records)} records: {self._listed}>"


class Recorder:
    """An interceptor that records one call of one layer.

    Args:
        trace: where the records go.
        visit: the call.
        call: how often the layer had been called before.
    """

    rank = 1

    def __init__(self, trace: Trace, visit: Visit, call: int):
        self.trace, self.visit, self.call = trace, visit, call

    def run(
        self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...], proceed: Proceed
    ) -> Result:
        """Run the recurrence, and keep the states before each step."""
        past = tuple(PAST + name for name in recurrence.graph.states)
        changed, zeros = recurrence, {}
        given = operands
        if self.trace._grads and torch.is_grad_enabled():
            names = self._gradient_names(recurrence)
            changed, given, zeros = with_zeros(recurrence, operands, names)
        result = proceed(changed, given, tuple(dict.fromkeys((*keep, *past))))
        self.trace.add(
            Record(
                self._place(recurrence),
                recurrence,
                detached(operands),
                {name.removeprefix(PAST): result.values[name] for name in past},
                {name: value.detach() for name, value in result.states.items()},
                self.trace._kept,
                zeros,
            )
        )
        return result._replace(values={name: result.values[name] for name in keep})

    def needs_equations(self, call: TorchCall) -> bool:
        """For gradients inside, and for a mask of dropout that torch would not tell."""
        return bool(self.trace._grads and torch.is_grad_enabled()) or call.dropout > 0

    def saw_operator(self, call: TorchCall) -> None:
        """Record the recurrences of an operator; they run again when they are read."""
        records: list[Record] = []
        for row in call.tracks:
            below = records[-len(row) :]  # every layer has as many directions
            for track in row:
                again = Again(call, track, len(records), tuple(below))
                place, versions = self._place(track.recurrence), Versions(again.known)
                kept = self.trace._kept
                record = Record(place, again.recurrence, again, kept=kept, versions=versions)
                records.append(record)
        self.trace.add(*records)

    def _place(self, recurrence: Recurrence) -> Place:
        layer, direction = self.visit.place(recurrence)
        visit = self.visit
        return Place(visit.name, layer, direction, self.call, visit.batch_first, visit.batched)

    def _gradient_names(self, recurrence: Recurrence) -> Sequence[str]:
        asked, graph = self.trace._grads, recurrence.graph
        if isinstance(asked, bool):
            return [name for name in graph.states if name in graph.values]
        return [name for name in asked if name in graph.values]


class Again:
    """The operands of a recurrence that torch's operator ran, once they are asked for.

    Args:
        call: of the operator.
        track: one of its recurrences.
        row: which, in order.
        below: the records of the layer below.
    """

    def __init__(self, call: TorchCall, track: Track, row: int, below: tuple[Record, ...]):
        self.alive, self.below = call.alive, below
        graph = (
            track.recurrence.graph if call.alive is None else with_lengths(track.recurrence.graph)
        )
        self.recurrence = replace(track.recurrence, graph=graph)
        inputs = {} if track.layer else {"x": call.x}
        self.known = detached(Operands(inputs, call.states[row], track.parameters))

    def __call__(self) -> Operands:
        """Operands whose input is what the layer below returned."""
        inputs = dict(self.known.inputs)
        if self.below:
            inputs["x"] = torch.cat([record.output for record in self.below], -1)
        if self.alive is not None:
            inputs["alive"] = self.alive.to(inputs["x"].dtype)
        return replace(self.known, inputs=inputs)


def with_zeros(
    recurrence: Recurrence, operands: Operands, names: Sequence[str]
) -> tuple[Recurrence, Operands, dict[str, Tensor]]:
    """Add a zero to values at every step; the gradient of these zeros is that of the values.

    Returns:
        The recurrence and operands with the zeros, and the zeros ``(T, B, size)`` by name.
    """
    graph, zeros = recurrence.graph, {}
    T, B = operands.x.shape[:2]
    for name in dict.fromkeys(names):
        graph = with_change(graph, name)
        size = size_number(graph.inputs[f"change_{name}"], recurrence.sizes)
        zeros[name] = torch.zeros(
            T, B, size, dtype=operands.dtype, device=operands.device, requires_grad=True
        )
    inputs = {**operands.inputs, **{f"change_{name}": zero for name, zero in zeros.items()}}
    return replace(recurrence, graph=graph), replace(operands, inputs=inputs), zeros
