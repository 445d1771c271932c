"""Look inside networks that remember: train the demonstration's RNN and LSTM, and draw both.

    python -m examples.look_inside [--out FOLDER] [--minutes 3]

Trains for about a minute on generated sentences, prints how often each network is right by the
distance of the clue, beside what its gradient by lag and the LSTM's ledger say, and writes the
pictures of docs/tracing.md.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import torch

import gatewise as gw
from gatewise.cli.demo import BATCH, STEPS, build_models
from gatewise.lens import gradient_by_lag
from gatewise.lens.ledger import memory_ledger
from gatewise.lens.table import format_table
from gatewise.tasks.memory import Course, MemoryModel, Vocabulary, draw_examples
from gatewise.tasks.sentences import Sentence, language_sentence, vocabulary
from gatewise.training.side_by_side import Pace, train_side_by_side

CELLS = ["rnn", "lstm"]
DISTANCES = (5, 10, 20, 40, 70)
SENTENCES = 100
SHOWN = 20  # words between clue and answer of the sentence that is drawn


@dataclass
class Story:
    """What was measured of one network at one distance.

    Attributes:
        right: share of right answers.
        gradient: norm of the loss's gradient by h where the clue was read, over that at the last
            step, median over sentences.
        survival: what is left of what was written into c where the clue was read; None for a cell
            without an additive state.
    """

    right: float
    gradient: float
    survival: float | None


def train(minutes: float) -> tuple[dict[str, MemoryModel], Vocabulary]:
    """The networks, trained side by side on the same sentences."""
    words = Vocabulary(vocabulary())
    models = build_models(CELLS, len(words), 64, 0)
    examples = draw_examples(DISTANCES, SENTENCES, 0)
    course = Course(100, 0, (s for sentences in examples.values() for s in sentences))
    train_side_by_side(
        models,
        lambda share: words.batch(course.sentences(BATCH, share)),
        Pace(STEPS, minutes),
        lambda *_: None,
    )
    return {name: model.eval() for name, model in models.items()}, words


def measure(model: MemoryModel, words: Vocabulary, sentences: list[Sentence]) -> Story:
    """Right answers, and what gradient and ledger say of the clue."""
    batch = words.batch(sentences)
    with gw.trace(model, grads=("h",)) as t:
        loss, right = model.loss(batch, "sum")
        loss.backward()
    record, rows = t.only, torch.arange(len(sentences))
    steps = batch.last - torch.tensor([sentence.distance for sentence in sentences])  # the clue's
    lags = gradient_by_lag(record.gradient("h"), batch.last)
    gradient = lags[batch.last - steps, rows] / lags[0]
    survival = None
    if "c" in record.states:
        ledger = memory_ledger(record, step=batch.last)
        survival = float(ledger.survival[steps, rows].mean())
    return Story(float(right.float().mean()), float(gradient.median()), survival)


def tell(models: dict[str, MemoryModel], words: Vocabulary) -> None:
    """Print what was measured, by distance."""
    examples = draw_examples(DISTANCES, SENTENCES, 0)
    rows = []
    for distance in DISTANCES:
        for name, model in models.items():
            story = measure(model, words, examples["language", distance])
            left = "" if story.survival is None else f"{story.survival:.2f}"
            rows.append([distance, name, f"{story.right:.0%}", f"{story.gradient:.1g}", left])
    print(format_table(["distance", "cell", "right", "gradient at the clue", "c left of it"], rows))


def draw(models: dict[str, MemoryModel], words: Vocabulary, folder: Path) -> None:
    """Write the pictures of one sentence."""
    sentence = language_sentence(SHOWN, random.Random(3))
    labels = list(sentence.words)
    traces = {}
    for name, model in models.items():
        with gw.trace(model, grads=True) as traces[name]:
            model.loss(words.batch([sentence]))[0].backward()
    plot = traces["lstm"].plot
    gates = plot.gates(labels=labels, order="timescale")
    figures = {
        "gates": gates[0],
        "ledger": plot.ledger(labels=labels),
        "unrolled": plot.unrolled(slice(0, 10), labels=labels),
        "trajectory": plot.trajectory(labels=labels),
    }
    for name, ax in figures.items():
        path = folder / f"trace-{name}.png"
        ax.figure.savefig(path, dpi=100, facecolor="white")
        print(path)


def main() -> None:
    """Train, tell, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("."), help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=3.0, help="train so long at most")
    options = parser.parse_args()
    mpl.use("Agg")
    models, words = train(options.minutes)
    tell(models, words)
    draw(models, words, options.out)


if __name__ == "__main__":
    main()
