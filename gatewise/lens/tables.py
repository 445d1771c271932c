"""Traces as labelled arrays (xarray) and as tables (polars or pandas)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.lens.record import Record

DIMENSIONS = ("step", "sequence", "unit")
TABLES = ("polars", "pandas")


def to_xarray(record: Record, names: Sequence[str] | None = None) -> Any:
    """One record as an `xarray.Dataset` with a variable for each value.

    Args:
        record: of a trace.
        names: values, pre-activations (``"pre.f"``) or products; the cell's values where left out.

    Returns:
        Variables over ``step``, ``sequence``, ``unit``; values of another size than H have a
        dimension of their own, such as ``unit_h``.

    Raises:
        ModuleNotFoundError: xarray is not installed.
    """
    xarray = _required("xarray", "pip install xarray")
    variables, coordinates = {}, _coordinates(record)
    for name in _names(record, names):
        series = record.series(name)
        last = "unit" if record.size(name) == record.hidden_size else f"unit_{name}"
        variables[name] = (("step", "sequence", last), _numpy(series))
    used = {dimension for dims, _ in variables.values() for dimension in dims}
    place = {"module": record.module, "layer": record.layer, "direction": record.direction}
    return xarray.Dataset(
        variables,
        {name: list(values) for name, values in coordinates.items() if name in used},
        {**place, "call": record.place.call, "cell": record.graph.name},
    )


def to_frame(
    records: Sequence[Record], names: Sequence[str] | None = None, library: str | None = None
) -> Any:
    """Records as one table: a row for each step, sequence and unit, a column for each value.

    Args:
        records: of a trace.
        names: values, pre-activations (``"pre.f"``) or products; the cells' values where left out.
        library: ``"polars"`` or ``"pandas"``; whichever is installed, polars first, if left out.

    Returns:
        Columns module, layer, direction, call, step, sequence, unit, and the values; empty where a
        record has no such value or it has fewer units.

    Raises:
        ModuleNotFoundError: neither library is installed, or not the one asked for.
        ValueError: there is no such library, or nothing was recorded.
    """
    if library is None:
        library = next((name for name in TABLES if importlib.util.find_spec(name)), TABLES[0])
    if library not in TABLES:
        raise ValueError(f"library={library!r}: one of {', '.join(TABLES)}.")
    if not records:
        raise ValueError("nothing was recorded, so there is no table.")
    module = _required(library, "pip install polars, or pip install pandas")
    every = list(dict.fromkeys(name for record in records for name in _names(record, names)))
    parts = [_columns(record, every) for record in records]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    frame = module.DataFrame(columns)
    # a value that is not there is missing, not a number
    return frame.fill_nan(None) if library == "polars" else frame


def _columns(record: Record, names: Sequence[str]) -> dict[str, np.ndarray]:
    known = record.known(names)
    if not known:
        return {}
    series = {name: _numpy(record.series(name)) for name in known}
    T, B = next(iter(series.values())).shape[:2]
    U = max(value.shape[2] for value in series.values())
    shape = (T, B, U)
    coordinates = _coordinates(record)
    units = coordinates["unit"] if len(coordinates["unit"]) == U else np.arange(U)
    grid = (np.asarray(coordinates["step"])[:, None, None], np.arange(B)[:, None], units)
    columns = {
        "module": np.full(T * B * U, record.module),
        "layer": np.full(T * B * U, record.layer),
        "direction": np.full(T * B * U, record.direction),
        "call": np.full(T * B * U, record.place.call),
    }
    for dimension, values in zip(DIMENSIONS, grid, strict=True):
        columns[dimension] = np.broadcast_to(values, shape).ravel()
    for name in names:
        filled = np.full(shape, np.nan, np.result_type(*(v.dtype for v in series.values())))
        if name in series:
            filled[..., : series[name].shape[2]] = series[name]
        columns[name] = filled.ravel()
    return columns


def _names(record: Record, names: Sequence[str] | None) -> list[str]:
    if names is not None:
        return record.known(names)
    held = record.held
    return list(record.names if held is None else held)


def _coordinates(record: Record) -> dict[str, Sequence[int]]:
    some = next(iter(_names(record, None)))
    T, B = record.series(some).shape[:2]
    units = record.units or tuple(range(record.hidden_size))
    return {"step": range(0, T * record.every, record.every), "sequence": range(B), "unit": units}


def _numpy(series: Tensor) -> np.ndarray:
    series = series.cpu()
    return (series.float() if series.dtype == torch.bfloat16 else series).numpy()


def _required(name: str, command: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{name} is needed for this: {command}", name=name) from error
