"""Train a translator: from pairs to the model file and its report."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.data.pairs.reader import PairRoles, Pairs, read_pairs
from gatewise.data.pairs.vocabulary import PairsVocabulary, build_vocabulary, encode_pairs
from gatewise.data.source import DataError
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.load import load
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished
from gatewise.training.translation.model import TranslationModel
from gatewise.training.translation.module import (
    PairParts,
    TranslationTraining,
    divide_pairs,
)
from gatewise.training.translation.settings import TranslationSettings

SHOWN = 8  # translations in the report


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
    run: Run[TranslationTraining]


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
    display: Display | None = None,
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
    settings, display = settings or TranslationSettings(), display or Display()
    output = Path(output)
    named = [path for each in (data, targets, validation, test) for path in paths_in(each)]
    folder = open_folder(output, settings.device, named, restart)
    display.preparing("reading the pairs", 0.0)
    pairs = read_pairs(data, targets, roles)
    others = {"validation": open_other(validation, roles), "test": open_other(test, roles)}

    def build(settings: TranslationSettings) -> TranslationTraining:
        return TranslationTraining(settings.chosen_for(parts.vocabulary, len(parts.sources)), parts)

    with folder:
        parts = ready_pairs(pairs, others, settings, folder, display)
        return train_task(
            build,
            lambda run: finish_model(run, others["test"]),
            settings,
            folder,
            output,
            display,
            name=pairs.name,
            said=parts.said,
            checkpoint_seconds=checkpoint_seconds,
        )


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
    display: Display,
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


def finish_model(run: Run[TranslationTraining], test: Pairs | None) -> Result:
    """Measure the best model with beam search, and write the report."""
    from gatewise.training.translation.report import write_translation_report

    model: TranslationModel = load(run.output)
    parts = run.task.parts
    measured = {"validation" if parts.spared else "pairs learned from": parts.validation}
    if test is not None:
        measured["test"] = test
    figures, copied = {}, {}
    examples: list[tuple[str, str, str]] = []
    for name, pairs in measured.items():
        found = model.translate(pairs.sources)
        figures[name] = model.compare(found, pairs.targets)
        plain = [model.vocabulary.prepare(text) for text in pairs.sources]
        copied[name] = model.compare(plain, pairs.targets)
        chosen = sorted({k * len(pairs) // SHOWN for k in range(SHOWN)})
        examples = [(pairs.sources[k], pairs.targets[k], found[k]) for k in chosen]
    result = Result(run.output, run.progress, figures, copied, examples, run)
    write_translation_report(result)
    return result
