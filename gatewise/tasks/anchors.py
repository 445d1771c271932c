"""Simple forecasts inside the network, which it learns the difference to."""

import torch
from torch import Tensor
from torch.nn import functional

ANCHORS = ("last", "seasonal", "adjusted", "none")


def place_anchor(kind: str, past: Tensor, horizon: int, season: int) -> Tensor:
    """Forecast windows by a rule.

    Args:
        kind: One of `ANCHORS`: `"last"` repeats the last value; `"seasonal"` the value one season
            before; `"adjusted"` the last value without its season, and adds the mean season of the
            whole look-back (Naive2, additive); `"none"` is zero.
        past: `(B, L)`, in scaled units.
        horizon: F.
        season: m; L is at least m, for `"adjusted"` twice that.

    Returns:
        `(B, F)`.

    Example:
        >>> place_anchor("seasonal", torch.tensor([[1.0, 2.0, 3.0]]), 3, 2)
        tensor([[2., 3., 2.]])
    """
    B, L = past.shape
    if kind == "none":
        return past.new_zeros(B, horizon)
    if kind == "last":
        return past[:, -1:].expand(-1, horizon)
    ahead = torch.arange(horizon, device=past.device) % season
    if kind == "seasonal":
        return past[:, L - season + ahead]
    pattern = mean_season(past, season)
    return past[:, -1:] - pattern[:, -1:] + pattern[:, ahead]


def mean_season(past: Tensor, season: int) -> Tensor:
    """Return the mean of each place in the season without the trend, the last for step L - 1.

    The trend is a centred moving average over one season, as in a classical decomposition.

    Args:
        past: `(B, L)`, at least two seasons.
        season: m.

    Returns:
        `(B, m)`, with mean zero.
    """
    L = past.shape[1]
    width = season + 1 - season % 2
    weights = past.new_ones(1, 1, width)
    if season % 2 == 0:
        weights[..., 0] = weights[..., -1] = 0.5
    trend = functional.conv1d(past[:, None], weights / season)[:, 0]
    rest = past[:, width // 2 : L - width // 2] - trend
    # whole seasons, counted back from the end of what has a trend
    count = rest.shape[1] // season
    places = rest[:, rest.shape[1] - count * season :].reshape(-1, count, season).mean(1)
    places = places - places.mean(1, keepdim=True)
    return places.roll(-(width // 2), 1) if season > 1 else places
