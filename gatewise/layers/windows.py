"""Truncated backpropagation through time: a long sequence in windows, the state carried on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gatewise.layers.padding import counted_steps
from gatewise.layers.state import detach_state


def windows(
    x: Tensor,
    steps: int,
    *,
    lengths: Any = None,
    reset: Any = None,
    inputs: Mapping[str, Tensor] | None = None,
    batch_first: bool = False,
    **others: Any,
) -> Windows:
    """Go through a long sequence window by window; gradients end at each window's start.

    A window is called with a layer, or any module that takes ``(x, state)`` and returns an output
    and a state: ``y, state = window(layer)``. The state is carried on to the next window, detached;
    each module has its own. Forward, windows give what one call on the whole sequence gives; in
    training, noise that is drawn once a call is drawn once a window.

    Args:
        x: ``(T, B, I)``, or ``(B, T, I)`` with `batch_first`.
        steps: of a window; the last one may be shorter.
        lengths: as in a layer's call, for the whole sequence: numbers ``(B,)`` or a mask.
        reset: as in a layer's call, bool ``(T, B)``.
        inputs: what the cell reads besides x, by name, ``(T, B, ...)``.
        batch_first: whether x, masks and all others are ``(B, T, ...)``.
        **others: what else goes along step by step, such as ``target=``: attributes of each window.

    Raises:
        ValueError: shapes that do not fit, or no steps in a window.

    Example:
        >>> import torch, gatewise as gw
        >>> layer, readout = gw.GRU(1, 8), torch.nn.Linear(8, 1)
        >>> series = torch.randn(101, 4, 1)
        >>> for window in gw.windows(series[:-1], 25, target=series[1:]):
        ...     y, state = window(layer)
        ...     (readout(y) - window.target).square().mean().backward()
        >>> window.start, window.x.shape
        (75, torch.Size([25, 4, 1]))
    """
    if steps < 1:
        raise ValueError(f"steps={steps}: a window has at least one.")
    if not isinstance(x, Tensor) or x.dim() != 3:
        raise ValueError(f"x is a tensor with the dimensions T, B and I, not {_described(x)}.")
    time = 1 if batch_first else 0
    counted = None
    if lengths is not None:
        first = x.transpose(0, 1) if batch_first else x
        counted = counted_steps(lengths, first, batch_first, True, "windows")
        counted = counted.T if batch_first else counted
    series = {"lengths": counted, "reset": reset, **(inputs or {}), **others}
    found = {name: torch.as_tensor(v) for name, v in series.items() if v is not None}
    for name, value in found.items():
        if value.shape[:2] != x.shape[:2]:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}; its first dimensions must be those of x, "
                f"{tuple(x.shape[:2])}."
            )
    return Windows({"x": x, **found}, steps, time, tuple(inputs or ()))


class Windows:
    """The windows of a sequence, one after the other; made by `windows`."""

    def __init__(
        self, series: Mapping[str, Tensor], steps: int, time: int, inputs: tuple[str, ...]
    ):
        self._series, self._steps, self._time, self._inputs = series, steps, time, inputs

    def __len__(self) -> int:
        return math.ceil(self._series["x"].shape[self._time] / self._steps)

    def __iter__(self) -> Iterator[Window]:
        states: dict[int, tuple[Any, Any]] = {}
        for k in range(len(self)):
            start = k * self._steps
            count = min(self._steps, self._series["x"].shape[self._time] - start)
            parts = {n: v.narrow(self._time, start, count) for n, v in self._series.items()}
            yield Window(start, parts, self._inputs, states)


class Window:
    """Some steps of a sequence.

    Attributes:
        start: the step of the whole sequence that it begins with.
        x: its part of the input; what else was given to `windows` has its own name.
    """

    x: Tensor

    def __init__(
        self,
        start: int,
        parts: Mapping[str, Tensor],
        inputs: tuple[str, ...],
        states: dict[int, tuple[Any, Any]],
    ):
        self.start, self._parts, self._inputs, self._states = start, parts, inputs, states

    def __getattr__(self, name: str) -> Tensor:
        parts = self.__dict__.get("_parts", {})
        if name not in parts:
            raise AttributeError(f"this window has {', '.join(('start', *parts))}, not {name!r}.")
        return parts[name]

    def __call__(self, module: Any, state: Any = None) -> tuple[Any, Any]:
        """Run a module on this window, from the state that it left the last one with.

        Args:
            module: a layer, or anything that is called likewise.
            state: what to start from instead; in the first window, the module's initial state
                where left out.

        Returns:
            The output and the state, with its history of gradients within this window.

        Raises:
            ValueError: a bidirectional layer, which needs the whole sequence.
        """
        if getattr(module, "bidirectional", False):
            raise ValueError(
                "a bidirectional layer reads the whole sequence before its first output; windows "
                "go forward only. To save memory, give the layer recompute=True."
            )
        marks = {name: self._parts[name] for name in ("lengths", "reset") if name in self._parts}
        inputs = {name: self._parts[name] for name in self._inputs}
        if state is None:
            _, state = self._states.get(id(module), (None, None))
        output, last = module(self.x, state, **marks, **inputs)
        # the module itself is kept, so that its id stays its own
        self._states[id(module)] = module, detach_state(last)
        return output, last


def _described(x: Any) -> str:
    return f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else str(type(x))
