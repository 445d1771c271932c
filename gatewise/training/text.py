"""Train a language model on text files: from the files to the model file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gatewise.data.corpus import Corpus, prepare_corpus, split_text
from gatewise.data.streams import TrainingStreams
from gatewise.data.text import TextFile, open_text_files
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.language_training import LanguageTraining
from gatewise.training.plan import Display, Plan
from gatewise.training.run import (
    describe_run,
    refuse_device,
    refuse_output,
    train_task,
    unfinished,
)
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
    needs to go on: call this again with the same arguments. At the end a report stands beside it,
    `model.md` and `model.html`.

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
        "validation text": open_text_files(validation, encoding) if validation else [],
    }
    with folder:
        if restart:
            folder.clear(TOKEN_FILES)
        corpus = ready_corpus(texts, settings, folder, display)

        def build(settings: TextSettings) -> tuple[LanguageTraining, Plan]:
            task = LanguageTraining(settings.chosen_for(corpus), corpus)
            return task, task.plan()

        def started(task: LanguageTraining, plan: Plan, progress: Progress) -> None:
            size = sum(weight.numel() for weight in task.model.parameters())
            display.started(
                Run(
                    texts["text"],
                    corpus,
                    task.settings,
                    plan,
                    task.streams,
                    size,
                    output,
                    progress,
                )
            )

        def finish(task: LanguageTraining, progress: Progress) -> None:
            from gatewise.training.text_report import report_text

            names = ", ".join(file.path.name for file in texts["text"])
            report_text(output, names, corpus, progress)

        return train_task(
            build,
            started,
            settings,
            folder,
            output,
            display,
            checkpoint_seconds,
            TOKEN_FILES,
            finish,
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
    now = describe_run(settings.to_dict(), texts, folder)
    known = unfinished(now, folder)
    if known is not None:
        return Corpus.from_dict(known["corpus"], folder.path)
    try:
        training, validation = split_text(
            texts["text"], texts["validation text"], settings.validation_fraction
        )
        corpus = prepare_corpus(
            training, validation, settings.tokenization(), folder.path, display.preparing
        )
    except BaseException:
        folder.remove(TOKEN_FILES)
        raise
    folder.write_description({**now, "corpus": corpus.to_dict()})
    return corpus
