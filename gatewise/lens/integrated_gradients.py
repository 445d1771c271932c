"""Integrated gradients: each input's share of the way from a baseline's score to the input's.

(x − x') ⊙ ∫₀¹ ∂F(x' + α (x − x'))/∂x dα, Sundararajan, Taly & Yan (2017), arXiv:1703.01365,
equation 1. The values sum to F(x) − F(x') (completeness): the result tells by how much they miss
it, which is the integral's numerical error. Saliency over time is unreliable in recurrent networks
(Ismail et al. 2020, arXiv:2010.13924): see `temporal_rescaling`, and check with `deletion_check`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gatewise.lens.attribution import (
    Attribution,
    Score,
    checked_baseline,
    checked_score,
    score_gradient,
)


def integrated_gradients(
    score: Score,
    x: Tensor,
    baseline: Tensor | None = None,
    points: int = 64,
    batch_first: bool = False,
) -> Attribution:
    """Attribute a score to the numbers of its input.

    Args:
        score: from ``(T, B, I)`` to ``(B,)``; for tokens see `embedded`.
        x: the input.
        baseline: what counts as no information, broadcast to x; zeros where left out.
        points: of the integral (Gauss–Legendre: exact for polynomials of degree 2 · points).
        batch_first: whether x is ``(B, T, I)``.

    Returns:
        Values in the shape of x, with their `gap`; raise `points` where it is not small.

    Raises:
        ValueError: input or score have a wrong shape.

    Example:
        >>> layer, x = torch.nn.GRU(3, 5), torch.randn(7, 2, 3)
        >>> found = integrated_gradients(lambda x: layer(x)[0][-1].sum(-1), x)
        >>> found.values.shape, bool((found.gap.abs() < 1e-4).all())
        (torch.Size([7, 2, 3]), True)
    """
    if points < 1:
        raise ValueError(f"points={points}: one at least.")
    found = checked_score(score, x, batch_first)
    baseline = checked_baseline(x, baseline)
    with torch.no_grad():
        baseline_score = score(baseline)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    total = torch.zeros_like(x)
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        alpha = (node + 1) / 2
        total += weight / 2 * score_gradient(score, baseline + alpha * (x - baseline))
    values = (x - baseline).detach() * total
    gap = values.sum((1, 2) if batch_first else (0, 2)) - (found - baseline_score)
    return Attribution("integrated gradients", values, found, baseline_score, batch_first, gap)
