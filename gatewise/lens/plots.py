"""Pictures of what the lens measures. Each function draws into axes that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind people tell apart (Okabe & Ito 2008), one for each thing compared."""


def plot_gradient_by_lag(ax: Axes, shares: Sequence[float], **style: Any) -> None:
    """Draw how much of a gradient reaches back, on a logarithmic axis.

    Exponential decay, the usual way of a gradient to vanish, is a straight line.

    Args:
        ax: where to draw.
        shares: at lag 0, 1, ...; zeros and NaN are left out, for they have no logarithm.
        **style: of the line, as for `Axes.plot`: color, linestyle, label, ...
    """
    points = [(lag, share) for lag, share in enumerate(shares) if share > 0]
    ax.plot([lag for lag, _ in points], [share for _, share in points], **style)
    ax.set_yscale("log")
    ax.set_xlabel("steps back from the last word, k")
    ax.set_ylabel("‖∂L/∂h‖ at step T − k, relative to k = 0")
