"""The report of a classifier: what was learned from what, how good it is, how it went."""

from pathlib import Path
from typing import Any

from gatewise.tasks.measures import Findings
from gatewise.training.classification.plots import plot_confusion, plot_course, plot_reliability
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

TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "loss": "loss (nats)",
    "calibration_error": "calibration error (ECE)",
    "steps_off": "mean distance in classes",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "share of variance explained (R²)",
}
RARE = 0.8  # a class that so many examples have leaves the others rare
CONFUSED = 10  # pairs of classes that are listed


def write_classification_report(result: Any) -> tuple[Path, Path]:
    """Write `model.md` and `model.html` beside the model file.

    Args:
        result: What `train_classifier` returns.
    """
    run, stem = result.run, result.output.stem
    settings = run.settings.to_dict()
    settings["cell"] = settings["cell"]["name"]
    blocks: list[Block] = [
        Paragraph(describe_learning(run)),
        *(Paragraph(sentence[:1].upper() + sentence[1:] + ".") for sentence in run.said),
        Heading("How good it is"),
        figures_table(result.findings),
        Paragraph(compare(result)),
        Paragraph(describe_measuring(result)),
    ]
    name, findings = list(result.findings.items())[-1]
    classes = list(getattr(run.task.dataset.targets, "names", []))
    if findings.confusion is not None:
        confusion = plot_confusion(findings, classes)
        reliability = plot_reliability(findings)
        blocks += [
            Heading(f"Where it errs: {name}"),
            classes_table(findings, classes),
            Picture(f"{stem}.confusion.png", "Confusion of the classes", confusion),
            *confused_table(findings, classes),
            Heading("How sure it is"),
            Picture(f"{stem}.calibration.png", "Confidence and accuracy", reliability),
        ]
    blocks += [
        Heading("How it went"),
        Picture(f"{stem}.course.png", "Losses over the epochs", plot_course(result.progress)),
        Heading("Use it"),
        Command(f"gatewise predict {result.output.name} DATA -o predictions.csv"),
        Heading("Settings"),
        settings_table(settings),
    ]
    return write_report(result.output, f"{result.output.name}: learned from {run.name}", blocks)


def describe_learning(run: Any) -> str:
    """Say what was trained on what."""
    settings, dataset = run.settings, run.task.dataset
    cell = settings.cell if isinstance(settings.cell, str) else settings.cell.name
    way = "read from the beginning" if settings.one_way else "read both ways"
    counts = {name: len(dataset.open(name).inputs) for name in dataset.parts}
    if not dataset.spared:
        del counts["validation"]
    shares = ", ".join(f"{count:,} for {name}" for name, count in counts.items())
    layers = "1 layer" if settings.layers == 1 else f"{settings.layers} layers"
    several = f"the mean of {settings.members} networks: " if settings.members > 1 else ""
    return (
        f"{several}{cell}, {layers} of {settings.hidden} units, {way}, pooling {settings.pooling}: "
        f"{run.parameters:,} weights. Examples: {shares}. Seed {settings.seed}."
    )


def describe_measuring(result: Any) -> str:
    """Say what the figures are."""
    best, progress = result.progress.best, result.progress
    epoch = f"{best.epoch:.1f}" if best is not None else "0"
    text = (
        f"The best of {len(progress.history)} validations by {result.run.settings.monitor}, after "
        f"{epoch} epochs; {duration(progress.seconds)} of training in all."
    )
    if result.temperature != 1.0:
        text += (
            f" Its outputs are divided by {result.temperature:.2f}, found on the validation "
            "examples, so that it is as sure as it is right; their calibration error is therefore "
            "a little too good."
        )
    if not result.run.task.dataset.spared:
        text += " These examples were learned from: the figures say nothing about others."
    elif "test" not in result.findings:
        text += " The best was chosen by these very examples: on others it may be a little worse."
    return text


def compare(result: Any) -> str:
    """Compare the model with one that always says the same; the last figures count."""
    name, findings = list(result.findings.items())[-1]
    figures, classes = findings.figures, getattr(result.run.task.dataset.targets, "names", [])
    examples = f"the {name} examples" if result.run.task.dataset.spared else f"the {name}"
    useless = "The model is no better than that: do not use it."
    if findings.confusion is None:
        if figures.get("r2", 1.0) > 0:
            return f"Always saying the mean of {examples} would explain nothing (R² 0)."
        return f"Always saying the mean would be as good on {examples}. {useless}"
    counts = [sum(row) for row in findings.confusion]
    right = sum(row[k] for k, row in enumerate(findings.confusion))
    share = max(counts) / sum(counts)
    said = f"Always saying {classes[counts.index(max(counts))]!r} would be right in {share:.2%}"
    said = f"{said} of {examples}."
    balanced = result.run.settings.balance or result.run.task.dataset.targets.kind == "ordinal"
    if right > max(counts) or balanced:
        return said
    rare = " Train longer, or let rare classes count with --balance." if share > RARE else ""
    return f"{said} {useless}{rare}"


def figures_table(findings: Any) -> Table:
    """Return a row for each figure."""
    names = list(dict.fromkeys(name for each in findings.values() for name in each.figures))
    rows = [
        [TITLES[name], *(show(name, each.figures.get(name)) for each in findings.values())]
        for name in names
    ]
    return Table(["", *findings], rows)


def show(name: str, value: float | None) -> str:
    """Show a figure; shares in per cent."""
    if value is None:
        return ""
    return f"{value:.2%}" if name in ("accuracy", "macro_f1") else f"{value:.4g}"


def classes_table(findings: Findings, classes: list[str]) -> Table:
    """Return precision, recall and F1 of each class."""
    assert findings.confusion is not None
    rows = []
    for k, name in enumerate(classes):
        right, real = findings.confusion[k][k], sum(findings.confusion[k])
        taken = sum(row[k] for row in findings.confusion)
        precision = f"{right / taken:.2%}" if taken else "–"
        recall = f"{right / real:.2%}" if real else "–"
        f1 = f"{2 * right / (taken + real):.2%}" if taken + real else "–"
        rows.append([name, f"{real:,}", precision, recall, f1])
    return Table(["class", "examples", "precision", "recall", "F1"], rows)


def confused_table(findings: Findings, classes: list[str]) -> list[Block]:
    """Return the classes that are taken for each other the most often."""
    assert findings.confusion is not None
    pairs = [
        (count, classes[i], classes[j])
        for i, row in enumerate(findings.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    if not pairs or len(classes) == 2:
        return []
    rows = [[is_, for_, f"{count:,}"] for count, is_, for_ in pairs[:CONFUSED]]
    return [Table(["is", "taken for", "times"], rows)]
