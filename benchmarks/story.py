"""Whether accuracy, gradient and ledger of an RNN and an LSTM tell one story, seed by seed.

``python -m benchmarks.story`` trains both on "I live in Italy. ... I speak perfect", for each seed
on other sentences from other weights, and prints by distance what each of them says of the country:
the median over the seeds, and the range. ``--picture`` draws every seed. How long a gradient the
training leaves in one RNN is a matter of chance, down to the rounding of the processor; that it
leaves a far smaller one than in the LSTM is not.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import gatewise as gw
from gatewise.cli.demo_findings import power
from gatewise.lens import compare_reach, memory_ledger
from gatewise.lens.charts import MARKERS
from gatewise.lens.plots import SERIES, plain_frame
from gatewise.tasks.memory import Course, MemoryModel, Vocabulary, draw_examples
from gatewise.tasks.sentences import LANGUAGES, Sentence, vocabulary
from gatewise.training.side_by_side import Pace, train_side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = ("rnn", "lstm")
DISTANCES = (5, 20, 40, 70, 100)
SENTENCES = 200  # of each distance, to measure on
SEEDS = 5
STEPS, BATCH = 2500, 64  # those of `gatewise demo`


@dataclass(frozen=True)
class Story:
    """What was measured of both networks at one distance.

    Attributes:
        right: by cell, the share of right answers.
        gradient: by cell, ‖∂L/∂h‖ where the country was read over that at the last word, the
            median over sentences.
        survival: the share of what the LSTM wrote into c at the country that is left at the last
            word, the mean over units and sentences.
        error: by how much the ledger's entries miss c at most.
    """

    right: dict[str, float]
    gradient: dict[str, float]
    survival: float
    error: float


def tell(seed: int, steps: int = STEPS) -> dict[int, Story]:
    """Train both networks, and measure them at each distance."""
    words = Vocabulary(vocabulary())
    examples = draw_examples(DISTANCES, SENTENCES, seed)
    models = {}
    for name in CELLS:
        torch.manual_seed(seed)
        models[name] = MemoryModel(name, len(words))
    course = Course(max(DISTANCES), seed, (s for found in examples.values() for s in found))
    train_side_by_side(
        models,
        lambda share: words.batch(course.sentences(BATCH, share)),
        Pace(steps),
        lambda *_: None,
    )
    wide = {name: copy.deepcopy(model).double().eval() for name, model in models.items()}
    return {d: measure(models, wide, words, examples["language", d]) for d in DISTANCES}


def measure(
    models: dict[str, MemoryModel],
    wide: dict[str, MemoryModel],
    words: Vocabulary,
    sentences: Sequence[Sentence],
) -> Story:
    """Ask three things of the networks at one distance.

    Args:
        models: as they were trained, in float32: the ledger's own rounding is looked at.
        wide: the same in float64, in which a gradient may become small.
        words: of the models.
        sentences: of one distance.
    """
    batch, distance = words.batch(sentences), sentences[0].distance
    reach = compare_reach(
        {name: lambda m=m: m.loss(batch, reduction="sum")[0] for name, m in wide.items()},
        last=batch.last,
    )
    with gw.trace(models["lstm"]) as t, torch.no_grad():
        models["lstm"](batch)
    ledger = memory_ledger(t["recurrent"], step=batch.last)
    country, rows = batch.last - distance, torch.arange(len(sentences))
    assert all(s.words[k] in LANGUAGES for s, k in zip(sentences, country.tolist(), strict=True))
    with torch.no_grad():
        right = {name: float(m.loss(batch)[1].float().mean()) for name, m in wide.items()}
    return Story(
        right,
        {name: float(shares[distance]) for name, shares in reach.shares.items()},
        float(ledger.survival[country, rows].mean()),
        ledger.error,
    )


def table(stories: Sequence[dict[int, Story]]) -> str:
    """Rows by distance: the median over the seeds, and the least and the greatest.

    Args:
        stories: of each seed, as `tell` found them.
    """
    head = "Words between | RNN right | LSTM right | Gradient, RNN | Gradient, LSTM | Survives in c"
    lines = [f"| {head} |", "|---:|" + "---:|" * 5]
    for distance in DISTANCES:
        found = [story[distance] for story in stories]
        cells = [
            *(spread([each.right[name] for each in found], percent) for name in CELLS),
            *(spread([each.gradient[name] for each in found], power) for name in CELLS),
            spread([each.survival for each in found], percent),
        ]
        lines.append(f"| {distance} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: Sequence[float], write: Callable[[float], str]) -> str:
    """The median, and in parentheses the least and the greatest where they differ from it.

    Example:
        >>> spread([0.5, 0.75, 0.25], percent)
        '50 % (25 % to 75 %)'
    """
    median, least, most = (write(f(values)) for f in (statistics.median, min, max))
    return median if least == most else f"{median} ({least} to {most})"


def percent(share: float) -> str:
    """A share from 0 to 1 as people write it."""
    return f"{100 * share:.0f} %"


def draw(stories: Sequence[dict[int, Story]], path: Path) -> None:
    """Draw what the three say, a thin line for each seed and a thick one for their median."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(11, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    right, gradient, survival = figure.subplots(1, 3)
    for k, name in enumerate(CELLS):
        draw_seeds(right, [[s[d].right[name] for d in DISTANCES] for s in stories], k)
        draw_seeds(gradient, [[s[d].gradient[name] for d in DISTANCES] for s in stories], k)
    draw_seeds(survival, [[s[d].survival for d in DISTANCES] for s in stories], 1)
    gradient.set_yscale("log")
    titles = {
        right: "Right answers",
        gradient: "Gradient that reaches the country",
        survival: "Left in c of what was written there",
    }
    for ax, title in titles.items():
        plain_frame(ax)
        ax.set_title(title, loc="left", fontsize=11)
        ax.set_xlabel("words between the country and the answer")
        ax.set_xticks(DISTANCES)
    for ax in (right, survival):
        ax.set_ylim(0, 1.04)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.legend(loc="lower left", frameon=False)
    figure.savefig(path, dpi=110, facecolor="white")


def draw_seeds(ax: Axes, rows: Sequence[Sequence[float]], cell: int) -> None:
    """Draw a measure by distance, a row for each seed, in the colour of a cell."""
    look: dict[str, Any] = {"color": SERIES[cell], "marker": MARKERS[cell]}
    for row in rows:
        ax.plot(DISTANCES, row, color=look["color"], linewidth=0.8, alpha=0.5)
    median = [statistics.median(column) for column in zip(*rows, strict=True)]
    ax.plot(DISTANCES, median, linewidth=2.2, markersize=6, label=CELLS[cell].upper(), **look)


def main(given: list[str] | None = None) -> None:
    """Tell the story for each seed, and print and draw what they have in common."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.story")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, from 0 on")
    parser.add_argument("--steps", type=int, default=STEPS, help="batches that each network learns")
    parser.add_argument("--picture", type=Path, help="where the picture goes, a .png or .svg file")
    chosen = parser.parse_args(given)
    stories = [tell(seed, chosen.steps) for seed in range(chosen.seeds)]
    print(table(stories))
    if chosen.picture:
        draw(stories, chosen.picture)


if __name__ == "__main__":
    main()
