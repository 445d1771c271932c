"""The picture of the demonstration: accuracy by distance, and the gradient by lag."""

import io
import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gatewise.cli.demo_findings import Findings, guessing, shown
from gatewise.lens.plots import SERIES, plot_gradient_by_lag
from gatewise.tasks.sentences import KINDS

FORMATS = ("png", "svg", "pdf")
MARKERS = "osD^vP"
SOLID, DASHED, DOTTED = "solid", "dashed", "dotted"
GREY = "#555555"
LOWEST = 1e-16  # a share below this is nothing; the axis ends here at the latest


def check_picture(path: Path) -> None:
    """Raise a ValueError where no picture can be written, before any work is done."""
    if path.suffix.lstrip(".").lower() not in FORMATS:
        raise ValueError(f"--picture {path}: the name must end with .{', .'.join(FORMATS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        why = "is a folder" if path.is_dir() else f"there is no folder {path.absolute().parent}"
        raise ValueError(f"--picture {path}: {why}")


def draw_picture(findings: Findings, form: str = "png") -> bytes:
    """Draw both panels.

    Args:
        findings: what was measured.
        form: one of `FORMATS`.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_accuracy(left, findings)
    _draw_gradients(right, findings)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#E4E4E4", linewidth=0.8)
        ax.set_axisbelow(True)
    cells = [_key(shown(cell), **_look(findings, cell)) for cell in findings.cells]
    figure.legend(handles=cells, loc="outside lower center", ncols=len(cells), frameon=False)
    written = io.BytesIO()
    figure.savefig(written, format=form, dpi=160, facecolor="white")
    return written.getvalue()


def _look(findings: Findings, cell: str) -> dict[str, Any]:
    """Colour, width and marker; later cells are finer, so that both are seen where they agree."""
    k = findings.cells.index(cell)
    finer = k / max(1, len(findings.cells) - 1)
    return {
        "color": SERIES[k % len(SERIES)],
        "linewidth": 3 - 1.4 * finer,
        "marker": MARKERS[k % len(MARKERS)],
        "markersize": 10 - 5 * finer,
        "markeredgecolor": "white",
    }


def _draw_accuracy(ax: Axes, findings: Findings) -> None:
    distances = findings.distances
    for kind, line in zip(KINDS, (SOLID, DASHED), strict=True):
        for cell in findings.cells:
            right = [100 * findings.accuracy[cell][kind, distance] for distance in distances]
            ax.plot(distances, right, linestyle=line, **_look(findings, cell))
    ax.axhline(100 * guessing(), color=GREY, linewidth=1, linestyle=DOTTED)
    place = {"textcoords": "offset points", "ha": "right", "color": GREY, "fontsize": 9}
    ax.annotate("guessing", (distances[-1], 100 * guessing()), (0, 3), **place)
    ax.set(xscale="log", ylim=(0, 104), xlabel="words between the clue and the answer")
    ax.set_ylabel("right answers in new sentences, %")
    ax.set_xticks(distances, [str(distance) for distance in distances])
    ax.minorticks_off()
    texts = ("France … I speak fluent ___", "Mady, Monica … said hi to ___")
    _head(ax, "What is remembered", dict(zip(texts, (SOLID, DASHED), strict=True)))


def _draw_gradients(ax: Axes, findings: Findings) -> None:
    for shares, line in ((findings.untrained, DOTTED), (findings.trained, SOLID)):
        for cell in findings.cells:
            look = _look(findings, cell) | {"marker": None}
            plot_gradient_by_lag(ax, shares[cell], linestyle=line, **look)
    rows = (*findings.trained.values(), *findings.untrained.values())
    drawn = [share for row in rows for share in row if 0 < share < math.inf] or [1.0]
    ax.set_ylim(max(LOWEST, min(drawn) / 3), max(drawn) * 3)
    ax.set_xlim(0, findings.distances[-1])
    _head(ax, "How far the gradient reaches back", {"trained": SOLID, "untrained": DOTTED})


def _head(ax: Axes, title: str, lines: dict[str, Any]) -> None:
    """A title, and below it what the kinds of lines mean: nothing is drawn over there."""
    ax.set_title(title, loc="left", fontweight="bold", pad=28)
    keys = [_key(text, color=GREY, linewidth=1.8, linestyle=line) for text, line in lines.items()]
    ax.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.3,
        borderpad=0.2,
        ncols=len(keys),
        columnspacing=1.2,
        handlelength=2.2,
        frameon=False,
        fontsize=9,
    )


def _key(label: str, **look: Any) -> Line2D:
    return Line2D([], [], label=label, **look)
