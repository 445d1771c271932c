"""Every named value inside a model's recurrent layers, at every step: ``with gw.trace(model)``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from gatewise.lens.memory import MemoryEstimate, estimate
from gatewise.lens.modules import Visit, network_of, recurrent_modules, tracks_of, visiting
from gatewise.lens.place import Kept
from gatewise.lens.record import Record, TraceError
from gatewise.lens.recorder import Recorder

if TYPE_CHECKING:
    from gatewise.lens.plots import Plots


def trace(
    model: Any,
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
        model: any `torch.nn.Module`, or what `gatewise.load` returned; its recurrent layers are
            found by their names in it.
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
        TypeError: it is no model.

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
    network = network_of(model)
    if every < 1:
        raise ValueError(f"every={every}: keep every step (1), every second (2), ...")
    if not recurrent_modules(network):
        raise ValueError(
            f"{type(network).__name__} has no recurrent layer to trace: no layer of Gatewise, and "
            "no nn.LSTM, nn.GRU or nn.RNN."
        )
    kept = Kept(None if units is None else tuple(units), every)
    _check_units(network, kept.units or ())
    return Trace(network, None if values is None else tuple(values), kept, grads)


def _check_units(model: nn.Module, units: Sequence[int]) -> None:
    for name, module in recurrent_modules(model).items():
        H = min(t.recurrence.sizes["H"] for row in tracks_of(module) for t in row)
        wrong = [unit for unit in units if not 0 <= unit < H]
        if wrong:
            raise ValueError(f"units={list(units)}: {name!r} has {H} hidden units, from 0.")


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
        self._calls: Counter[str] = Counter()

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
        self._calls[visit.name] += 1
        call = self._calls[visit.name] - 1
        return Recorder(visit, call, self._kept, self._grads, self.add)

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
        named = [record for record in self.records if record.module == name]
        found = [r for r in named if all(part in (r.layer, r.direction) for part in rest)]
        if not found:
            raise KeyError(f"nothing was traced as {key!r}; there is {self._listed()}")
        return Selection.of(found)

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

    def explore(self, path: str | PathLike[str], row: int = 0) -> Path:
        """Write a page that shows every layer and direction of the one module that ran, once.

        It opens without a network and runs the layers itself; see `gatewise.explorer.export`.

        Args:
            path: the HTML file to write.
            row: which sequence of the batch.

        Raises:
            ValueError: several modules or calls were traced: explore ``t["lstm"]`` then.
        """
        from gatewise.explorer.traced import export_records

        return export_records(self.records, path, row)

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

    def to_xarray(self, names: Sequence[str] | None = None) -> Any:
        """The only record as an `xarray.Dataset`; of others ``t["lstm", 1].to_xarray()``.

        Args:
            names: values, pre-activations (``"pre.f"``) or products; all values if left out.
        """
        return self.only.to_xarray(names)

    def to_frame(self, names: Sequence[str] | None = None, library: str | None = None) -> Any:
        """All records as one table, a row for each step, sequence and unit.

        Args:
            names: values, pre-activations (``"pre.f"``) or products; all values if left out.
            library: ``"polars"`` or ``"pandas"``; whichever is installed, polars first, if left
                out.
        """
        from gatewise.lens.tables import to_frame

        return to_frame(self.records, names, library)

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
        return tuple(Selection.of(found) for found in by_call.values())

    @staticmethod
    def of(records: Sequence[Record]) -> Record | Selection:
        """The record itself where there is just one."""
        return records[0] if len(records) == 1 else Selection(records)

    def join(self, name: str) -> Tensor:
        """A value of all calls, one after the other: of a `gw.Step` that goes step by step.

        Args:
            name: a value, a pre-activation (``"pre.f"``) or a product (``"U.f"``).

        Returns:
            ``(T, B, size)`` with the steps of all calls; time first whatever the layer's order.

        Raises:
            KeyError: these are several layers or directions.
        """
        if len({(record.layer, record.direction) for record in self.records}) > 1:
            raise KeyError(f"say which: {self._listed}")
        return torch.cat([record.series(name) for record in self.records])

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"say which: {self._listed}")

    def __getitem__(self, key: int | str | tuple[Any, ...]) -> Record | Selection:
        """The records of a layer, a direction, or both: ``[1]``, ``[1, "reverse"]``."""
        parts = key if isinstance(key, tuple) else (key,)
        found = [r for r in self.records if all(p in (r.layer, r.direction) for p in parts)]
        if not found:
            raise KeyError(f"nothing was traced as {key!r}; say which: {self._listed}")
        return Selection.of(found)

    def explore(self, path: str | PathLike[str], row: int = 0) -> Path:
        """Write a page that shows all of them; see `Trace.explore`."""
        from gatewise.explorer.traced import export_records

        return export_records(self.records, path, row)

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
