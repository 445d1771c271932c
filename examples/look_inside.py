"""Look inside a network that remembers: train the demonstration's LSTM, and draw it.

    python -m examples.look_inside [--out FOLDER] [--minutes 3]

Trains for about a minute on generated sentences, and writes the pictures of docs/tracing.md. What
accuracy, gradient and ledger say of many sentences, `python -m benchmarks.story` measures.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import matplotlib as mpl

import gatewise as gw
from gatewise.cli.demo import BATCH, STEPS, build_models
from gatewise.tasks.memory import Course, MemoryModel, Vocabulary
from gatewise.tasks.sentences import Sentence, language_sentence, vocabulary
from gatewise.training.side_by_side import Pace, train_side_by_side

FARTHEST = 100  # words between clue and answer of the sentences that are learned from
SHOWN = 20  # of the sentence that is drawn


def train(words: Vocabulary, unseen: Sentence, minutes: float) -> MemoryModel:
    """An LSTM that has learned from other sentences than the one to be drawn."""
    models = build_models(["lstm"], len(words), 64, 0)
    course = Course(FARTHEST, 0, [unseen])
    train_side_by_side(
        models,
        lambda share: words.batch(course.sentences(BATCH, share)),
        Pace(STEPS, minutes),
        lambda *_: None,
    )
    return models["lstm"].eval()


def draw(model: MemoryModel, words: Vocabulary, sentence: Sentence, folder: Path) -> None:
    """Write the pictures of one sentence."""
    labels = list(sentence.words)
    with gw.trace(model, grads=True) as t:
        model.loss(words.batch([sentence]))[0].backward()
    gates = t.plot.gates(labels=labels, order="timescale")
    figures = {
        "gates": gates[0],
        "ledger": t.plot.ledger(labels=labels),
        "unrolled": t.plot.unrolled(slice(0, 10), labels=labels),
        "trajectory": t.plot.trajectory(labels=labels),
    }
    for name, ax in figures.items():
        path = folder / f"trace-{name}.png"
        ax.figure.savefig(path, dpi=100, facecolor="white")
        print(path)


def main() -> None:
    """Train, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("."), help="where the pictures go")
    parser.add_argument("--minutes", type=float, default=3.0, help="train so long at most")
    options = parser.parse_args()
    mpl.use("Agg")
    words = Vocabulary(vocabulary())
    sentence = language_sentence(SHOWN, random.Random(3))
    draw(train(words, sentence, options.minutes), words, sentence, options.out)


if __name__ == "__main__":
    main()
