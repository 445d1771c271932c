"""How often each unit of a gate stands at one of its ends.

Karpathy, Johnson & Fei-Fei (2015), arXiv:1506.02078, section 4: a unit is
*left-saturated* at a step where its gate is below 0.1, *right-saturated* where it is above 0.9;
drawn against each other, the two shares of steps show what a gate does. A forget gate that is
right-saturated at every step is a perfect integrator; one that is left-saturated forgets all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.recorded import counted_steps
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Saturation:
    """Shares of steps at which the units of a gate stand at an end.

    Attributes:
        low: ``(H,)``, share of steps at the lower end, 0 to 1.
        high: ``(H,)``, share of steps at the upper end.
    """

    low: Tensor
    high: Tensor

    def stuck(self, share: float = 0.99) -> Tensor:
        """Units that stand at one and the same end at nearly every step, as numbers."""
        return torch.nonzero((self.low >= share) | (self.high >= share)).flatten()

    def table(self, count: int = 10) -> str:
        """The most saturated units, one a line."""
        order = (self.low + self.high).argsort(descending=True, stable=True)[:count]
        rows = [[int(u), float(self.low[u]), float(self.high[u])] for u in order]
        return format_table(["unit", "at its low end", "at its high end"], rows)

    def __str__(self) -> str:
        return (
            f"{len(self.low)} units: at the low end {float(self.low.mean()):.0%} of the time, at "
            f"the high end {float(self.high.mean()):.0%}; {len(self.stuck())} always at one end"
        )


def saturation(
    values: Tensor,
    bounds: tuple[float, float] = (0.0, 1.0),
    margin: float = 0.1,
    alive: Tensor | None = None,
) -> Saturation:
    """Count how often each unit of a gate is saturated.

    Args:
        values: ``(..., H)`` the gate after its activation, ``(T, B, H)`` of a trace, any order.
        bounds: the least and the greatest value: ``(0, 1)`` for a sigmoid, ``(-1, 1)`` for a tanh.
        margin: which share of the way from one bound to the other counts as its end.
        alive: bool, the shape of `values` without its last dimension: steps that count; where left
            out, those without NaN, which a trace shows past the end of a sequence.

    Raises:
        ValueError: a value lies outside the bounds, or no step counts.

    Example:
        >>> gate = torch.tensor([[0.05, 0.5], [0.95, 0.5]])
        >>> found = saturation(gate)
        >>> found.low.tolist(), found.high.tolist()
        ([0.5, 0.0], [0.5, 0.0])
    """
    low, high = bounds
    rows = values.detach()[counted_steps(values, alive)]
    if not len(rows):
        raise ValueError("saturation: there is no step to look at.")
    if bool(((rows < low) | (rows > high)).any()):
        raise ValueError(
            f"saturation: values from {float(rows.min()):.3g} to {float(rows.max()):.3g} leave the "
            f"bounds {bounds}; give the gate after its activation, and bounds=(-1, 1) for a tanh."
        )
    reach = margin * (high - low)
    return Saturation(
        (rows < low + reach).to(values.dtype).mean(0),
        (rows > high - reach).to(values.dtype).mean(0),
    )
