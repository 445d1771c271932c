"""How far back gradients reach, cell beside cell, or before training beside after.

The share of the gradient at the last step that is left k steps back, ‖∂L/∂s_{T−k}‖ / ‖∂L/∂s_T‖,
inside the recurrence (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063; see `gradient_by_lag`). Its
median over sequences is compared: one sequence with a large gradient does not speak for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.gradient_by_lag import InnerGradients, gradient_by_lag, inner_gradients
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Reach:
    """The share of the gradient that reaches back.

    Attributes:
        shares: by name, ``(T,)``: at lag 0 (where it is 1), 1, ...; NaN where no sequence is as
            long, or where the gradient at the last step is zero.
    """

    shares: Mapping[str, Tensor]

    def lag(self, name: str, share: float = 0.5) -> int | None:
        """The first lag at which less than a share is left; None where more always is."""
        below = torch.nonzero(self.shares[name] < share).flatten()
        return int(below[0]) if len(below) else None

    def table(self) -> str:
        """One line per name: what is left at a few lags, and where half of it is gone."""
        T = max(map(len, self.shares.values()))
        lags = sorted({lag for lag in (1, T // 8, T // 4, T // 2, T - 1) if 0 < lag < T})
        rows = []
        for name, shares in self.shares.items():
            half = self.lag(name)
            seen = [float(shares[lag]) if lag < len(shares) else float("nan") for lag in lags]
            rows.append([name, *seen, "never" if half is None else f"{half} back"])
        return format_table(["", *(f"{lag} back" for lag in lags), "below half"], rows)

    def __str__(self) -> str:
        return self.table()


def compare_reach(
    losses: Mapping[str, Callable[[], Tensor]],
    value: str | None = None,
    last: Tensor | None = None,
    recurrence: int = -1,
) -> Reach:
    """Compare how far back the gradient of a loss at the last step reaches in several models.

    Args:
        losses: by name, what computes the loss of a model at the last step of its sequences; for
            layers of Gatewise. Convert models to float64 where gradients may vanish below 1e-38.
        value: which value's gradient, such as ``"c"``; where left out ``h``, or the first state of
            a cell that has none.
        last: ``(B,)``, the last step of each sequence; T - 1 where left out.
        recurrence: which recurrence of the model, by layer, then direction; the last one that ran
            where left out. Time runs forward in it.

    Raises:
        EquationError: a cell has no such value.
        IndexError: a model has no such recurrence.
        ValueError: no layer of Gatewise ran, or one that runs in reverse was asked for.

    Example:
        >>> import gatewise as gw
        >>> layers, x = {"rnn": gw.RNN(3, 8), "lstm": gw.LSTM(3, 8)}, torch.randn(20, 4, 3)
        >>> found = compare_reach(
        ...     {name: lambda layer=layer: layer(x)[0][-1].sum() for name, layer in layers.items()}
        ... )
        >>> {name: share.shape for name, share in found.shares.items()}
        {'rnn': torch.Size([20]), 'lstm': torch.Size([20])}
    """
    shares = {}
    for name, loss in losses.items():
        found = inner_gradients(loss, None if value is None else [value])
        if not -len(found) <= recurrence < len(found):
            raise IndexError(f"{name}: no recurrence {recurrence}; {len(found)} ran.")
        shares[name] = _median_share(found[recurrence], value, last)
    return Reach(shares)


def _median_share(inner: InnerGradients, value: str | None, last: Tensor | None) -> Tensor:
    if inner.reverse:
        raise ValueError(
            "that recurrence runs from the last step to the first: what a loss at the last step "
            "says to it does not reach back."
        )
    chosen = value or ("h" if "h" in inner.values else next(iter(inner.values)))
    norms = gradient_by_lag(inner.values[chosen], last)
    return (norms / torch.where(norms[0] > 0, norms[0], torch.nan)).nanmedian(1).values
