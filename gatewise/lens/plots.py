"""Pictures of what the lens measures. Each function draws into axes that it is given.

``t.plot.gates()`` and the like draw into new axes where none are given, and return the axes. No
function changes a global style; colours are told apart by colour-blind people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gatewise.lens.record import Record

SERIES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind people tell apart (Okabe & Ito 2008), one for each thing compared."""


class Plots:
    """The pictures of one record: ``t.plot`` and ``t["lstm"].plot``.

    Everywhere, `sequence` is which sequence of the batch is shown, `labels` what stood at each
    step, such as its words, and `ax` where to draw: one `matplotlib` Axes, or as many as there are
    pictures; new ones where it is left out.

    Args:
        record: one layer, direction and call of a trace.

    Example:
        >>> import torch, gatewise as gw
        >>> layer = gw.LSTM(3, 5)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(7, 2, 3))
        >>> [ax.get_title() for ax in t.plot.gates()]
        ['i', 'f', 'g', 'o']
    """

    def __init__(self, record: Record):
        self.record = record

    def gates(
        self,
        names: Sequence[str] | None = None,
        sequence: int = 0,
        labels: Sequence[str] | None = None,
        order: str | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> list[Axes]:
        """Units over time, a heat map for each gate.

        Gates between 0 and 1 have a scale from shut, dark, to open, light; others one around 0.

        Args:
            names: which gates; all where left out.
            sequence: which sequence of the batch.
            labels: what stood at each step.
            order: of the units: ``"mean"``, ``"timescale"`` or ``"similarity"``; by number where
                left out.
            ax: as many axes as names.
        """
        from gatewise.lens.heat_maps import draw_values

        return draw_values(self.record, names or self.record.gates, sequence, labels, order, ax)

    def states(
        self,
        names: Sequence[str] | None = None,
        sequence: int = 0,
        labels: Sequence[str] | None = None,
        order: str | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> list[Axes]:
        """Units over time, a heat map for each state, on a scale around 0.

        Args:
            names: which states, or any values; the cell's states where left out.
            sequence: which sequence of the batch.
            labels: what stood at each step.
            order: of the units, as in `gates`.
            ax: as many axes as names.
        """
        from gatewise.lens.heat_maps import draw_values

        own = [name for name in self.record.states if name in self.record.names]
        return draw_values(self.record, names or own, sequence, labels, order, ax)

    def ledger(
        self,
        state: str | None = None,
        step: int | None = None,
        sequence: int = 0,
        labels: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """When the present value of an additive state was written, and what survived.

        Bars are the share of each step's entry in the state at `step`; the line is the share of
        what a step wrote that is left.

        Args:
            state: an additive state; ``c`` where left out.
            step: which step's state is accounted for; the one that ran last where left out.
            sequence: which sequence of the batch.
            labels: what stood at each step.
            ax: where to draw.

        Raises:
            EquationError: the state is not additive, so that there is no ledger.
        """
        from gatewise.lens.charts import draw_ledger

        return draw_ledger(self.record, state, step, sequence, labels, ax)

    def gradient_by_lag(
        self,
        names: Sequence[str] | None = None,
        sequence: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """How much of the gradient of the loss reaches back, on a logarithmic axis.

        Needs ``gw.trace(model, grads=True)``, a loss that reads the last step, and ``backward()``.

        Args:
            names: values whose gradient was traced; all where left out.
            sequence: one of the batch; the mean over the batch where left out.
            ax: where to draw.
        """
        from gatewise.lens.charts import draw_gradient_by_lag

        return draw_gradient_by_lag(self.record, names, sequence, ax)

    def saturation(self, names: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """How often each unit of a gate is shut and how often open (Karpathy et al. 2015).

        Args:
            names: gates between 0 and 1; all such where left out.
            ax: where to draw.
        """
        from gatewise.lens.charts import draw_saturation

        return draw_saturation(self.record, names, ax)

    def trajectory(
        self,
        state: str | None = None,
        sequences: Sequence[int] = (0,),
        labels: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """The path of a state in the two directions that vary most.

        Args:
            state: which; the first where left out.
            sequences: which sequences of the batch.
            labels: what stood at each step, written along the first path.
            ax: where to draw.
        """
        from gatewise.lens.charts import draw_trajectory

        return draw_trajectory(self.record, state, sequences, labels, ax)

    def unrolled(
        self,
        steps: slice | None = None,
        sequence: int = 0,
        labels: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """The cell once for each step, with its gates' means, and what it hands on.

        Args:
            steps: which; the first 12 where left out.
            sequence: which sequence of the batch.
            labels: what stood at each step.
            ax: where to draw.
        """
        from gatewise.lens.unrolled import draw_unrolled

        return draw_unrolled(self.record, steps, sequence, labels, ax)


def new_axes(count: int, width: float, height: float, columns: int = 1) -> list[Axes]:
    """Axes of a new figure, from left to right and downwards."""
    import matplotlib.pyplot as plt

    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        squeeze=False,
        figsize=(width * columns, height * rows),
        layout="constrained",
        sharex=True,
    )
    del figure
    axes = [ax for row in grid for ax in row]
    for spare in axes[count:]:
        spare.remove()
    return axes[:count]


def plain_frame(ax: Axes) -> None:
    """Two lines instead of a box, and a faint grid behind."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#E4E4E4", linewidth=0.8)
    ax.set_axisbelow(True)


def one_sequence(series: Tensor, sequence: int) -> Tensor:
    """``(T, units)`` of one sequence of the batch, on the CPU.

    Raises:
        IndexError: there is no such sequence.
    """
    B = series.shape[1]
    if not -B <= sequence < B:
        raise IndexError(f"sequence={sequence}: there are {B}, from 0.")
    return series[:, sequence].detach().cpu().double()


def mark_steps(ax: Axes, record: Record, T: int, labels: Sequence[str] | None) -> None:
    """Ticks of the axis of time: words where there are, numbers of steps otherwise.

    Raises:
        ValueError: there are not as many labels as steps.
    """
    if labels is None:
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # there is no step 2.5
        ax.set_xlabel("step" if record.every == 1 else f"step / {record.every}")
        return
    shown = list(labels)[:: record.every]
    if len(shown) < T:
        raise ValueError(f"{len(labels)} labels for {T * record.every} steps.")
    ax.set_xticks(range(T), list(map(as_written, shown[:T])), rotation=90 if T > 8 else 0)


def as_written(word: str) -> str:
    """A word as matplotlib has to be told it: else a dollar sign begins a formula."""
    return word.replace("$", r"\$")


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
