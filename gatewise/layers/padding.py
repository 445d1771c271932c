"""Which steps of padded sequences count: from lengths, from a mask, or from a PackedSequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import (  # type: ignore[import-not-found]
    get_unwrapped,
    is_functorch_wrapped_tensor,
)
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils.rnn import PackedSequence


def counted_steps(lengths: Any, x: Tensor, batch_first: bool, batched: bool, name: str) -> Tensor:
    """Where a sequence counts, bool ``(T, B)``.

    Nothing waits for another device: what is wrong there becomes an error when the device finds it.

    Args:
        lengths: whole numbers ``(B,)``, as a list or a tensor on any device; or a mask, bool or 0
            and 1, in the order of the caller's input.
        x: the padded input, ``(T, B, I)``.
        batch_first: whether the caller's input, and so a mask, is ``(B, T, ...)``.
        batched: whether it has a batch at all; without one, a number and a mask ``(T,)`` will do.
        name: of the layer, for errors.

    Raises:
        ValueError: neither; or out of range, or with holes.
    """
    T, B = x.shape[:2]
    given = torch.as_tensor(lengths).to(x.device, non_blocking=True)
    if not batched:
        one = given.numel() == 1 and given.dtype != torch.bool
        given = given.reshape(1) if one else given.reshape(-1, 1)
    elif batch_first and given.dim() == 2:
        given = given.T
    if B == given.numel() == 0:
        given = given.long()  # an empty list says no dtype
    if given.is_floating_point() or given.is_complex():
        raise ValueError(f"{name}: lengths are whole numbers or a mask, not {given.dtype}.")
    # the number of dimensions first: a traced program would else ask whether B = T
    if given.dim() == 2 and tuple(given.shape) == (T, B):
        return _checked_mask(given, name)
    if given.dtype == torch.bool or given.dim() != 1 or given.shape[0] != B:
        order = f"({B}, {T})" if batch_first and batched else f"({T}, {B})"
        raise ValueError(
            f"{name}: lengths are {B} whole numbers, one per sequence, or a mask {order}; "
            f"got {tuple(torch.as_tensor(lengths).shape)} of {given.dtype}."
        )
    given = given.long()  # 8 bits know no T above 255: compared with it they would be wrong
    # a traced program must not write T into a text: it would be the T of the trace for ever
    T_is = "T" if torch.compiler.is_compiling() else f"T = {T}"
    _require((given >= 0) & (given <= T), f"{name}: lengths must lie between 0 and {T_is}.")
    return torch.arange(T, device=x.device)[:, None] < given


def _checked_mask(mask: Tensor, name: str) -> Tensor:
    counted = mask.bool()
    if mask.dtype != torch.bool:
        _require(mask == counted, f"{name}: a mask holds 0 and 1 alone.")
    begins = counted.clone()
    begins[1:] &= ~counted[:-1]
    _require(
        begins.sum(0) <= 1,
        f"{name}: the mask has holes: the steps of a sequence that count must lie next to each "
        "other. Take the steps in between out, or let them count.",
    )
    return counted


def without_padding(value: Tensor, alive: Tensor) -> Tensor:
    """An input ``(T, B, size)`` whose padding may hold anything, NaN included.

    Nothing flows back from the padding, but 0 · NaN is NaN in the gradients of weights. So what is
    no number there becomes zero; an input of numbers alone is handed back as it is.

    Args:
        value: the input.
        alive: where it counts, bool ``(T, B, 1)``.
    """
    if _is_known(value) and torch.isfinite(value.detach().sum()):
        return value
    return torch.where(alive, value, 0.0)


def _require(fulfilled: Tensor, message: str) -> None:
    """Raise a ValueError; on another device, and where values are unknown, when they are known."""
    if not torch.compiler.is_compiling():
        while is_functorch_wrapped_tensor(fulfilled):  # under vmap: for all members at once
            fulfilled = get_unwrapped(fulfilled)
    if not _is_known(fulfilled):
        torch._assert_async(fulfilled.all(), message)  # type: ignore[attr-defined]
    elif not fulfilled.all():
        raise ValueError(message)


def _is_known(value: Tensor) -> bool:
    """Whether the numbers are at hand: not on another device, nor in a trace or a transform."""
    if torch.compiler.is_compiling() or value.device.type != "cpu":
        return False
    return not isinstance(value, FakeTensor) and not is_functorch_wrapped_tensor(value)


def packed_rows(packed: PackedSequence) -> Tensor:
    """For each row of a PackedSequence's data its place ``t · B + b`` among all steps, ``(N,)``."""
    B = int(packed.batch_sizes[0])
    step, rank = (packed.batch_sizes[:, None] > torch.arange(B)).nonzero(as_tuple=True)
    device = packed.data.device
    step, rank = step.to(device, non_blocking=True), rank.to(device, non_blocking=True)
    order = packed.sorted_indices
    return step * B + (rank if order is None else order[rank])
