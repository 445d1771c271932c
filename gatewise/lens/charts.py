"""Analyses of one record as charts: ledger, gradient by lag, saturation, trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gatewise.equations.intervention import unchanged
from gatewise.lens.gradient_by_lag import gradient_by_lag
from gatewise.lens.ledger import memory_ledger
from gatewise.lens.plots import (
    SERIES,
    as_written,
    mark_steps,
    new_axes,
    one_sequence,
    plain_frame,
    plot_gradient_by_lag,
)
from gatewise.lens.record import Record
from gatewise.lens.saturation import saturation
from gatewise.lens.trajectory import trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ("solid", "dashed", "dotted", "dashdot")
MARKERS = "osD^vP"


def draw_ledger(
    record: Record,
    state: str | None = None,
    step: int | None = None,
    sequence: int = 0,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw when the value of an additive state was written; see `Plots.ledger`."""
    ledger = memory_ledger(record, state, step)
    ax = new_axes(1, 7.0, 3.4)[0] if ax is None else ax
    T = len(ledger.contributions)
    shares = one_sequence(ledger.shares()[..., None], sequence)[:, 0]
    survival = one_sequence(ledger.survival, sequence).mean(1)
    ax.bar(range(T), shares.numpy(), color=SERIES[1], width=0.8)
    ax.set_ylabel(f"share of {ledger.state} written here", color=SERIES[1])
    ax.set_title(f"{ledger.state} {_moment(record, step)}: when it was written")
    ax.spines["top"].set_visible(False)
    mark_steps(ax, record, T, labels)
    other, ran = ax.twinx(), survival > 0
    steps = torch.arange(T)[ran].numpy()
    other.plot(steps, survival[ran].numpy(), color=SERIES[0], marker="o", markersize=3)
    other.set_ylim(0, 1.05)
    other.set_ylabel("what is left of it", color=SERIES[0])
    other.spines["top"].set_visible(False)
    return ax


def _moment(record: Record, step: int | None) -> str:
    if step is not None:
        return f"after step {step}"
    return "at the first step, which ran last" if record.recurrence.reverse else "at the last step"


def draw_gradient_by_lag(
    record: Record,
    names: Sequence[str] | None = None,
    sequence: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far gradients reach back; see `Plots.gradient_by_lag`."""
    ax = new_axes(1, 5.5, 3.6)[0] if ax is None else ax
    last = None if record.alive is None else record.alive.sum(0) - 1
    chosen = list(record.grad) if names is None else names
    if not chosen:
        raise ValueError("no gradients were traced: gw.trace(model, grads=True) and backward().")
    for k, name in enumerate(chosen):
        norms = gradient_by_lag(record.gradient(name), last).double()
        norms = norms.nanmean(1) if sequence is None else norms[:, sequence]
        known = norms[~norms.isnan()]
        start = float(known[0]) if len(known) else 0.0
        if start == 0:
            raise ValueError(
                f"the gradient of {name!r} is 0 at the last step: gradients by lag need a loss "
                "that reads the last step."
            )
        plot_gradient_by_lag(
            ax,
            (norms / start).tolist(),
            color=SERIES[k % len(SERIES)],
            linestyle=LINES[k % len(LINES)],
            label=name,
        )
    ax.set_xlabel("steps back from the last, k")
    ax.set_ylabel("‖∂L/∂ value at T − k‖, relative to k = 0")
    plain_frame(ax)
    ax.legend(frameon=False)
    return ax


def draw_saturation(
    record: Record, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how often units are shut and open; see `Plots.saturation`."""
    graph = record.graph
    sigmoids = [n for n in record.gates if unchanged(graph.values[n]).operation == "sigmoid"]
    chosen = sigmoids if names is None else list(names)
    if not chosen:
        raise ValueError(f"cell {graph.name!r} has no gate between 0 and 1.")
    ax = new_axes(1, 4.6, 4.4)[0] if ax is None else ax
    for k, name in enumerate(chosen):
        found = saturation(record.series(name), alive=record.alive)
        ax.scatter(
            found.low.cpu().numpy(),
            found.high.cpu().numpy(),
            s=26,
            facecolor="none",
            edgecolor=SERIES[k % len(SERIES)],
            marker=MARKERS[k % len(MARKERS)],
            label=name,
        )
    ax.plot((0, 1), (1, 0), color="#999999", linewidth=0.8)  # always at one end or the other
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set_xlabel("share of steps below 0.1 (shut)")
    ax.set_ylabel("share of steps above 0.9 (open)")
    plain_frame(ax)
    ax.legend(frameon=False)
    return ax


def draw_trajectory(
    record: Record,
    state: str | None = None,
    sequences: Sequence[int] = (0,),
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the path of a state; see `Plots.trajectory`."""
    name = state or record.states[0]
    found = trajectory(record.series(name).nan_to_num(), alive=record.alive)
    ax = new_axes(1, 5.4, 4.6)[0] if ax is None else ax
    dots = None
    for k, sequence in enumerate(sequences):
        path = one_sequence(found.points, sequence)
        x, y = path.T.numpy()
        ax.plot(x, y, color="#999999", linewidth=1.0, linestyle=LINES[k % len(LINES)], zorder=1)
        marker = MARKERS[k % len(MARKERS)]
        dots = ax.scatter(x, y, c=range(len(x)), cmap="viridis", s=24, marker=marker, zorder=2)
        if k == 0 and labels is not None:
            _label_path(ax, [(a, b) for a, b in path[:, :2].tolist()], labels[:: record.every])
    if dots is not None:
        ax.figure.colorbar(dots, ax=ax, label="step", pad=0.01)
    first, second = (f"{float(share):.0%}" for share in found.explained[:2])
    ax.set_xlabel(f"first direction ({first} of the variance)")
    ax.set_ylabel(f"second direction ({second})")
    ax.set_title(f"path of {name}")
    plain_frame(ax)
    return ax


def _label_path(ax: Axes, path: Sequence[tuple[float, float]], labels: Sequence[str]) -> None:
    """Write what stood at each step beside its point, where it is far enough from the last."""
    reach = [max(column) - min(column) or 1.0 for column in zip(*path, strict=True)]
    written: list[tuple[float, float]] = []
    for point, label in zip(path, labels, strict=False):
        apart = [
            max(abs(a - b) / r for a, b, r in zip(point, other, reach, strict=True))
            for other in written
        ]
        if point[0] == point[0] and all(distance > 0.06 for distance in apart):
            ax.annotate(
                as_written(label), point, xytext=(4, 4), textcoords="offset points", fontsize=8
            )
            written.append(point)
