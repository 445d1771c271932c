"""What a generator is worth: its sequences beside real ones, and how alike they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.data.made_up import is_reber
from gatewise.data.sequence_set import SequenceSet
from gatewise.tasks.likeness import (
    autocorrelation_distance,
    mean_spectrum,
    ngram_distance,
    share_new,
    spectrum_distance,
)
from gatewise.training.comparison.report import COLOURS
from gatewise.training.generator.model import GeneratorModel
from gatewise.training.load import load
from gatewise.training.picture import picture_of
from gatewise.training.report import Block, Heading, Paragraph, Picture, Table, write_report

SEED = 0  # of the sequences that are measured
FEWEST, SHOWN, LINES = 200, 6, 20
MADE, REAL = COLOURS[:2]


def report_generator(output: Path, data: SequenceSet, name: str) -> tuple[Path, Path]:
    """Measure the model in a file, and write a report beside it.

    As many sequences are drawn as were held back, at least 200. Their distance from those is
    measured beside the distance of real sequences that were learned from: no generator can be
    expected to come closer, chance aside.

    Returns:
        Where the Markdown and the HTML stand.
    """
    model: GeneratorModel = load(output)
    drawn = model.generate(max(FEWEST, len(data.held)), SEED)
    real = data.training[: len(drawn)]
    head = ("distance to sequences held back", "generated", "real")
    rows = compare_texts(drawn, real, data) if data.is_text else compare_numbers(drawn, real, data)
    said = (
        f"{len(drawn):,} sequences drawn from random inputs, seed {SEED}; {len(data.held):,} real "
        f"ones held back, {len(real):,} others beside them. The model is surprised by "
        f"{model.training['validation_nats_per_value']:.3f} nats per value of those held back."
    )
    blocks: list[Block] = [Paragraph(said), Table(head, rows)]
    if data.is_text:
        blocks += [Paragraph(describe_texts(drawn, data, name)), Heading("Some of them")]
        blocks += [Paragraph(", ".join(f"`{text}`" for text in drawn[:LINES]))]
    picture = output.with_suffix(".png").name
    title = "Real sequences beside generated ones"
    draw = draw_texts if data.is_text else draw_numbers
    blocks.append(Picture(picture, title, draw(drawn, data)))
    return write_report(output, f"Sequences from noise: {name}", blocks)


def compare_numbers(
    drawn: Sequence[Any], real: Sequence[Any], data: SequenceSet
) -> list[list[str]]:
    """Return rows of distances for every channel."""
    rows = []
    for k, channel in enumerate(data.channels):
        held, made, other = ([each[:, k] for each in part] for part in (data.held, drawn, real))
        for title, distance in (
            ("spectrum", spectrum_distance),
            ("autocorrelation", autocorrelation_distance),
        ):
            figures = [f"{distance(held, each):.3f}" for each in (made, other)]
            rows.append([f"{title}, {channel}" if len(data.channels) > 1 else title, *figures])
        levels = [f"{level_distance(held, each):.3f}" for each in (made, other)]
        rows.append([f"values, {channel}" if len(data.channels) > 1 else "values", *levels])
    return rows


def level_distance(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return how far the distributions of values lie apart, in standard deviations of the first.

    It is the Wasserstein distance.
    """
    from scipy.stats import wasserstein_distance

    first, second = np.concatenate(one), np.concatenate(other)
    return float(wasserstein_distance(first, second) / max(float(first.std()), 1e-12))


def compare_texts(drawn: Sequence[str], real: Sequence[str], data: SequenceSet) -> list[list[str]]:
    """Return rows of distances of symbols, pairs and triples."""
    return [
        [title, *(f"{ngram_distance(data.held, each, n):.3f}" for each in (drawn, real))]
        for n, title in ((1, "symbols"), (2, "pairs"), (3, "triples"))
    ]


def describe_texts(drawn: Sequence[str], data: SequenceSet, name: str) -> str:
    """Say how many are new, and how many keep the grammar if it is known."""
    new = share_new(drawn, data.training)
    said = f"{new:.1%} of the generated sequences do not stand among those learned from."
    if name == "reber":
        said += f" {np.mean([is_reber(text) for text in drawn]):.1%} of them keep the grammar."
    lengths = [np.mean([len(text) for text in part]) for part in (drawn, data.held)]
    return (
        said + f" They have {lengths[0]:.1f} symbols on average, those held back {lengths[1]:.1f}."
    )


def draw_numbers(drawn: Sequence[Any], data: SequenceSet) -> bytes:
    """Draw real sequences, generated ones, and the spectra of both, of the first channel."""
    figure, panels = new_figure(3)
    for axes, part, title, colour in (
        (panels[0], data.held, "real, held back", REAL),
        (panels[1], drawn, "generated from noise", MADE),
    ):
        for k, values in enumerate(part[:SHOWN]):
            axes.plot(values[:, 0], color=colour, alpha=1 - k / (SHOWN + 2), linewidth=1.2)
        axes.set(xlabel="step")
        axes.set_title(title, loc="left")
    low, high = np.transpose([axes.get_ylim() for axes in panels[:2]])
    for axes in panels[:2]:
        axes.set_ylim(low.min(), high.max())
    for part, label, colour, line in (
        (data.held, "real", REAL, "solid"),
        (drawn, "generated", MADE, "dashed"),
    ):
        spectrum = mean_spectrum([values[:, 0] for values in part])
        cycles = np.linspace(0, 0.5, len(spectrum))
        panels[2].plot(cycles, spectrum, linestyle=line, color=colour, label=label)
    panels[2].set(xlabel="cycles a step")
    panels[2].set_title("mean spectrum", loc="left")
    panels[2].legend(frameon=False)
    return picture_of(figure)


def draw_texts(drawn: Sequence[str], data: SequenceSet) -> bytes:
    """Draw how often each symbol comes, and how long sequences are."""
    figure, (left, right) = new_figure(2)
    characters = data.tokenizer.characters[1:]
    for k, (part, label, colour) in enumerate(
        ((data.held, "real", REAL), (drawn, "generated", MADE))
    ):
        text = "".join(part)
        shares = [text.count(character) / max(1, len(text)) for character in characters]
        left.bar(np.arange(len(characters)) + 0.4 * k - 0.2, shares, 0.4, color=colour, label=label)
        lengths = np.bincount([len(each) for each in part]) / len(part)
        look = "solid" if k == 0 else "dashed"
        right.plot(np.cumsum(lengths), linestyle=look, color=colour, label=label)
    left.set_xticks(range(len(characters)), [repr(c)[1:-1] for c in characters])
    left.set_title("share of each symbol", loc="left")
    right.set(xlabel="symbols")
    right.set_title("share of sequences at most so long", loc="left")
    left.legend(frameon=False)
    return picture_of(figure)


def new_figure(count: int) -> tuple[Any, Any]:
    """Return a figure with so many panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * count, 3.4), layout="constrained")
    panels = figure.subplots(1, count)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels
