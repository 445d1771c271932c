"""States in ``.npz`` files: arrays by name, no pickle, written whole or not at all."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FilePath = str | PathLike[str]
RAW = "bfloat16"
"""NumPy has no such numbers: they are stored as the 16-bit integers with the same bits."""


def save_arrays(path: FilePath, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name; what stood there before stays where it cannot be written."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:  # savez would add an ending to a bare name
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_arrays(path: FilePath) -> dict[str, np.ndarray]:
    """Read what `save_arrays` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a file that a state was saved to ({error}).") from error


def save_fields(path: FilePath, names: Sequence[str], values: Sequence[Any]) -> None:
    """Write the fields of a state; one that is a tuple, layer by layer."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in zip(names, values, strict=True):
        if isinstance(value, Tensor):
            arrays.update([_array(name, value)])
        else:
            arrays.update(_array(f"{name}.{k}", part) for k, part in enumerate(value))
    save_arrays(path, arrays)


def load_fields(path: FilePath, device: Any = None) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Read the names and values that `save_fields` wrote."""
    fields: dict[str, Any] = {}
    for key, array in load_arrays(path).items():
        name, *further = key.split(".")
        value = torch.from_numpy(array)
        value = (value.view(torch.bfloat16) if RAW in further else value).to(device)
        if not name.isidentifier():
            raise ValueError(f"{path}: holds {key!r}, which is no field of a layer's state.")
        if further and further[0].isdigit():
            fields[name] = (*fields.get(name, ()), value)
        else:
            fields[name] = value
    return tuple(fields), tuple(fields.values())


def _array(name: str, value: Tensor) -> tuple[str, np.ndarray]:
    value = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        return f"{name}.{RAW}", value.view(torch.int16).numpy()
    return name, value.numpy()
