"""Occlusion: by how much a score falls when part of the input is covered.

F(x) − F(x with a step replaced by the baseline), Zeiler & Fergus (2014), arXiv:1311.2901, section
4.2, over time. It needs no gradient and no assumption about the model. Where two steps say the
same, covering either changes little, and both look unimportant: cover wider windows then.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gatewise.lens.attribution import (
    Attribution,
    Score,
    checked_baseline,
    checked_score,
    with_steps,
)


@torch.no_grad()
def occlusion(
    score: Score,
    x: Tensor,
    baseline: Tensor | None = None,
    width: int = 1,
    by_unit: bool = False,
    batch_first: bool = False,
) -> Attribution:
    """Cover each window of steps in turn and measure what the score loses.

    Args:
        score: from ``(T, B, I)`` to ``(B,)``; for tokens see `embedded`.
        x: the input.
        baseline: what covers, broadcast to x; zeros where left out.
        width: steps of a window; a step's value is the mean over the windows that cover it.
        by_unit: whether to cover the I numbers of a step one by one (T · I runs instead of T).
        batch_first: whether x is ``(B, T, I)``.

    Returns:
        Values ``(T, B, 1)``, or in the shape of x with `by_unit`.

    Raises:
        ValueError: input, score or width are wrong.

    Example:
        >>> x = torch.tensor([[[1.0]], [[2.0]], [[4.0]]])
        >>> occlusion(lambda x: x.sum((0, 2)), x).steps.flatten().tolist()
        [1.0, 2.0, 4.0]
    """
    found = checked_score(score, x, batch_first)
    baseline = checked_baseline(x, baseline)
    T, B = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
    if not 1 <= width <= T:
        raise ValueError(f"width={width}: between 1 and the {T} steps there are.")
    units = x.shape[-1] if by_unit else 1
    lost, covers = found.new_zeros(T, B, units), found.new_zeros(T, 1, 1)
    for begin in range(T - width + 1):
        window = torch.zeros(T, B, dtype=torch.bool, device=x.device)
        window[begin : begin + width] = True
        covers[begin : begin + width] += 1
        for unit in range(units):
            cover = baseline
            if by_unit:
                cover = x.clone()
                cover[..., unit] = baseline[..., unit]
            fall = found - score(with_steps(x, cover, window, batch_first))
            lost[begin : begin + width, :, unit] += fall
    values = lost / covers
    values = values.transpose(0, 1) if batch_first else values
    return Attribution("occlusion", values, found, score(baseline), batch_first)
