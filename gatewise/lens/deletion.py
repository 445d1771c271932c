"""The deletion check: does the score fall faster when the steps that count most go first?

Steps are replaced by the baseline one after the other, in the order of an attribution and in random
orders, and the score is drawn over the number of deleted steps (Samek et al. 2017,
arXiv:1509.06321; Petsiuk, Das & Saenko 2018, arXiv:1806.07421). The area between
the two curves, relative to the range that the score moves in, is what the attribution knows beyond
chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.attribution import (
    Attribution,
    Score,
    checked_baseline,
    checked_score,
    with_steps,
)
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Deletion:
    """How a score falls as steps are deleted.

    Attributes:
        deleted: ``(K,)``, how many steps are gone at each point of the curves, from 0 to T.
        curve: ``(K, B)``, the score, the steps with the highest values deleted first.
        random: ``(trials, K, B)``, the same in random orders.
        area: ``(B,)``, the mean distance of the random curves' mean above `curve`, relative to the
            difference between the highest and the lowest score of all curves; above 0 the
            attribution knows more than chance, 1 is the most there is.
        beaten: ``(B,)``, the share of random orders whose curve lies higher in the mean.
    """

    deleted: Tensor
    curve: Tensor
    random: Tensor
    area: Tensor
    beaten: Tensor

    def table(self, row: int = 0) -> str:
        """Both curves of one sequence."""
        chance = self.random.mean(0)
        rows = [
            [int(count), float(self.curve[k, row]), float(chance[k, row])]
            for k, count in enumerate(self.deleted)
        ]
        return format_table(["steps deleted", "highest first", "in random order"], rows)

    def __str__(self) -> str:
        return (
            f"area between the curves {float(self.area.mean()):.3g} of the score's range; "
            f"better than {float(self.beaten.mean()):.0%} of {len(self.random)} random orders"
        )


@torch.no_grad()
def deletion_check(
    score: Score,
    x: Tensor,
    attribution: Attribution | Tensor,
    baseline: Tensor | None = None,
    trials: int = 20,
    points: int = 20,
    batch_first: bool = False,
    seed: int = 0,
) -> Deletion:
    """Compare deleting the steps that an attribution names with deleting random ones.

    Args:
        score: from ``(T, B, I)`` to ``(B,)``; for tokens see `embedded`.
        x: the input.
        attribution: of this score and input, or a value for every step, ``(T, B)``.
        baseline: what a deleted step becomes, broadcast to x; zeros where left out.
        trials: how many random orders.
        points: at most how many points of the curve are computed beyond the first.
        batch_first: whether x is ``(B, T, I)``.
        seed: of the random orders.

    Raises:
        ValueError: input, score or attribution are of a wrong shape, or there is no trial.

    Example:
        >>> x = torch.tensor([[[1.0]], [[2.0]], [[5.0]]])
        >>> found = deletion_check(lambda x: x.sum((0, 2)), x, torch.tensor([[1.0], [2.0], [5.0]]))
        >>> found.curve.flatten().tolist()
        [8.0, 3.0, 1.0, 0.0]
    """
    values = attribution.steps if isinstance(attribution, Attribution) else attribution
    T, B = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
    if values.shape != (T, B):
        raise ValueError(
            f"the attribution is {tuple(values.shape)}, not one value a step {(T, B)}."
        )
    if trials < 1 or points < 1:
        raise ValueError(f"trials={trials}, points={points}: one of each at least.")
    checked_score(score, x, batch_first)
    baseline = checked_baseline(x, baseline)
    deleted = torch.linspace(0, T, min(points, T) + 1).round().long()

    def fall(order: Tensor) -> Tensor:
        """The curve ``(K, B)`` for steps that go in this order, ``(T, B)``."""
        rank = order.argsort(0)
        return torch.stack(
            [
                score(with_steps(x, baseline, rank < count, batch_first))
                for count in deleted.tolist()
            ]
        )

    generator = torch.Generator().manual_seed(seed)
    orders = [torch.rand(T, B, generator=generator).argsort(0).to(x.device) for _ in range(trials)]
    curve = fall(values.argsort(dim=0, descending=True, stable=True).to(x.device))
    random = torch.stack([fall(order) for order in orders])
    above = _mean_height(random, deleted) - _mean_height(curve[None], deleted)
    every = torch.cat([curve[None], random]).flatten(0, 1)
    moves = (every.amax(0) - every.amin(0)).clamp(min=torch.finfo(every.dtype).tiny)
    return Deletion(deleted, curve, random, above.mean(0) / moves, (above > 0).to(x.dtype).mean(0))


def _mean_height(curves: Tensor, deleted: Tensor) -> Tensor:
    """The area under curves ``(trials, K, B)`` by the trapezoid rule, over the width of all."""
    deleted = deleted.to(curves)
    return torch.trapezoid(curves, deleted, dim=1) / deleted[-1]
