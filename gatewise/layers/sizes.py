"""The sizes of a layer, as a caller gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gatewise.equations import Cell


def hidden_sizes(hidden_size: int | Sequence[int], num_layers: int | None) -> tuple[int, ...]:
    """One H per layer, from one number or a list."""
    listed = isinstance(hidden_size, list | tuple)
    found: tuple[Any, ...] = tuple(hidden_size) if listed else (hidden_size,) * (num_layers or 1)
    if listed and num_layers not in (None, len(found)):
        raise ValueError(f"num_layers={num_layers}, but hidden_size lists {len(found)} layers.")
    if not found or any(not isinstance(H, int) or H < 1 for H in found):
        raise ValueError(f"hidden_size={hidden_size!r}: whole numbers above zero, one per layer.")
    if num_layers is not None and num_layers < 1:
        raise ValueError("num_layers must be greater than zero")
    return found


def named_sizes(cell: Cell, sizes: Mapping[str, int] | None, proj_size: int) -> dict[str, int]:
    """Numbers for the cell's size names other than I and H."""
    named = dict(sizes or {})
    if proj_size:
        named["P"] = proj_size
    sized = {*cell.graph.states.values(), *cell.graph.inputs.values()} - {"I", "H"}
    known = {size for size in sized if isinstance(size, str)}
    for name, number in named.items():
        if name not in known:
            raise ValueError(
                f"cell {cell.name!r} has no size {name!r}"
                + (f"; it has {', '.join(sorted(known))}." if known else " to set.")
            )
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"size {name} = {number!r}: a whole number above zero.")
    return named
