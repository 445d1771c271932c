"""Temporal saliency rescaling: first which steps matter, then which numbers of them.

Ismail et al. (2020), arXiv:2010.13924, algorithm 1. Saliency maps of recurrent networks mix up time
and features; so a step's relevance is how much the whole map R changes when the step is covered,

    Δ_t = Σ |R(x) − R(x without step t)|,

and a number's relevance, at steps whose Δ_t is above a threshold, how much it changes when that
number is covered. The rescaled value is the product of the two. Both are unsigned: it says where
the model looks, not what for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gatewise.lens.attribution import (
    Attribution,
    Score,
    checked_baseline,
    checked_score,
    with_steps,
)


def temporal_rescaling(
    score: Score,
    x: Tensor,
    attribute: Callable[[Score, Tensor], Attribution],
    baseline: Tensor | None = None,
    quantile: float = 0.5,
    batch_first: bool = False,
) -> Attribution:
    """Rescale another attribution by how much each step changes it.

    It calls `attribute` T times, and I times more for every step above the threshold.

    Args:
        score: from ``(T, B, I)`` to ``(B,)``; for tokens see `embedded`.
        x: the input.
        attribute: the method to rescale, such as `integrated_gradients`; called with score and x.
        baseline: what covers, broadcast to x; zeros where left out.
        quantile: steps whose relevance is not above this quantile of their sequence's count as
            nothing.
        batch_first: whether x is ``(B, T, I)``.

    Returns:
        Values in the shape of x, all ≥ 0.

    Raises:
        ValueError: input, score or quantile are wrong.

    Example:
        >>> from gatewise.lens.occlusion import occlusion
        >>> x = torch.tensor([[[1.0, 0.0]], [[0.0, 3.0]], [[0.5, 0.0]]])
        >>> def by_unit(score, x):
        ...     return occlusion(score, x, by_unit=True)
        >>> temporal_rescaling(lambda x: x.sum((0, 2)), x, by_unit).steps.flatten().tolist()
        [0.0, 9.0, 0.0]
    """
    if not 0 <= quantile < 1:
        raise ValueError(f"quantile={quantile}: at least 0 and below 1.")
    found = checked_score(score, x, batch_first)
    baseline = checked_baseline(x, baseline)
    T, B = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
    plain = attribute(score, x).values

    def change(covered: Tensor) -> Tensor:
        """``(B,)``: how much the map changes with part of the input covered."""
        dimensions = (1, 2) if batch_first else (0, 2)
        return (attribute(score, covered).values - plain).abs().sum(dimensions)

    only = torch.eye(T, dtype=torch.bool, device=x.device)[..., None].expand(T, T, B)
    times = torch.stack([change(with_steps(x, baseline, only[t], batch_first)) for t in range(T)])
    counted = times > times.quantile(quantile, dim=0)
    units = torch.zeros(T, B, x.shape[-1], dtype=times.dtype, device=x.device)
    for t in torch.nonzero(counted.any(1)).flatten().tolist():
        for unit in range(x.shape[-1]):
            cover = x.clone()
            cover[..., unit] = baseline[..., unit]
            units[t, :, unit] = change(with_steps(x, cover, only[t], batch_first))
    values = times[..., None] * units.where(counted[..., None], torch.zeros_like(units))
    with torch.no_grad():
        baseline_score = score(baseline)
    return Attribution(
        "temporal rescaling",
        values.transpose(0, 1) if batch_first else values,
        found,
        baseline_score,
        batch_first,
    )
