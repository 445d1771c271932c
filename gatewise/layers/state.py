"""The state of a layer: a named tuple with one field per state of the cell."""

from __future__ import annotations

from collections import namedtuple
from functools import lru_cache
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree


class _Fields:
    """What every state can do besides being a tuple."""

    __slots__ = ()

    def detach(self) -> Any:
        """The same state, cut off from the graph of gradients (truncated BPTT)."""
        return detach_state(self)

    def __reduce__(self):
        return make_state, (self._fields, tuple(self))  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def state_type(names: tuple[str, ...]) -> type:
    """The named tuple for states of these names."""
    fields = namedtuple("State", names)
    return type("State", (_Fields, fields), {"__slots__": ()})


def make_state(names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """A state with these fields and values."""
    return state_type(names)(*values)


def detach_state(state: Any) -> Any:
    """Any state (a tensor, a tuple, a named tuple) without its history of gradients."""
    return pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, state)
