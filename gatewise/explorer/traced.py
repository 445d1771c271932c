"""Pages of what was traced: the layers of one call, as they ran, on the input that they were given.

What came before the layers in the model, and what comes after, is not in a trace: such a page shows
the layers by themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gatewise.backends import Operands
from gatewise.explorer.chain import Chain, matrix
from gatewise.explorer.export import write
from gatewise.explorer.subject import Subject, describe_layers
from gatewise.lens.record import Record

ADDED = ("change_", "clamped_")
"""Inputs that interventions add; the page adds its own of these names."""


def export_records(records: Sequence[Record], path: str | os.PathLike[str], row: int = 0) -> Path:
    """Write a page about the recurrences of one call.

    Args:
        records: of one module and call: every layer and direction, or one of them.
        path: the file to write.
        row: which sequence of the batch.

    Raises:
        ValueError: the records do not belong together, or were kept in part.
        IndexError: the batch has no such sequence.
    """
    return write(of_records(records, row), path)


def of_records(records: Sequence[Record], row: int = 0) -> Subject:
    """A page about the recurrences of one call; see `export_records`."""
    _check(records, row)
    layers = [
        [_of_row(record, row) for record in records if record.layer == k]
        for k in sorted({record.layer for record in records})
    ]
    outputs = [torch.cat([output for _, _, output in layer], -1) for layer in layers]
    for k, (layer, below) in enumerate(zip(layers[1:], outputs, strict=False), 1):
        if not torch.allclose(layer[0][1].x[:, 0], below, atol=1e-5):
            raise ValueError(
                f"layer {k} read something else than what layer {k - 1} returned (dropout, a norm "
                'or a residual connection); explore one record, as t["lstm", 1].explore(path).'
            )
    first = layers[0][0][1]
    chain = Chain()
    chain.add_numbers([f"x{k}" for k in range(first.x.shape[-1])])
    chain.add_rows([[(r.recurrence, o) for r, o, _ in layer] for layer in layers])
    found = {"numbers": matrix(first.x[:, 0])}
    further = {name: matrix(v[:, 0]) for name, v in first.inputs.items() if name != "x"}
    name = records[0].module or records[0].graph.name
    return Subject(
        title=f"{name}, {len(first.x)} steps",
        about=f"Traced: {describe_layers(chain)}",
        chain=chain,
        input={**found, "further": further} if further else found,
        output={"kind": "none", "labels": []},
        outputs=outputs[-1],
    )


def _check(records: Sequence[Record], row: int) -> None:
    if not records:
        raise ValueError("nothing was traced; run the model inside the `with` block.")
    if len({(record.module, record.place.call) for record in records}) > 1:
        raise ValueError(
            "several modules or calls were traced; explore one of them, as "
            't["lstm"].explore(path) or t["lstm"].calls[0].explore(path).'
        )
    if any(record.every > 1 for record in records):
        raise ValueError("only some steps were kept; trace without every= to explore.")
    batch = records[0].operands.x.shape[1]
    if not -batch <= row < batch:
        raise IndexError(f"row={row}: the batch has {batch} sequence(s), from 0.")
    for record in records:
        added = [name for name in record.graph.inputs if name.startswith(ADDED)]
        if added:
            raise ValueError(
                "the equations ran changed; trace outside of gw.intervene: the page can hold "
                "gates and silence units itself."
            )


def _of_row(record: Record, row: int) -> tuple[Record, Operands, Tensor]:
    """One sequence of a record without the steps past its end: operands, and the output."""
    operands = record.operands
    alive = record.alive
    T = len(operands.x) if alive is None else int(alive[:, row].sum())
    if not T:
        raise ValueError(f"sequence {row} has no steps.")

    def one(values: Tensor) -> Tensor:
        return values[row][None] if values.dim() == 2 and len(values) > 1 else values

    cut = replace(
        operands,
        inputs={name: value[:T, row][:, None] for name, value in operands.inputs.items()},
        states={name: one(value) for name, value in operands.states.items()},
        givens={name: one(value) for name, value in operands.givens.items()},
    )
    return record, cut, record.output[:T, row].detach()
