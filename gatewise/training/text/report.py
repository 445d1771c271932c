"""What a language model is worth: its surprise at a text it never read, and a text of its own."""

import math
from pathlib import Path

from gatewise.data.tokens.corpus import Corpus
from gatewise.tasks.language import bits_per_character, perplexity
from gatewise.training.checkpoint import Measurement
from gatewise.training.classification.plots import plot_course
from gatewise.training.load import load
from gatewise.training.plan import Run
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
from gatewise.training.text.model import TextModel
from gatewise.training.text.module import LanguageTraining

SEED = 0  # of the text that is shown
SHOWN = 400  # tokens of it


def report_text(run: Run[LanguageTraining]) -> tuple[Path, Path]:
    """Write a report beside a model file.

    Returns:
        Where the Markdown and the HTML stand.
    """
    output, corpus, progress = run.output, run.task.corpus, run.progress
    model: TextModel = load(output)
    best = progress.best
    assert best is not None
    settings = model.training["settings"] | {"cell": model.config["cell"]["name"]}
    blocks: list[Block] = [
        Paragraph(describe_learning(model, run.name, corpus)),
        Table(("on the validation text", "model", "knowing nothing"), compare(best, corpus)),
        Paragraph(
            f"The best of {len(progress.history)} validations was at step {best.step:,} (epoch "
            f"{best.epoch:.2f}); training ended behind step {progress.step:,}, after "
            f"{duration(progress.seconds)}. Gradients were clipped in "
            f"{progress.clipped_share:.0%} of the steps."
        ),
        Picture(f"{output.stem}.course.png", "Losses over the epochs", plot_course(progress)),
        Heading(f"A text of its own: {SHOWN} tokens, seed {SEED}"),
        Command(model.generate(length=SHOWN, seed=SEED)),
        Heading("Use it"),
        Command(f"gatewise generate {output.name} --length 300"),
        Heading("Settings"),
        settings_table(dict(sorted(settings.items()))),
    ]
    return write_report(output, f"{output.name}: learned from {run.name}", blocks)


def describe_learning(model: TextModel, names: str, corpus: Corpus) -> str:
    """Say what was trained on what."""
    weights = sum(weight.numel() for weight in model.model.parameters())
    sizes = model.config["model"]
    layers = "1 layer" if sizes["layers"] == 1 else f"{sizes['layers']} layers"
    return (
        f"{model.config['cell']['name']}, {layers} of {sizes['hidden']}, "
        f"{weights:,} weights; learned from {corpus.training.characters:,} characters "
        f"({corpus.training.count:,} tokens) of {names}, measured on "
        f"{corpus.validation.characters:,}, which it never learned from. It knows "
        f"{corpus.tokenizer.size:,} {corpus.tokenizer.kind}."
    )


def compare(best: Measurement, corpus: Corpus) -> list[list[str]]:
    """Return the figures of the validation text, beside those of a guess among all tokens."""
    blind = math.log(corpus.tokenizer.size)
    tokens = corpus.validation
    rows = [
        ("nats per token", f"{best.validation:.4f}", f"{blind:.4f}"),
        ("perplexity", f"{perplexity(best.validation):.2f}", f"{perplexity(blind):.2f}"),
    ]
    bits = [
        f"{bits_per_character(loss, tokens.count, tokens.characters):.3f}"
        for loss in (best.validation, blind)
    ]
    return [[*row] for row in (*rows, ("bits per character", *bits))]
