"""Train a translator: from pairs to the model file and its report."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.data.pairs import PairRoles, Pairs, read_pairs
from gatewise.data.pairs_vocabulary import PairsVocabulary, build_vocabulary, encode_pairs
from gatewise.data.source import DataError
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.load import load
from gatewise.training.plan import Display, Plan
from gatewise.training.run import (
    describe_run,
    refuse_device,
    refuse_output,
    train_task,
    unfinished,
)
from gatewise.training.translation_model import TranslationModel
from gatewise.training.translation_settings import TranslationSettings
from gatewise.training.translation_training import (
    PairParts,
    TranslationTraining,
    divide_pairs,
)

SHOWN = 8  # translations in the report


class Run(NamedTuple):
    """What there is to show when a run begins or goes on.

    Attributes:
        name: Of the pairs.
        parts: What became of them.
        settings: With nothing left open.
        plan: How long it lasts.
        batches_per_epoch: Steps of an epoch.
        parameters: How many weights the model has.
        output: The model file.
        progress: How far earlier sessions came.
    """

    name: str
    parts: PairParts
    settings: TranslationSettings
    plan: Plan
    batches_per_epoch: int
    parameters: int
    output: Path
    progress: Progress


class Result(NamedTuple):
    """What came out.

    Attributes:
        output: The model file; the best model by validation.
        progress: How far the run came, with all validations.
        figures: By `"validation"` (or `"pairs learned from"` where none could be spared) and, if
            there was one, `"test"`: see `measure_translations`.
        copied: The same where sources are left as they are.
        examples: Source, reference and translation of a few pairs of the last of those.
        run: What was trained on what.
    """

    output: Path
    progress: Progress
    figures: Mapping[str, dict[str, float]]
    copied: Mapping[str, dict[str, float]]
    examples: list[tuple[str, str, str]]
    run: Run


class TranslationDisplay(Display):
    """Who is told how a translator's training goes; this one keeps silent."""

    def preparing(self, stage: str, share: float) -> None:
        """The pairs are being made ready; `share` is done."""

    def started(self, run: Run) -> None:
        """Training begins or goes on."""

    def measuring(self) -> None:
        """Training is over; the best model is measured."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""

    def validating(self) -> None:
        """See `Display.validating`."""

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""


def train_translator(
    data: Any,
    targets: Any = None,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: TranslationSettings | None = None,
    *,
    roles: PairRoles | None = None,
    validation: Any = None,
    test: Any = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: TranslationDisplay | None = None,
) -> Result:
    """Train a translator on pairs of texts, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments. At the end a report stands beside it,
    `model.md` and `model.html`.

    Args:
        data: Pairs, see `read_pairs`; they are held in memory.
        targets: A file with the translation of each line of `data`.
        output: The model file to make.
        settings: See `TranslationSettings`; None is all its defaults.
        roles: Which column is what; None finds it out.
        validation: Other pairs to choose the best model by, or two files; None holds some back.
        test: Pairs, or two files, to measure that model on, once.
        restart: Begin anew, whatever is there.
        checkpoint_seconds: A checkpoint at least so often.
        display: Who is told how it goes.

    Returns:
        What came out.

    Raises:
        DataError: The pairs cannot be used.
        RunError: The run cannot start or go on.
        Stopped: The user stopped it; it can go on.
    """
    settings, display = settings or TranslationSettings(), display or TranslationDisplay()
    folder, output = RunFolder(Path(output)), Path(output)
    refuse_device(settings.device)
    named = [path for each in (data, targets, validation, test) for path in paths_in(each)]
    refuse_output(output, named, folder, restart)
    display.preparing("reading the pairs", 0.0)
    pairs = read_pairs(data, targets, roles)
    others = {"validation": open_other(validation, roles), "test": open_other(test, roles)}
    with folder:
        if restart:
            folder.clear()
        parts = ready_pairs(pairs, others, settings, folder, display)
        running = Running(pairs.name, parts, others["test"], output, display)
        train_task(
            running.build,
            running.started,
            settings,
            folder,
            output,
            display,
            checkpoint_seconds,
            finish=running.finish,
        )
    assert running.result is not None
    return running.result


def paths_in(data: Any) -> Iterator[str | os.PathLike[str]]:
    """Yield the files that pairs are read from."""
    if isinstance(data, str | os.PathLike):
        yield data
    elif is_two_files(data):
        yield from data


def is_two_files(data: Any) -> bool:
    """Say whether something names one or two files."""
    return isinstance(data, list | tuple) and all(
        isinstance(each, str | os.PathLike) for each in data
    )


def open_other(data: Any, roles: PairRoles | None) -> Pairs | None:
    """Read validation or test pairs: None, one thing, or the names of one or two files."""
    if data is None or (is_two_files(data) and not data):
        return None
    if not is_two_files(data):
        return read_pairs(data, None, roles)
    if len(data) > 2:
        raise DataError(f"{len(data)} files where one with two columns, or two, are needed")
    return read_pairs(data[0], data[1] if len(data) == 2 else None, roles)


def ready_pairs(
    pairs: Pairs,
    others: Mapping[str, Pairs | None],
    settings: TranslationSettings,
    folder: RunFolder,
    display: TranslationDisplay,
) -> PairParts:
    """Return pairs as tokens, by the vocabulary of the run that is gone on with, or a new one.

    Raises:
        RunError: The unfinished run has other settings or other pairs.
        DataError: There are too few pairs, or all are too long.
    """
    files = {"pairs": pairs.files}
    files |= {f"{name} pairs": each.files for name, each in others.items() if each is not None}
    now = describe_run(settings.to_dict(), files, folder)
    known = unfinished(now, folder)
    try:
        learned, held, spared = divide_pairs(
            pairs, others["validation"], settings.validation_fraction, settings.seed
        )
        display.preparing("collecting the vocabulary", 0.2)
        if known is None:
            kinds = (settings.source_tokens, settings.target_tokens)
            shared = None if settings.separate is None else not settings.separate
            vocabulary = build_vocabulary(
                learned, kinds, settings.vocabulary_size, shared, settings.lower
            )
        else:
            vocabulary = PairsVocabulary.from_dict(known["vocabulary"])
        display.preparing("turning texts into tokens", 0.6)
        sources, targets, kept = encode_pairs(vocabulary, learned, settings.longest)
        if not len(kept):
            raise DataError(f"{pairs.name}: every pair is longer than --longest {settings.longest}")
    except BaseException:
        if known is None:
            folder.remove()
        raise
    folder.write_description({**now, "vocabulary": vocabulary.to_dict()})
    said = notes(pairs, learned, vocabulary, len(kept), spared, settings)
    return PairParts(vocabulary, sources, targets, held, spared, said)


def notes(
    pairs: Pairs,
    learned: Pairs,
    vocabulary: PairsVocabulary,
    kept: int,
    spared: bool,
    settings: TranslationSettings,
) -> tuple[str, ...]:
    """Say what was found out."""
    said = list(pairs.said)
    source, target = vocabulary.source, vocabulary.target
    if vocabulary.shared:
        said.append(f"both sides are read as {source.kind}: {source.size:,} tokens")
    else:
        said.append(
            f"the source is read as {source.kind} ({source.size:,} tokens), the target as "
            f"{target.kind} ({target.size:,})"
        )
    if kept < len(learned):
        longer = len(learned) - kept
        said.append(f"{longer:,} pairs of more than {settings.longest} tokens are left out")
    if not spared:
        said.append(
            f"{len(pairs)} pairs are too few to hold some back: what is measured is how well these "
            "very pairs are known, not how well others will be"
        )
    return tuple(said)


class Running:
    """A run between its parts: what `train_task` calls when a task is built, begins and ends."""

    def __init__(
        self,
        name: str,
        parts: PairParts,
        test: Pairs | None,
        output: Path,
        display: TranslationDisplay,
    ):
        self.name, self.parts, self.test = name, parts, test
        self.output, self.display = output, display
        self.run: Run | None = None
        self.result: Result | None = None

    def build(self, settings: TranslationSettings) -> tuple[TranslationTraining, Plan]:
        """Make the task and its plan."""
        chosen = settings.chosen_for(self.parts.vocabulary, len(self.parts.sources))
        task = TranslationTraining(chosen, self.parts)
        return task, task.plan()

    def started(self, task: TranslationTraining, plan: Plan, progress: Progress) -> None:
        """Tell the display."""
        size = sum(weight.numel() for weight in task.model.parameters())
        batches = task.batches_per_epoch
        self.run = Run(
            self.name, self.parts, task.settings, plan, batches, size, self.output, progress
        )
        self.display.started(self.run)

    def finish(self, task: TranslationTraining, progress: Progress) -> None:
        """Measure the best model with beam search, and write the report."""
        from gatewise.training.translation_report import write_translation_report

        assert self.run is not None
        self.display.measuring()
        model: TranslationModel = load(self.output)
        measured = {
            "validation" if self.parts.spared else "pairs learned from": self.parts.validation
        }
        if self.test is not None:
            measured["test"] = self.test
        figures, copied = {}, {}
        examples: list[tuple[str, str, str]] = []
        for name, pairs in measured.items():
            found = model.translate(pairs.sources)
            figures[name] = model.compare(found, pairs.targets)
            plain = [model.vocabulary.prepare(text) for text in pairs.sources]
            copied[name] = model.compare(plain, pairs.targets)
            chosen = sorted({k * len(pairs) // SHOWN for k in range(SHOWN)})
            examples = [(pairs.sources[k], pairs.targets[k], found[k]) for k in chosen]
        self.result = Result(self.output, progress, figures, copied, examples, self.run)
        write_translation_report(self.result)
