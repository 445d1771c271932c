"""The path of a state through its space, in the few directions that vary most.

Principal components: with X the states of all steps, centred, X = U S Vᵀ, the path is X V_k, and
S_k² / Σ S² is the share of the variance it shows (Pearson 1901; for recurrent networks, Sussillo &
Barak 2013). Two dimensions that explain little show a shadow, not the path.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.recorded import counted_steps
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Trajectory:
    """States in few dimensions.

    Attributes:
        points: ``(T, B, K)``; NaN at steps that do not count.
        axes: ``(K, H)``, the directions, of length 1.
        mean: ``(H,)``, what is at the origin.
        explained: ``(K,)``, share of the variance along each.
    """

    points: Tensor
    axes: Tensor
    mean: Tensor
    explained: Tensor

    def project(self, states: Tensor) -> Tensor:
        """Other states ``(..., H)`` in the same coordinates, ``(..., K)``: such as fixed points."""
        return (states - self.mean) @ self.axes.T

    def table(self, row: int = 0) -> str:
        """The path of one sequence."""
        path = self.points[:, row].tolist()
        header = ["step", *(f"axis {k + 1}" for k in range(len(self.axes)))]
        return format_table(header, [[t, *point] for t, point in enumerate(path)])

    def __str__(self) -> str:
        shares = ", ".join(f"{float(share):.0%}" for share in self.explained)
        return f"{len(self.axes)} directions with {shares} of the variance"


def trajectory(states: Tensor, dimensions: int = 2, alive: Tensor | None = None) -> Trajectory:
    """Project states on their principal components.

    Args:
        states: ``(T, B, H)``; one recurrence's, or several joined along H.
        dimensions: K, how many components.
        alive: ``(T, B)`` bool, steps that count; where left out, those without NaN.

    Returns:
        The paths; the sign of each axis is such that its largest weight is positive.

    Raises:
        ValueError: there are fewer units or steps than dimensions.

    Example:
        >>> angle = torch.linspace(0, 6.28, 20)[:, None, None]
        >>> circle = torch.cat([angle.sin(), angle.cos(), 0 * angle], -1)
        >>> trajectory(circle).explained.sum().round(decimals=4)
        tensor(1.)
    """
    H = states.shape[-1]
    counted = counted_steps(states, alive)
    rows = states.detach()[counted]
    if not 1 <= dimensions <= min(H, len(rows)):
        raise ValueError(f"dimensions={dimensions}: {len(rows)} steps of {H} units have fewer.")
    mean = rows.mean(0)
    _, sizes, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[:dimensions]
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0).to(axes.dtype)
    variance = sizes.pow(2)
    points = (states.detach() - mean) @ axes.T
    return Trajectory(
        points.masked_fill(~counted[..., None], torch.nan),
        axes,
        mean,
        variance[:dimensions] / variance.sum().clamp(min=torch.finfo(variance.dtype).tiny),
    )
