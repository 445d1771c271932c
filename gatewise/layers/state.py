"""The state of a layer: a named tuple with one field per state of the cell."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gatewise.backends import Recurrence
from gatewise.layers.state_file import load_fields, save_fields

States = list[dict[str, Tensor]]
"""By name, ``(B, size)``; layer 0 forward, layer 0 reverse, layer 1 forward, ..."""


class State:
    """The state of a layer: a tuple with one named field per state of the cell.

    A field is ``(layers · directions, B, size)``, or ``(B, layers · directions, size)`` with
    ``state_batch_first=True``, or a tuple of ``(B, size)`` where layers differ in size; without a
    batch the dimension B is missing.

    Example:
        >>> import torch, gatewise as gw
        >>> y, state = gw.Recurrent("lstm", 3, 5)(torch.randn(7, 2, 3))
        >>> state._fields, state.c.shape
        (('h', 'c'), torch.Size([1, 2, 5]))
        >>> state.detach().save("state.npz")
        >>> gw.State.load("state.npz").c.shape
        torch.Size([1, 2, 5])
    """

    __slots__ = ()

    def detach(self) -> Any:
        """The same state, cut off from the graph of gradients (truncated BPTT)."""
        return detach_state(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state to a ``.npz`` file, whole or not at all; `load` reads it."""
        save_fields(path, self._fields, tuple(self))  # type: ignore[attr-defined]

    @staticmethod
    def load(path: str | PathLike[str], device: Any = None) -> Any:
        """Read a state that `save` wrote, fields and all.

        Args:
            path: the file.
            device: where its tensors shall be; the CPU where left out.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the file holds something else.
        """
        names, values = load_fields(path, device)
        return make_state(names, values)

    def __reduce__(self):
        return make_state, (self._fields, tuple(self))  # type: ignore[attr-defined]


_types: dict[tuple[str, ...], type] = {}


def state_type(names: tuple[str, ...]) -> type:
    """The named tuple for states of these names."""
    if names not in _types:  # not lru_cache: torch.compile would warn of it
        fields = namedtuple("State", names)
        _types[names] = type("State", (State, fields), {"__slots__": ()})
    return _types[names]


def make_state(names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """A state with these fields and values."""
    return state_type(names)(*values)


torch.serialization.add_safe_globals([make_state])  # torch.load takes a checkpoint with a state


def detach_state(state: Any) -> Any:
    """Any state (a tensor, a tuple, a named tuple) without its history of gradients."""
    return pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, state)


def unpack_state(
    state: Any,
    recurrences: Sequence[Recurrence],
    batch: int,
    batched: bool,
    batch_first: bool = False,
) -> States:
    """A caller's state as one dict per layer and direction.

    Args:
        state: a tuple with a field per state, or a bare tensor for a cell with one state; a field
            is ``(layers · directions, B, size)``, or a sequence of ``(B, size)``; without a batch
            the dimension B is missing.
        recurrences: one per layer and direction.
        batch: B.
        batched: whether the caller's tensors have the dimension B.
        batch_first: whether a field is ``(B, layers · directions, size)``.

    Raises:
        ValueError: it has another number of fields than the cell has states.
        RuntimeError: a field has the wrong shape.
    """
    graph = recurrences[0].graph
    names = tuple(graph.states)
    fields = (state,) if isinstance(state, Tensor) else state
    if not isinstance(fields, tuple | list) or len(fields) != len(names):
        count = f"{len(fields)} were given" if isinstance(fields, tuple | list) else f"got {state}"
        raise ValueError(f"the state of cell {graph.name!r} is ({', '.join(names)}), but {count}.")
    unpacked: States = [{} for _ in recurrences]
    for name, field in zip(names, fields, strict=True):
        swapped = batch_first and batched and isinstance(field, Tensor) and field.dim() == 3
        parts = field.transpose(0, 1) if swapped else field
        expected = [
            (batch, r.state_size(name)) if batched else (r.state_size(name),) for r in recurrences
        ]
        found = [tuple(part.shape) for part in parts]
        if found != expected:
            raise RuntimeError(
                f"Expected hidden size {expected} for state {name!r}, one for each layer and "
                f"direction, got {found}"
            )
        for row, part in zip(unpacked, parts, strict=True):
            row[name] = part if batched else part.unsqueeze(0)
    return unpacked


def pack_state(last: States, batched: bool, batch_first: bool = False) -> Any:
    """The states of all layers and directions as one named tuple for the caller."""
    fields = []
    for name in last[0]:
        parts = [row[name] if batched else row[name].squeeze(0) for row in last]
        alike = all(part.shape == parts[0].shape for part in parts)
        dimension = 1 if batch_first and batched else 0
        fields.append(torch.stack(parts, dimension) if alike else tuple(parts))
    if torch.compiler.is_exporting():  # a program is read where nobody has made the named tuple
        return tuple(fields)
    return make_state(tuple(last[0]), tuple(fields))
