"""Which units a model needs: how its metric changes when one of them says nothing.

Δ_u = metric(unit u ablated) − metric(model), for every unit in turn, at zero or at its mean
(Lakretz et al. 2019, arXiv:1903.07435, where it found the two units of a language model
that count). A unit at its mean still says what it says on average, so that only what it tells apart
is lost: prefer it to zero, which may push a model where it has never been. Units that stand in for
each other look unneeded one by one; `AblationRanking.together` ablates many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gatewise.lens.intervene import intervene
from gatewise.lens.interventions import Clamp, ablate
from gatewise.lens.modules import recurrent_modules, tracks_of
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class AblationRanking:
    """What each unit's ablation does to a metric.

    Attributes:
        metric: of the model as it is.
        units: ``(U,)``, the units that were ablated.
        change: ``(U,)``, metric with the unit ablated, minus `metric`.
    """

    metric: float
    units: Tensor
    change: Tensor
    _measure: Callable[[Sequence[int]], float] = field(repr=False)

    def ranking(self) -> Tensor:
        """The units by the size of their change, the largest first."""
        return self.units[self.change.abs().argsort(descending=True, stable=True)]

    def together(self, units: Sequence[int]) -> float:
        """The metric with several units ablated at once, minus that of the model."""
        return self._measure(units) - self.metric

    def table(self, count: int = 10) -> str:
        """The units that matter most, one a line."""
        order = self.change.abs().argsort(descending=True, stable=True)[:count].tolist()
        rows = [[int(self.units[k]), float(self.change[k])] for k in order]
        return format_table(["unit", "change of the metric"], rows)

    def __str__(self) -> str:
        return f"metric {self.metric:.4g}\n{self.table()}"


def rank_units(
    model: nn.Module,
    metric: Callable[[], float | Tensor],
    module: str = "",
    units: Sequence[int] | None = None,
    mode: str = "mean",
    *,
    mean: Tensor | None = None,
    value: str | None = None,
    layer: int | None = None,
    direction: str | None = None,
) -> AblationRanking:
    """Ablate units of a recurrent layer one by one and measure the model each time.

    Args:
        model: any module with layers of Gatewise or of torch; it is left as it is.
        metric: runs the model and returns a number, such as accuracy or loss on held-out data; the
            same each time it is called. Called once, and once more for every unit.
        module: the layer's path within the model; empty for the model itself.
        units: which units; all where left out.
        mode: ``"mean"`` or ``"zero"``.
        mean: ``(H,)``, the units' means over a data set; where left out, the mean of each call.
        value: what is ablated; the cell's output (``h``) where left out. A unit's cell state
            ``"c"`` takes its memory away, ``"h"`` what it says.
        layer: which layer of a stack; None for the units of that number in every one.
        direction: ``"forward"`` or ``"reverse"``; None for both.

    Raises:
        ValueError: there is no such layer, value, unit or mode; the message says what there is.

    Example:
        >>> import gatewise as gw
        >>> layer, x = gw.GRU(3, 5), torch.randn(7, 2, 3)
        >>> found = rank_units(layer, lambda: layer(x)[0][-1, :, 2].sum(), mode="zero")
        >>> found.ranking()[0]
        tensor(2)
    """

    def change(units: Sequence[int] | None) -> Clamp:
        means = mean if mean is None or units is None else mean[list(units)]
        return ablate(
            module, units, mode, value=value, mean=means, layer=layer, direction=direction
        )

    with intervene(model, change(units)):  # which says what is wrong with the names, if anything is
        pass
    chosen = list(range(_unit_count(model, module, value)) if units is None else units)

    @torch.no_grad()
    def measure(ablated: Sequence[int]) -> float:
        with intervene(model, change(list(ablated))):
            return float(metric())

    # by way of an ablation at no step: run in another way, it would differ by rounding
    nothing = ablate(module, mode="zero", value=value, steps=[], layer=layer, direction=direction)
    with torch.no_grad(), intervene(model, nothing):
        before = float(metric())
    changes = [measure([unit]) - before for unit in chosen]
    return AblationRanking(before, torch.tensor(chosen), torch.tensor(changes), measure)


def _unit_count(model: nn.Module, module: str, value: str | None) -> int:
    """How many units what is ablated has, in the layer with the fewest."""
    tracks = [track for row in tracks_of(recurrent_modules(model)[module]) for track in row]
    return min(Clamp(module, value or "").size(track.recurrence) for track in tracks)
