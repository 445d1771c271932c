"""Where a recurrence ran, which part of its values is kept, and how they are read by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Place:
    """Where in a model, and in which call, a recurrence ran.

    Attributes:
        module: the layer's path within the model; empty for the model itself.
        layer: from 0.
        direction: ``"forward"`` or ``"reverse"``.
        call: how often the module had been called before, in this trace.
        batch_first: whether the layer's sequences are ``(B, T, ·)``.
        batched: whether it was given a batch at all.
    """

    module: str
    layer: int
    direction: str
    call: int = 0
    batch_first: bool = False
    batched: bool = True

    def __str__(self) -> str:
        more = f", call {self.call}" if self.call else ""
        return f"({self.module!r}, {self.layer}, {self.direction!r}){more}"


@dataclass(frozen=True)
class Kept:
    """Which part of every value is kept.

    Attributes:
        units: indices of hidden units; None for all.
        every: keep the steps 0, every, 2 · every, ...
    """

    units: tuple[int, ...] | None = None
    every: int = 1

    def cut(self, series: Tensor, hidden: int) -> Tensor:
        """The kept units of ``(T, B, size)``; values of another size than H are kept whole."""
        if self.units is None or series.shape[-1] != hidden:
            return series
        return series[..., list(self.units)]

    def thin(self, series: Tensor) -> Tensor:
        """The kept steps of ``(T, B, size)``, no view that would keep a larger tensor alive."""
        series = series.detach()[:: self.every]
        whole = series.untyped_storage().nbytes() <= series.numel() * series.element_size()
        return series if whole else series.clone()


class Values(Mapping[str, Tensor]):
    """Values by name, as attributes or items, in the layer's own order of dimensions."""

    def __init__(self, names: Sequence[str], read: Callable[[str], Tensor]):
        self._names, self._read = tuple(names), read

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(f"no {name!r} here; there are {', '.join(self._names) or 'none'}.")
        return self._read(name)

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"no {name!r} here; there are {', '.join(self._names) or 'none'}.")
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._names})

    def __repr__(self) -> str:
        return f"<values {', '.join(self._names)}>"
