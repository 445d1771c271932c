"""The short way through a layer: a plain tensor goes straight to the kernels.

A small recurrence is computed in less time than it takes to ask what might be special about it.
So plain calls ask once, together; whatever is special goes the long way, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.backends import Recurrence, Stacking
from gatewise.backends.direct import direct_call, is_undisturbed
from gatewise.backends.llvm.selection import ELEMENTS
from gatewise.layers.torch_operator import run_steps, steps_on_torch

PLAIN = (Tensor, nn.Parameter)


@dataclass(frozen=True)
class Lane:
    """One layer's recurrence in one direction, as plain calls run it.

    Attributes:
        recurrence: graph, sizes and direction.
        stored: the names and shapes of the layer's parameters that hold its weights.
        stacking: what they hold.
        starts: size and number of each state before the first step.
    """

    recurrence: Recurrence
    stored: tuple[tuple[str, torch.Size], ...]
    stacking: Stacking
    starts: tuple[tuple[int, float], ...]

    def weights(self, layer: nn.Module, dtype: torch.dtype) -> list[Tensor] | None:
        """The parameters as they are now; None where one is no plain tensor of this kind."""
        found, registry = [], layer._parameters
        for name, shape in self.stored:
            tensor = registry.get(name)
            if tensor is None or not _is_plain(tensor, shape, dtype):
                return None
            found.append(tensor)
        return found


def directly(forward: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Let a layer's plain calls take the short way."""

    @wraps(forward)
    def run(layer: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        if not options and type(arguments[0]) is Tensor and is_undisturbed():
            found = _run(layer, *arguments)
            if found is not None:
                return found
        return forward(layer, *arguments, **options)

    return run


Rows = tuple[list[list[Lane]], list[Lane]]
"""Lanes by layer, and all of them in order."""

_lanes: WeakKeyDictionary[nn.Module, Rows] = WeakKeyDictionary()


def _lanes_of(layer: Any) -> Rows:
    found = _lanes.get(layer)
    if found is None:
        rows = layer.lanes()
        lanes = [lane for row in rows for lane in row]
        # what else a cell reads at every step is an option of the call
        several = any(len(lane.recurrence.graph.inputs) > 1 for lane in lanes)
        found = _lanes[layer] = ([], []) if several else (rows, lanes)
    return found


def _run(layer: Any, x: Tensor, state: Any = None) -> tuple[Any, Any] | None:
    """The output and the last state; None where the call is special in any way."""
    dtype, grad = x.dtype, torch.is_grad_enabled()
    if layer.options.is_special(layer.training, grad) or dtype not in ELEMENTS or x.dim() != 3:
        return None
    if layer.batch_first:
        x = x.transpose(0, 1)
    T, B, I = x.shape
    if not T or not B or layer.input_size != I or not x.is_cpu:
        return None
    if layer.may_step_on_torch and steps_on_torch(layer, T, B):
        return run_steps(layer, x, state)
    rows, lanes = _lanes_of(layer)
    if not lanes:
        return None
    states = _states(state, lanes, B, dtype)
    weights = [lane.weights(layer, dtype) for lane in lanes]
    if states is None or None in weights:
        return None
    plan, learns = [], grad and x.requires_grad
    for row in rows:
        wanted = learns
        for lane in row:
            k = len(plan)
            tensors = [*states[k], *weights[k]]  # type: ignore[misc]
            training = grad and (wanted or any(tensor.requires_grad for tensor in tensors))
            call = direct_call(lane.recurrence, lane.stacking, dtype, T, B, training, wanted)
            if call is None:
                return None
            learns = learns or training
            plan.append((call, tensors, training))
    dropout = layer.dropout if layer.training else 0.0
    y, last = _run_rows(x, [len(row) for row in rows], plan, dropout)
    return y.transpose(0, 1) if layer.batch_first else y, layer.packed_state(last)


def _run_rows(
    x: Tensor, rows: Sequence[int], plan: Sequence[tuple[Any, list[Tensor], bool]], dropout: float
) -> tuple[Tensor, list[Sequence[Tensor]]]:
    run_call, pairs_well, run_pair = _runners()
    if len(plan) == 1:
        call, tensors, training = plan[0]
        y, *ends = run_call(call, [x, *tensors], training)
        return y, [ends]
    last: list[Sequence[Tensor]] = []
    for count in rows:
        if last and dropout:
            x = functional.dropout(x, dropout)
        calls, own, training = zip(*plan[len(last) : len(last) + count], strict=True)
        tensors = [[x, *each] for each in own]
        kernels = [call.kernel for call in calls]
        if count == 2 and training[0] == training[1] and pairs_well(kernels, *x.shape[:2]):
            results = run_pair(calls, tensors, training[0])
        else:
            results = map(run_call, calls, tensors, training)
        outputs = []
        for y, *ends in results:
            outputs.append(y)
            last.append(ends)
        x = outputs[0] if count == 1 else torch.cat(outputs, -1)
    return x, last


@lru_cache(maxsize=1)
def _runners() -> tuple[Callable[..., Any], ...]:
    """What runs calls; imported with the first, since it takes a while."""
    from gatewise.backends.llvm.operation import run_call
    from gatewise.backends.llvm.pair import pairs_well, run_pair

    return run_call, pairs_well, run_pair


def _states(
    state: Any, lanes: Sequence[Lane], B: int, dtype: torch.dtype
) -> list[Sequence[Tensor]] | None:
    """Where each lane starts; None where the caller's state is not plain, or does not fit."""
    if state is None:
        return [_first(lane.starts, B, dtype) for lane in lanes]
    fields = (state,) if isinstance(state, Tensor) else state
    sizes = [size for size, _ in lanes[0].starts]
    if not isinstance(fields, tuple | list) or len(fields) != len(sizes):
        return None
    shapes = [(len(lanes), B, size) for size in sizes]
    if not all(map(_is_plain, fields, shapes, [dtype] * len(sizes))):
        return None
    if any([size for size, _ in lane.starts] != sizes for lane in lanes[1:]):
        return None
    return list(zip(*(field.unbind() for field in fields), strict=True))


def _is_plain(tensor: Any, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    return (
        type(tensor) in PLAIN and tensor.dtype is dtype and tensor.is_cpu and tensor.shape == shape
    )


@lru_cache(maxsize=256)
def _first(starts: tuple[tuple[int, float], ...], B: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """States before the first step, which nothing changes; made for use in any mode."""
    with torch.inference_mode(False):
        return tuple(torch.full((B, size), number, dtype=dtype) for size, number in starts)
