"""How strongly one result depends on each step of the input.

‖∂(h_L)_k/∂x_t‖₂ over the units of x_t, for a unit k of the result at the step L that is looked at
(Madsen 2019, "Visualizing memorization in RNNs", Distill, doi:10.23915/distill.00016). Unlike the
gradient inside a recurrence it sees the whole model, from logits down to embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.table import format_steps


@dataclass(frozen=True)
class Connectivity:
    """The strength of the connection from each step to each result.

    Attributes:
        values: ``(T, B, K)``, gradient norms for K results.
        units: the numbers of the results.
    """

    values: Tensor
    units: tuple[int, ...]

    def shares(self) -> Tensor:
        """``(T, B, K)``: the values relative to their sum over time."""
        return self.values / self.values.sum(0)

    def table(self, row: int = 0, labels: Sequence[str] | None = None, count: int = 10) -> str:
        """The steps that one sequence's results depend on most."""
        strongest = self.values[:, row].amax(-1).argsort(descending=True, stable=True)[:count]
        columns = {
            f"result {unit}": self.values[:, row, k].tolist() for k, unit in enumerate(self.units)
        }
        return format_steps(strongest.sort().values.tolist(), columns, labels)

    def __str__(self) -> str:
        return self.table()


def connectivity(
    results: Callable[[Tensor], Tensor],
    x: Tensor,
    units: Sequence[int] | None = None,
    batch_first: bool = False,
) -> Connectivity:
    """Differentiate results by every step of the input.

    Args:
        results: from ``(T, B, I)`` to ``(B, K)``, such as the last hidden state or the logits at
            one step; for tokens see `embedded`.
        x: the input.
        units: which of the K results; all where left out, one backward pass each.
        batch_first: whether x is ``(B, T, I)``.

    Raises:
        ValueError: the results are no ``(B, K)``, or do not depend on x.
        IndexError: there is no such result.

    Example:
        >>> layer, x = torch.nn.LSTM(3, 5), torch.randn(7, 2, 3)
        >>> connectivity(lambda x: layer(x)[0][-1], x).values.shape
        torch.Size([7, 2, 5])
    """
    x = x.detach().requires_grad_()
    B = x.shape[0 if batch_first else 1]
    # cuDNN's recurrent layers differentiate in training mode alone; torch's own do in both
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=not x.is_cuda):
        found = results(x)
        if found.dim() != 2 or found.shape[0] != B:
            raise ValueError(
                f"the results have shape {tuple(found.shape)}; (B, K) with B = {B} is needed."
            )
        if not found.requires_grad:
            raise ValueError("the results do not depend on the input: they have no gradient.")
        chosen = tuple(range(found.shape[1])) if units is None else tuple(units)
        if any(not -found.shape[1] <= unit < found.shape[1] for unit in chosen):
            raise IndexError(f"units={list(chosen)}: there are {found.shape[1]} results, from 0.")
        gradients = [
            torch.autograd.grad(found[:, unit].sum(), x, retain_graph=True)[0] for unit in chosen
        ]
    norms = torch.stack([gradient.norm(dim=-1) for gradient in gradients], -1)
    return Connectivity(norms.transpose(0, 1) if batch_first else norms, chosen)
