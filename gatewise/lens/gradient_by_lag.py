"""The gradient inside a recurrence, ordered by how far back it reaches.

Pascanu, Mikolov & Bengio (2013), arXiv:1211.5063, equations 3-5: what a loss at the last step says
to the state k steps before is a product of k Jacobians; it vanishes or explodes with k. The
gradient of a layer's *output* does not show this: autograd gives only what each output does to the
loss directly, which is nothing at all before the last step. So a zero is added to the state inside
the recurrence, at every step, and the gradient of these zeros is read off: all lags in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence, Result, choose, use_backend
from gatewise.backends.choose import TORCH, asked_backend
from gatewise.lens.recorder import with_zeros


@dataclass(frozen=True)
class InnerGradients:
    """The gradient of a loss by what one recurrence computed at each step.

    Attributes:
        cell: name of the cell.
        reverse: whether the recurrence runs from the last step to the first.
        values: ``(T, B, size)`` by name: what a small change of the value at that step and unit
            would do to the loss, with everything that follows computed anew, in that step too.
    """

    cell: str
    reverse: bool
    values: dict[str, Tensor]


def inner_gradients(
    loss: Callable[[], Tensor], names: Sequence[str] | None = None
) -> list[InnerGradients]:
    """Differentiate a loss by values inside the recurrences that lead to it.

    Works for every layer of Gatewise, stacked and bidirectional ones too, on the backend that would
    run it anyway. Convert the model to float64 where gradients may vanish below 1e-38. For layers
    of torch, and for one part of a model, see ``gw.trace(model, grads=True)``.

    Args:
        loss: computes the loss, a scalar, from the model; called once.
        names: values of the cell, such as ``["h", "f"]``; its states where left out.

    Returns:
        One entry for each recurrence that ran, in order: by layer, then direction.

    Raises:
        EquationError: a cell that ran has no value of such a name.
        ValueError: no layer of Gatewise ran, or the loss does not depend on any.

    Example:
        >>> import gatewise as gw
        >>> layer, x = gw.LSTM(3, 5), torch.randn(7, 2, 3)
        >>> (inner,) = inner_gradients(lambda: layer(x)[0][-1].sum())
        >>> inner.values["c"].shape
        torch.Size([7, 2, 5])
    """
    probe = _Probe(names)
    with use_backend(probe), torch.enable_grad():
        value = loss()
    if not probe.found:
        raise ValueError("no layer of Gatewise ran while the loss was computed.")
    zeros = [zero for inner in probe.found for zero in inner.values.values()]
    if not value.requires_grad:
        raise ValueError("the loss depends on no recurrence: it has no gradient.")
    gradients = iter(torch.autograd.grad(value, zeros, allow_unused=True, materialize_grads=True))
    return [
        replace(inner, values={name: next(gradients) for name in inner.values})
        for inner in probe.found
    ]


def gradient_by_lag(gradient: Tensor, last: Tensor | None = None) -> Tensor:
    """The norm of a gradient by the distance from the last step.

    Args:
        gradient: ``(T, B, size)``, as in `InnerGradients.values`.
        last: ``(B,)``: the step of each sequence that counts as lag 0; T - 1 where left out.

    Returns:
        ``(T, B)``: row k is the norm over units at the step k before the last; NaN where a
        sequence has none.
    """
    T, B = gradient.shape[:2]
    if last is None:
        last = torch.full((B,), T - 1, device=gradient.device)
    steps = last - torch.arange(T, device=gradient.device)[:, None]
    norms = gradient.norm(dim=-1).gather(0, steps.clamp(0, T - 1))
    return norms.where(steps >= 0, torch.nan)


class _Probe:
    """A backend that adds a zero to values at every step and keeps it, for its gradient.

    As a backend, and not as an interceptor, it also has layers run their equations where they would
    call an operator of torch.
    """

    name = "gradients inside"

    def __init__(self, names: Sequence[str] | None):
        self.names = names
        self.found: list[InnerGradients] = []
        asked = asked_backend()
        self.asked = None if asked == TORCH else asked

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        return None

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        return "what runs otherwise, with a zero added to what is looked at"

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        names = self.names or list(recurrence.graph.states)
        changed, given, zeros = with_zeros(recurrence, operands, names)
        self.found.append(InnerGradients(recurrence.graph.name, recurrence.reverse, zeros))
        with use_backend(self.asked):
            return choose(changed, given).backend.run(changed, given, keep)
