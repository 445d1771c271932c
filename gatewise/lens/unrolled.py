"""The cell once for each step: what its gates do and what it hands on, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from gatewise.equations.additive import additive_states, additive_update
from gatewise.equations.intervention import unchanged
from gatewise.lens.plots import SERIES, as_written, new_axes, one_sequence
from gatewise.lens.record import Record
from gatewise.lens.recorded import evaluate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = 12
BOX, GAP = 1.0, 0.55
FRAME, TEXT = "#555555", "#222222"


def draw_unrolled(
    record: Record,
    steps: slice | None = None,
    sequence: int = 0,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a box for each step, with a bar for the mean of each gate; see `Plots.unrolled`.

    An arrow between boxes is as wide as the share of an additive state that it hands on; for a cell
    without one all are alike. They go from right to left where the recurrence runs in reverse.
    """
    graph = record.graph
    gates = [n for n in record.gates if unchanged(graph.values[n]).operation == "sigmoid"]
    bars = gates or [record.states[0]]
    heights = {n: one_sequence(record.series(n), sequence).abs().mean(1) for n in bars}
    T = len(heights[bars[0]])
    full = 1.0 if gates else float(heights[bars[0]].nan_to_num().max()) or 1.0
    chosen = list(range(T))[steps or slice(0, STEPS)]
    if not chosen:
        raise ValueError(f"steps={steps}: there are {T}.")
    kept = _kept(record, sequence)
    ax = new_axes(1, max(4.0, 0.95 * len(chosen)), 2.4)[0] if ax is None else ax
    for place, step in enumerate(chosen):
        x = place * (BOX + GAP)
        # past the end of a sequence there is nothing
        _draw_box(ax, x, {n: float(v[step].nan_to_num()) / full for n, v in heights.items()})
        word = str(step * record.every) if labels is None else labels[step * record.every]
        word = as_written(word)
        ax.annotate(
            word, (x + BOX / 2, 0), (x + BOX / 2, -0.4), ha="center", va="top", color=TEXT,
            arrowprops={"arrowstyle": "->", "color": FRAME},
        )  # fmt: skip
        if place + 1 < len(chosen):
            source = chosen[place + 1] if not record.recurrence.reverse else step
            share = None if kept is None else float(kept[source])
            _draw_arrow(ax, x + BOX, share, record.recurrence.reverse)
    _explain(ax, bars, kept is not None, bool(gates))
    ax.set(xlim=(-GAP, len(chosen) * (BOX + GAP)), ylim=(-0.75, 1.1))
    ax.set_axis_off()
    return ax


def _kept(record: Record, sequence: int) -> Tensor | None:
    """``(T,)``: the mean share of an additive state that each step keeps of what it was handed."""
    additive = additive_states(record.graph)
    if not additive or record.every > 1:
        return None

    state = "c" if "c" in additive else additive[0]
    update = additive_update(record.graph, state)
    kept = evaluate(record, [update.kept])[0]
    T, B = record.operands.x.shape[:2]
    return one_sequence(kept.expand(T, B, kept.shape[-1]), sequence).mean(1)


def _draw_box(ax: Axes, x: float, heights: dict[str, float]) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    ax.add_patch(
        FancyBboxPatch((x, 0), BOX, 1, boxstyle="round,pad=0.02", facecolor="none", edgecolor=FRAME)
    )
    width = 0.8 * BOX / len(heights)
    for k, (name, height) in enumerate(heights.items()):
        left = x + 0.1 * BOX + k * width
        colour = SERIES[k % len(SERIES)]
        # what would be a mean of 1 stands behind, so that the bar can be read
        ax.add_patch(Rectangle((left, 0.14), 0.86 * width, 0.78, color="#EEEEEE"))
        ax.add_patch(Rectangle((left, 0.14), 0.86 * width, 0.78 * height, color=colour))
        ax.text(left + 0.43 * width, 0.02, name, ha="center", va="bottom", fontsize=7, color=TEXT)


def _draw_arrow(ax: Axes, x: float, share: float | None, reverse: bool) -> None:
    from matplotlib.patches import FancyArrow

    width = 0.05 if share is None else 0.02 + 0.26 * share
    length = GAP - 0.08
    start, way = (x + 0.04, length) if not reverse else (x + GAP - 0.04, -length)
    ax.add_patch(
        FancyArrow(
            start, 0.72, way, 0, width=width, head_width=width + 0.14, head_length=0.18,
            length_includes_head=True, color="#999999", linewidth=0,
        )
    )  # fmt: skip
    if share is not None:
        ax.text(x + GAP / 2, 0.72 - width / 2 - 0.1, f"{share:.2f}", ha="center", va="top",
                fontsize=7, color=TEXT)  # fmt: skip


def _explain(ax: Axes, bars: Sequence[str], additive: bool, gates: bool) -> None:
    mean = f"mean of {', '.join(bars)} over units, 0 to 1"
    what = mean if gates else f"mean of |{bars[0]}| over units, of its largest"
    if additive:
        what += "; arrows: share of the cell state that the next step keeps"
    ax.set_title(f"bars: {what}", fontsize=9, loc="left", color=TEXT)
