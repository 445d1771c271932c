"""Train a language model on text files: from the files to the model file."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gatewise.data.corpus import Corpus, prepare_corpus, split_text
from gatewise.data.streams import TrainingStreams
from gatewise.data.text import TextFile, open_text_files
from gatewise.training.checkpoint import Progress, RunError, RunFolder
from gatewise.training.fit import fit
from gatewise.training.language_training import LanguageTraining
from gatewise.training.plan import Display, Plan
from gatewise.training.text_settings import TextSettings

TOKEN_FILES = ("training.tokens", "validation.tokens")


class Run(NamedTuple):
    """What there is to show when a run begins or goes on.

    Attributes:
        files: The text.
        corpus: What became of it.
        settings: With nothing left open.
        plan: How long it lasts.
        streams: How the text is read, step by step.
        parameters: How many weights the model has.
        output: The model file.
        progress: How far earlier sessions came.
    """

    files: Sequence[TextFile]
    corpus: Corpus
    settings: TextSettings
    plan: Plan
    streams: TrainingStreams
    parameters: int
    output: Path
    progress: Progress


class TextDisplay(Display):
    """Who is told how a language model's training goes; this one keeps silent."""

    def preparing(self, stage: str, share: float) -> None:
        """The text is being made ready; `share` of this stage is done."""

    def started(self, run: Run) -> None:
        """Training begins or goes on."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""

    def validating(self) -> None:
        """See `Display.validating`."""

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""


def train_text(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] = "model.safetensors",
    settings: TextSettings | None = None,
    *,
    validation: Sequence[str | os.PathLike[str]] = (),
    encoding: str | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: TextDisplay | None = None,
) -> Progress:
    """Train a language model on text files, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments.

    Args:
        files: The text, in order.
        output: The model file to make.
        settings: See `TextSettings`; None is all its defaults.
        validation: Other files to measure on.
        encoding: Of all files; None finds it out.
        restart: Begin anew, whatever is there.
        checkpoint_seconds: A checkpoint at least so often.
        display: Who is told how it goes.

    Returns:
        How far the run came, with all validations.

    Raises:
        TextError: A text cannot be used.
        RunError: The run cannot start or go on.
        Stopped: The user stopped it; it can go on.
    """
    settings, display = settings or TextSettings(), display or TextDisplay()
    folder, output = RunFolder(Path(output)), Path(output)
    refuse_device(settings.device)
    refuse_output(output, [*files, *validation], folder, restart)
    display.preparing("reading the text", 0.0)
    texts = {
        "text": open_text_files(files, encoding),
        "validation": open_text_files(validation, encoding) if validation else [],
    }
    with folder:
        if restart:
            folder.clear(TOKEN_FILES)
        corpus = ready_corpus(texts, settings, folder, display)
        settings = settings.chosen_for(corpus)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            checkpoint = folder.read_checkpoint()
            try:
                task = LanguageTraining(settings, corpus)
            except ValueError:
                if checkpoint is None:
                    folder.remove(TOKEN_FILES)
                raise
            plan = replace(task.plan(), checkpoint_seconds=checkpoint_seconds)
            progress = Progress() if checkpoint is None else checkpoint.progress
            size = sum(weight.numel() for weight in task.model.parameters())
            display.started(
                Run(texts["text"], corpus, settings, plan, task.streams, size, output, progress)
            )
            progress = fit(task, plan, folder, output, display)
        folder.remove(TOKEN_FILES)
    return progress


def refuse_device(device: str) -> None:
    """Raise `RunError` if the machine has no such device."""
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device in there and not there[device]():
        raise RunError(f"--device {device}: this machine has none that torch can use; try cpu")


def refuse_output(
    output: Path, texts: Sequence[str | os.PathLike[str]], folder: RunFolder, restart: bool
) -> None:
    """Raise `RunError` if the model file cannot be made there."""
    if output.suffix != ".safetensors":
        raise RunError(f"{output}: a model file is called something.safetensors")
    if output.is_dir():
        raise RunError(f"{output}: is a folder; name the model file in it")
    if output.absolute() in [Path(text).absolute() for text in texts]:
        raise RunError(f"{output}: is the text to read; name another model file with -o")
    if output.exists() and not folder.exists() and not restart:
        raise RunError(
            f"{output}: exists already, and no unfinished run belongs to it; "
            "name another model file with -o, or train it anew with --restart"
        )


def ready_corpus(
    texts: dict[str, list[TextFile]],
    settings: TextSettings,
    folder: RunFolder,
    display: TextDisplay,
) -> Corpus:
    """Return the text as tokens: those of the run that is gone on with, or new ones.

    Raises:
        RunError: The unfinished run has other settings or another text.
        TextError: The text is too short.
    """
    known = folder.read_description()
    now = {"settings": settings.to_dict(), "texts": describe_texts(texts, known)}
    now = json.loads(json.dumps(now))  # as it will be read back: tuples are lists
    faults = [] if known is None else differences(known, now)
    if known is not None and not faults:
        return Corpus.from_dict(known["corpus"], folder.path)
    if folder.checkpoint_path.exists():
        raise RunError(
            f"{folder.path} holds an unfinished run, but {'; '.join(faults)}. "
            "Give the same command to go on, --restart to begin anew, or another -o"
        )
    try:
        training, validation = split_text(
            texts["text"], texts["validation"], settings.validation_fraction
        )
        corpus = prepare_corpus(
            training, validation, settings.tokenization(), folder.path, display.preparing
        )
    except BaseException:
        folder.remove(TOKEN_FILES)
        raise
    folder.write_description({**now, "corpus": corpus.to_dict()})
    return corpus


def describe_texts(
    texts: dict[str, list[TextFile]], known: dict[str, Any] | None
) -> dict[str, list[dict[str, Any]]]:
    """Return what identifies the texts, JSON-ready; unchanged files are not read again."""
    before = {} if known is None else known["texts"]
    digests = {
        (each["path"], *each["stamp"].values()): each["digest"]
        for files in before.values()
        for each in files
    }

    def describe(file: TextFile) -> dict[str, Any]:
        path, stamp = str(file.path.absolute()), file.stamp()
        digest = digests.get((path, *stamp.values())) or file.digest()
        return {"path": path, "stamp": stamp, "encoding": file.encoding, "digest": digest}

    return {name: [describe(file) for file in files] for name, files in texts.items()}


def differences(known: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say how settings and texts differ from those of the unfinished run."""
    faults = [
        f"--{name.replace('_', '-')} was {show(known['settings'].get(name))}, now {show(value)}"
        for name, value in now["settings"].items()
        if known["settings"].get(name) != value
    ]
    for name, files in now["texts"].items():
        before = known["texts"][name]
        if [identity(each) for each in before] != [identity(each) for each in files]:
            faults.append(describe_change(name, before, files))
    return faults


def identity(text: dict[str, Any]) -> tuple[str, str]:
    """Return what makes a text the same, wherever it lies."""
    return text["digest"], text["encoding"]


def describe_change(name: str, before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """Say how texts differ."""
    label = "the text" if name == "text" else "the validation text"
    was, are = [each["path"] for each in before], [each["path"] for each in now]
    if was == are:
        changed = [
            old["path"]
            for old, new in zip(before, now, strict=True)
            if identity(old) != identity(new)
        ]
        return f"{', '.join(changed)} has changed since, or is read in another encoding"
    return f"{label} was {', '.join(was) or 'a part of the text'}, now {', '.join(are) or 'a part'}"


def show(value: Any) -> str:
    """Show a setting's value."""
    if isinstance(value, dict):
        return str(value["name"])
    return "not given" if value is None else str(value)
