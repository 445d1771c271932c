"""What a model of music is worth: its surprise at pieces it never met, and a piece of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gatewise.data.music.keys import KEYS, Roll, name_of, shares_of
from gatewise.data.music.midi import write_midi
from gatewise.data.music.rolls import Music
from gatewise.data.whole_file import write_whole
from gatewise.training.checkpoint import Progress
from gatewise.training.classification.plots import new_axes, plot_course
from gatewise.training.load import load
from gatewise.training.music.model import MusicModel
from gatewise.training.picture import picture_of
from gatewise.training.report import (
    Block,
    Command,
    Heading,
    Paragraph,
    Picture,
    Table,
    duration,
    settings_table,
    write_report,
)

SEED = 0  # of the piece that is shown
SHOWN = 96  # steps
STEPS_PER_BEAT = 4  # of arrays, which do not say


def report_music(output: Path, music: Music, progress: Progress) -> tuple[Path, Path]:
    """Measure the model in a file, and write a report and a new piece (`.mid`) beside it.

    Returns:
        Where the Markdown and the HTML stand.
    """
    model: MusicModel = load(output)
    made = model.compose(SHOWN, seed=SEED)
    real = (music.test or music.validation)[0][:SHOWN]
    per_beat = music.steps_per_beat or STEPS_PER_BEAT
    write_whole(output.with_suffix(".mid"), write_midi(made, per_beat))
    stem, title = output.stem, "Keys held over time: a real piece above, one of the model's below"
    blocks: list[Block] = [
        Paragraph(describe_learning(model, music)),
        figures_table(model, music),
        Paragraph(describe_measuring(music, progress)),
        Picture(f"{stem}.roll.png", title, draw_rolls({"real": real, "composed": made})),
        Heading("How it went"),
        Picture(f"{stem}.course.png", "Losses over the epochs", plot_course(progress)),
        Heading("Use it"),
        Command(f"gatewise compose {output.name} -o new.mid"),
        Heading("Settings"),
        settings_table({"cell": model.config["cell"]["name"], **model.training["settings"]}),
    ]
    return write_report(output, f"{output.name}: learned from {music.name}", blocks)


def describe_learning(model: MusicModel, music: Music) -> str:
    """Say what was trained on what."""
    settings = model.training["settings"]
    cell, layers = model.config["cell"]["name"], settings["layers"]
    weights = sum(weight.numel() for weight in model.model.parameters())
    parts = [("learning", music.training), ("validation", music.validation), ("test", music.test)]
    counts = ", ".join(
        f"{len(pieces):,} of {sum(map(len, pieces)):,} steps for {name}"
        for name, pieces in parts
        if pieces
    )
    return (
        f"{cell}, {'1 layer' if layers == 1 else f'{layers} layers'} of {settings['hidden']} units:"
        f" {weights:,} weights. Pieces: {counts}. Seed {settings['seed']}."
    )


def figures_table(model: MusicModel, music: Music) -> Table:
    """Return the mean surprise of a step on each part that was not learned from."""
    parts = {"validation": music.validation, "test": music.test}
    measured = {name: pieces for name, pieces in parts.items() if pieces}
    constant = shares_of(music.training)
    return Table(
        ["nats per step", *measured],
        [
            ["this model", *(f"{model.score(pieces):.3f}" for pieces in measured.values())],
            [
                "each key as often as in training",
                *(f"{surprise_of(constant, pieces):.3f}" for pieces in measured.values()),
            ],
        ],
    )


def surprise_of(shares: np.ndarray, pieces: Sequence[Roll]) -> float:
    """Return the mean surprise of a step if each key were held by chance so often."""
    steps = np.concatenate([piece[1:] for piece in pieces])
    return float(-(steps * np.log(shares) + (1 - steps) * np.log1p(-shares)).sum(1).mean())


def describe_measuring(music: Music, progress: Progress) -> str:
    """Say what the figures are."""
    assert progress.best is not None
    said = (
        "The negative log-likelihood of a step, summed over the keys; the first step of a piece "
        f"does not count. The best of {len(progress.history)} validations, after "
        f"{progress.best.epoch:.1f} epochs; {duration(progress.seconds)} of training in all."
    )
    if music.test:
        return said + " The test part was measured once, with the best model."
    return said + " The best was chosen by the validation part: on others it may be a little worse."


def draw_rolls(rolls: dict[str, Roll]) -> bytes:
    """Draw pieces one above the other: steps from left to right, keys from low to high."""
    figure, axes = new_axes(8, 5)
    axes.remove()
    used = np.flatnonzero(np.concatenate(list(rolls.values())).any(0))
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, KEYS - 1)
    panels = figure.subplots(len(rolls), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, roll) in zip(panels, rolls.items(), strict=True):
        axes.imshow(roll.T, aspect="auto", origin="lower", cmap="Blues", interpolation="nearest")
        octaves = [key for key in range(3, KEYS, 12) if low <= key <= high]
        axes.set_yticks(octaves, [name_of(key) for key in octaves])
        axes.set(ylim=(low - 1.5, high + 1.5), ylabel="key")
        axes.set_title(name, loc="left")
    panels[-1].set(xlabel="step")
    return picture_of(figure)
