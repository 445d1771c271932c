"""Units over time as colours: gates, states, any value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gatewise.equations.intervention import unchanged
from gatewise.lens.plots import mark_steps, new_axes, one_sequence
from gatewise.lens.record import Record
from gatewise.lens.timescales import timescales

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

BETWEEN, AROUND = "YlOrBr", "RdBu"
"""Colours from 0 to 1, and around 0, in the explorer's order: the more of a gate the darker, above
zero blue. Both are told apart by colour-blind people (Harrower & Brewer 2003)."""
MISSING = "#DDDDDD"
ORDERS = ("mean", "timescale", "similarity")


def draw_values(
    record: Record,
    names: Sequence[str],
    sequence: int = 0,
    labels: Sequence[str] | None = None,
    order: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw a heat map for each value: units from top to bottom, time from left to right.

    Args:
        record: of a trace.
        names: values to draw.
        sequence: which sequence of the batch.
        labels: what stood at each step.
        order: of the units: one of `ORDERS`, or None for their numbers.
        ax: as many axes as names; new ones where left out.

    Raises:
        ValueError: there is nothing to draw, no such order, or another number of axes.
    """
    if not names:
        raise ValueError(f"cell {record.graph.name!r} has none of these to draw.")
    if ax is None:
        columns = 1 if len(names) == 1 else 2
        axes = new_axes(len(names), 5.5, 2.8, columns)
    else:
        axes = list(ax) if isinstance(ax, Sequence) else [ax]
    if len(axes) != len(names):
        raise ValueError(f"{len(names)} values, {', '.join(names)}, but {len(axes)} axes.")
    for each, name in zip(axes, names, strict=True):
        values = one_sequence(record.series(name), sequence)
        chosen = unit_order(record, values, order)
        _draw(each, record, name, values[:, chosen], chosen, labels)
    return axes


def _draw(
    ax: Axes,
    record: Record,
    name: str,
    values: Tensor,
    order: Tensor,
    labels: Sequence[str] | None,
) -> None:
    low, high, colours = scale_of(record, name, values)
    image = ax.imshow(
        values.T.numpy(),
        aspect="auto",
        interpolation="nearest",
        cmap=_map(colours),
        vmin=low,
        vmax=high,
    )
    ax.figure.colorbar(image, ax=ax, pad=0.01)
    ax.set_title(name)
    ax.set_ylabel("unit")
    mark_steps(ax, record, len(values), labels)
    units = record.units or range(record.size(name))
    names = [units[int(k)] for k in order]
    if len(names) <= 16:
        ax.set_yticks(range(len(names)), list(map(str, names)))
    elif names != sorted(names):
        ax.set_yticks([])  # the numbers of sorted units would be no scale
        ax.set_ylabel(f"{len(names)} units, sorted")


def scale_of(record: Record, name: str, values: Tensor) -> tuple[float, float, str]:
    """The ends of a value's scale of colours, and which colours: 0 to 1 for a sigmoid."""
    value = record.graph.values.get(name)
    activation = "" if value is None else unchanged(value).operation
    if activation == "sigmoid":
        return 0.0, 1.0, BETWEEN
    if activation == "tanh" and name in record.gates:
        return -1.0, 1.0, AROUND
    known = values[~values.isnan()].abs()
    reach = float(known.max()) if len(known) else 1.0
    return -(reach or 1.0), reach or 1.0, AROUND


def _map(name: str) -> Colormap:
    import matplotlib

    return matplotlib.colormaps[name].with_extremes(bad=MISSING)  # steps past a sequence's end


def unit_order(record: Record, values: Tensor, order: str | None) -> Tensor:
    """The order in which units are drawn.

    Args:
        record: of a trace.
        values: ``(T, units)``.
        order: ``"mean"``: the largest mean first; ``"timescale"``: the slowest first, by the cell's
            first forget gate; ``"similarity"``: units that act alike side by side; None by number.

    Raises:
        ValueError: there is no such order, or the cell has no forget gate.
    """
    if order is None:
        return torch.arange(values.shape[1])
    if order not in ORDERS:
        raise ValueError(f"order={order!r}: one of {', '.join(ORDERS)}, or None.")
    if order == "timescale":
        slow = timescales(record)[0].steps.cpu()
        slow = slow if record.units is None else slow[list(record.units)]
        if len(slow) == values.shape[1]:
            return slow.argsort(descending=True, stable=True)
        raise ValueError("order='timescale' is for values with one number for each unit of H.")
    known = values[~values.isnan().any(1)]
    if order == "mean":
        return known.mean(0).argsort(descending=True, stable=True)
    # the angle in the plane of the two main patterns over time puts like beside like
    patterns = torch.linalg.svd(known - known.mean(0), full_matrices=False)[2]
    if len(patterns) < 2:
        return patterns[0].argsort()
    return torch.atan2(patterns[1], patterns[0]).argsort()
