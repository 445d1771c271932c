"""The report of a translator: what was learned from what, how good it is, how it went."""

from pathlib import Path
from typing import Any

from gatewise.tasks.translation_measures import FIGURES, RATES, show_figure
from gatewise.training.checkpoint import Progress
from gatewise.training.classification.plots import new_axes
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


def write_translation_report(result: Any) -> tuple[Path, Path]:
    """Write `model.md` and `model.html` beside the model file.

    Args:
        result: What `train_translator` returns.
    """
    run, stem = result.run, result.output.stem
    names = list(result.figures)
    rows = [
        [title, *(show_figure(key, result.figures[name][key]) for name in names)]
        for key, title in FIGURES.items()
        if all(key in result.figures[name] for name in names)
    ]
    examples = [list(row) for row in result.examples]
    course = plot_course(result.progress, str(run.settings.monitor))
    values = run.settings.to_dict()
    values["cell"] = values["cell"]["name"]
    blocks: list[Block] = [
        Paragraph(describe_learning(run)),
        *(Paragraph(sentence[:1].upper() + sentence[1:] + ".") for sentence in run.said),
        Heading("How good it is"),
        Table(["", *names], rows),
        Paragraph(compare(result)),
        Paragraph(describe_measuring(result)),
        Heading(f"Some translations: {names[-1]}"),
        Table(["source", "reference", "translation"], examples),
        Heading("How it went"),
        Picture(f"{stem}.course.png", "Losses over the epochs", course),
        Heading("Use it"),
        Command(f"gatewise translate {result.output.name} FILE -o translated.txt"),
        Heading("Settings"),
        settings_table(values),
    ]
    return write_report(result.output, f"{result.output.name}: learned from {run.name}", blocks)


def describe_learning(run: Any) -> str:
    """Say what was trained on what."""
    settings, parts = run.settings, run.task.parts
    cell = settings.cell if isinstance(settings.cell, str) else settings.cell.name
    layers = "1 layer" if settings.layers == 1 else f"{settings.layers} layers"
    held = f", {len(parts.validation):,} for validation" if parts.spared else ""
    return (
        f"{cell}, {layers} of {settings.hidden} units that read both ways, and {layers} above the "
        f"attention: {run.parameters:,} weights. Pairs: {len(parts.sources):,} for training{held}. "
        f"Seed {settings.seed}."
    )


def describe_measuring(result: Any) -> str:
    """Say what the figures are."""
    import sacrebleu

    best, progress, settings = result.progress.best, result.progress, result.run.settings
    letters = "small letters" if settings.lower else "letters as they are"
    text = (
        f"The best of {len(progress.history)} validations by {settings.monitor}, after "
        f"{best.epoch:.1f} epochs; {duration(progress.seconds)} of training in all. "
        f"Translated with a beam of {settings.beam}, length penalty {settings.length_penalty:g}, "
        f"in {letters}; BLEU and chrF by sacrebleu {sacrebleu.__version__} with tokenisation "
        f"{settings.bleu_words}."
    )
    if not result.run.task.parts.spared:
        text += " These pairs were learned from: the figures say nothing about others."
    elif "test" not in result.figures:
        text += " The best was chosen by these very pairs: on others it may be a little worse."
    return text


def compare(result: Any) -> str:
    """Compare the model with leaving every source as it is; the last figures count."""
    name, figures = list(result.figures.items())[-1]
    monitor = str(result.run.settings.monitor)
    key = monitor if monitor in figures else "chrf"
    ours, copied = figures[key], result.copied[name][key]
    said = f"Leaving the sources as they are would give {FIGURES[key]} {show_figure(key, copied)}"
    better = ours < copied if key in RATES else ours > copied
    verdict = "" if better else " The model is no better than that: do not use it."
    return f"{said} on the {name} pairs.{verdict}"


def plot_course(progress: Progress, monitor: str) -> bytes:
    """Plot the losses over the epochs, and what the best is chosen by."""
    figure, axes = new_axes(7, 3.2)
    epochs = [measured.epoch for measured in progress.history]
    mark = "o" if len(epochs) < 3 else None
    for name in ("training", "validation"):
        values = [getattr(measured, name) for measured in progress.history]
        axes.plot(epochs, values, label=f"{name} loss", marker=mark)
    axes.set(xlabel="epoch", ylabel="loss (nats per token)")
    if monitor != "loss":
        right = axes.twinx()
        values = [(measured.metrics or {})[monitor] for measured in progress.history]
        right.plot(epochs, values, color="tab:green", marker=mark, label=FIGURES[monitor])
        right.set(ylabel=FIGURES[monitor])
    if progress.best is not None:
        axes.axvline(progress.best.epoch, color="0.7", linestyle=":", label="best")
    figure.legend(loc="outside lower center", ncols=4)
    return picture_of(figure)
