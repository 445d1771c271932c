"""Train a language model on text files: from the files to the model file."""

import os
from collections.abc import Sequence
from pathlib import Path

from gatewise.data.tokens.corpus import Corpus, prepare_corpus, split_text
from gatewise.data.tokens.text import TextFile, open_text_files
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished
from gatewise.training.text.module import LanguageTraining
from gatewise.training.text.settings import TextSettings

TOKEN_FILES = ("training.tokens", "validation.tokens")


def train_text(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] = "model.safetensors",
    settings: TextSettings | None = None,
    *,
    validation: Sequence[str | os.PathLike[str]] = (),
    encoding: str | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: Display | None = None,
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
    settings, display, output = settings or TextSettings(), display or Display(), Path(output)
    folder = open_folder(output, settings.device, [*files, *validation], restart, TOKEN_FILES)
    display.preparing("reading the text", 0.0)
    texts = {
        "text": open_text_files(files, encoding),
        "validation text": open_text_files(validation, encoding) if validation else [],
    }
    said = [
        f"{file.path}: read as {file.encoding}, a guess; --encoding names another"
        for file in texts["text"]
        if file.guessed
    ]

    def build(settings: TextSettings) -> LanguageTraining:
        return LanguageTraining(settings.chosen_for(corpus), corpus)

    def finish(run: Run[LanguageTraining]) -> Progress:
        from gatewise.training.text.report import report_text

        report_text(run)
        return run.progress

    with folder:
        corpus = ready_corpus(texts, settings, folder, display)
        return train_task(
            build,
            finish,
            settings,
            folder,
            output,
            display,
            name=", ".join(file.path.name for file in texts["text"]),
            said=said,
            checkpoint_seconds=checkpoint_seconds,
        )


def ready_corpus(
    texts: dict[str, list[TextFile]],
    settings: TextSettings,
    folder: RunFolder,
    display: Display,
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
        folder.remove()
        raise
    folder.write_description({**now, "corpus": corpus.to_dict()})
    return corpus
