"""Traces in ``.npz`` files: a JSON description and arrays, nothing that could be executed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence
from gatewise.equations import Graph
from gatewise.layers.state_file import load_arrays, save_arrays
from gatewise.lens.place import Kept, Place
from gatewise.lens.record import Record

FORMAT = "gatewise trace 1"
DESCRIPTION = "description"
GROUPS = ("inputs", "states", "parameters", "givens")
DTYPES = ("float16", "bfloat16", "float32", "float64", "bool", "int64")


def save(records: Sequence[Record], path: str | PathLike[str]) -> None:
    """Write records: their operands, or the values they held, and gradients where there are.

    Args:
        records: of a trace.
        path: where to; the file is written whole or not at all.

    Raises:
        TraceError: a weight or an input of a record has changed, so that it cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    descriptions = []
    for k, record in enumerate(records):
        dtypes: dict[str, str] = {}
        for name, tensor in _tensors(record).items():
            dtypes[name] = str(tensor.dtype).removeprefix("torch.")
            value = tensor.detach().cpu().contiguous()
            # NumPy has no bfloat16; float32 holds its numbers exactly
            arrays[f"{k}/{name}"] = (
                value.float() if value.dtype == torch.bfloat16 else value
            ).numpy()
        descriptions.append(_description(record, dtypes))
    document = json.dumps({"format": FORMAT, "records": descriptions})
    arrays[DESCRIPTION] = np.frombuffer(document.encode(), np.uint8)
    save_arrays(path, arrays)


def load(path: str | PathLike[str]) -> list[Record]:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or no trace.
    """
    arrays = load_arrays(path)
    try:
        document = json.loads(bytes(arrays[DESCRIPTION]))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, not {FORMAT!r}")
        return [_record(k, each, arrays) for k, each in enumerate(document["records"])]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: this is no trace, or a damaged one: {error}.") from error


def _tensors(record: Record) -> dict[str, Tensor]:
    """Everything of a record that is written, by name."""
    found = {f"gradients/{name}": value for name, value in record.raw_gradients.items()}
    held = record.held
    if held is None:
        operands = record.checked_operands()
        for group in GROUPS:
            named: Mapping[str, Tensor] = getattr(operands, group)
            found |= {f"{group}/{name}": value for name, value in named.items()}
        return found
    found |= {f"values/{name}": value for name, value in held.items()}
    return found if record.alive is None else {**found, "alive": record.alive}


def _description(record: Record, dtypes: dict[str, str]) -> dict[str, Any]:
    recurrence = record.recurrence
    return {
        "place": asdict(record.place),
        "kept": asdict(record.kept),
        "graph": recurrence.graph.to_dict(),
        "sizes": dict(recurrence.sizes),
        "reverse": recurrence.reverse,
        "tensors": dtypes,
    }


def _record(k: int, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Record:
    graph = Graph.from_dict(description["graph"])
    sizes = {str(name): int(size) for name, size in description["sizes"].items()}
    recurrence = Recurrence(graph, sizes, bool(description["reverse"]))
    groups: dict[str, dict[str, Tensor]] = {}
    for name, dtype in description["tensors"].items():
        if dtype not in DTYPES:
            raise ValueError(f"no dtype {dtype!r}")
        group, _, own = name.partition("/")
        value = torch.from_numpy(arrays[f"{k}/{name}"]).to(getattr(torch, dtype))
        groups.setdefault(group, {})[own] = value
    kept = description["kept"]
    units = None if kept["units"] is None else tuple(map(int, kept["units"]))
    record = Record(
        Place(**description["place"]),
        recurrence,
        _operands(graph, groups) if "inputs" in groups else None,
        kept=Kept(units, int(kept["every"])),
        zeros={name: _with_gradient(value) for name, value in groups.get("gradients", {}).items()},
    )
    if "values" in groups:
        record.restore(groups["values"], groups.get("alive", {}).get(""))
    return record


def _operands(graph: Graph, groups: Mapping[str, dict[str, Tensor]]) -> Operands:
    parts = [groups.get(group, {}) for group in GROUPS]
    wanted = (graph.inputs, graph.states, graph.parameters, graph.givens)
    for group, part, names in zip(GROUPS, parts, wanted, strict=True):
        missing = set(names) - set(part)
        if missing:
            raise ValueError(f"its {group} lack {', '.join(sorted(missing))}")
    return Operands(*parts)


def _with_gradient(gradient: Tensor) -> Tensor:
    """A zero whose gradient is known: what a record reads gradients from."""
    zero = torch.zeros_like(gradient).requires_grad_()
    zero.grad = gradient
    return zero
