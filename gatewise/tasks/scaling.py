"""Scaling of a window, so that one network serves series of every level and size."""

from typing import NamedTuple

import torch

SCALINGS = ("window", "series", "standard", "mean", "none")
SMALLEST = 1e-4  # of the series' own standard deviation; less is rounding, not variation


class Scale(NamedTuple):
    """What was taken out of windows, and is put back into their forecasts.

    Attributes:
        centre: `(B,)`, subtracted.
        spread: `(B,)`, divided by, above zero.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """Scale values, `(B, ...)`."""
        return (values - self._wide(self.centre, values)) / self._wide(self.spread, values)

    def undo(self, values: torch.Tensor) -> torch.Tensor:
        """Return scaled values, `(B, ...)`, to their units."""
        return values * self._wide(self.spread, values) + self._wide(self.centre, values)

    @staticmethod
    def _wide(number: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return number.reshape(-1, *(1,) * (like.dim() - 1))


def measure_scale(kind: str, past: torch.Tensor, missing: torch.Tensor) -> Scale:
    """Measure the scale of windows from their past alone.

    Args:
        kind: One of `SCALINGS`: `"window"` takes the last value out and divides by the standard
            deviation of the window; `"series"` takes the last value out (Lin et al. 2023, SegRNN,
            section 3.2) of series that were standardised whole; `"standard"` takes out mean and
            standard deviation of the window (Kim et al. 2022, RevIN, without its weights);
            `"mean"` divides by the mean absolute value (Salinas et al. 2020, DeepAR, section 3.3);
            `"none"` leaves values alone.
        past: `(B, L)`, the look-back; finite everywhere.
        missing: `(B, L)`, 1 where `past` is filled in, else 0.

    Returns:
        The scale; its spread is 1 where a window does not vary.

    Raises:
        ValueError: No scaling is called so.

    Example:
        >>> past = torch.tensor([[2.0, 4.0, 6.0]])
        >>> scale = measure_scale("mean", past, torch.zeros(1, 3))
        >>> scale.apply(past), scale.undo(scale.apply(past))
        (tensor([[0.5000, 1.0000, 1.5000]]), tensor([[2., 4., 6.]]))
    """
    if kind not in SCALINGS:
        raise ValueError(f"scaling: {kind!r} is none of {', '.join(SCALINGS)}")
    last = past[:, -1]
    zero, one = torch.zeros_like(last), torch.ones_like(last)
    if kind in ("none", "series"):
        return Scale(last if kind == "series" else zero, one)
    there = 1 - missing
    count = there.sum(1).clamp(min=1)
    level = (past * there).abs().sum(1) / count
    if kind == "mean":
        return Scale(zero, torch.where(level > SMALLEST, level, one))
    mean = (past * there).sum(1) / count
    deviation = (((past - mean[:, None]) * there).square().sum(1) / count).sqrt()
    spread = torch.where(deviation > SMALLEST, deviation, one)
    return Scale(last if kind == "window" else mean, spread)
