"""Examples made ready for training: divided, turned into numbers, and stored on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatewise.data.amount import amount
from gatewise.data.labelled.examples import Block, Examples
from gatewise.data.labelled.features import (
    Features,
    build_number_features,
    build_text_features,
    features_from_dict,
)
from gatewise.data.labelled.ragged import Ragged, RaggedWriter, Sequences
from gatewise.data.labelled.targets import Targets, build_targets, targets_from_dict
from gatewise.data.source import DataError

PARTS = ("training", "validation", "test")
FILES = tuple(
    name
    for part in PARTS
    for name in (f"{part}.inputs", f"{part}.inputs.starts.npy", f"{part}.targets.npy")
)
"""Names of the files that a dataset makes."""
FRACTION = 0.1
MOST_HELD = 5_000  # examples; more would not make a figure surer, only slower
FEWEST = 20  # examples; of fewer none can be spared for measuring


@dataclass(frozen=True)
class Preparation:
    """How examples become numbers; None is chosen from them.

    Attributes:
        target: `"classes"`, `"ordinal"` or `"regression"`.
        order: Ordinal classes from the least to the most.
        tokens: `"words"`, `"characters"` or `"bpe"`; None is characters where texts have one or two
            words, else words.
        vocabulary_size: See `build_text_features`.
        minimum_count: Words that occur less often become `<unk>`; None is 2 from 1,000 examples on.
        lower: Whether capital letters count as small ones; None is for words.
        longest: Tokens that a text is cut to.
        fraction: Share of the examples that is held back for validation; None is a tenth, at most
            5,000 examples.
        seed: What decides which.
    """

    target: str = "classes"
    order: tuple[str, ...] = ()
    tokens: str | None = None
    vocabulary_size: int | None = None
    minimum_count: int | None = None
    lower: bool | None = None
    longest: int | None = None
    fraction: float | None = None
    seed: int = 0


class Part(NamedTuple):
    """Examples that are ready.

    Attributes:
        inputs: Their sequences.
        targets: Their numbers, `(N,)` in float64.
    """

    inputs: Sequences
    targets: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """Examples ready for training.

    Attributes:
        features: How inputs became numbers.
        targets: How labels did.
        parts: The sequences of each of `PARTS` that there is.
        spared: Whether what is measured on was not learned from.
        said: What was found out, in sentences for the user.
    """

    features: Features
    targets: Targets
    parts: dict[str, Ragged]
    spared: bool
    said: tuple[str, ...]

    def open(self, part: str) -> Part:
        """Return one of `PARTS`, read through memory maps."""
        stored = self.parts[part]
        return Part(
            stored.open(), np.load(targets_path(stored.path.parent, part), allow_pickle=False)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the files' contents as JSON-ready values."""
        return {
            "features": self.features.to_dict(),
            "targets": self.targets.to_dict(),
            "parts": {name: part.to_dict() for name, part in self.parts.items()},
            "spared": self.spared,
            "said": list(self.said),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path) -> "Dataset":
        """Rebuild from `to_dict`; the files lie in `folder`."""
        return cls(
            features_from_dict(data["features"]),
            targets_from_dict(data["targets"]),
            {name: Ragged.from_dict(part, folder) for name, part in data["parts"].items()},
            data["spared"],
            tuple(data["said"]),
        )


class Outline(NamedTuple):
    """What is known of examples without their inputs; each `(N,)`."""

    labels: list[str | None]
    rows: list[int]
    groups: np.ndarray
    measured: np.ndarray


def prepare_dataset(
    training: Examples,
    validation: Examples | None,
    test: Examples | None,
    preparation: Preparation,
    folder: Path,
    report: Callable[[str, float], None] = lambda stage, share: None,
) -> Dataset:
    """Divide examples, make the vocabulary, and write everything as files.

    Vocabulary and spread come from what is learned from alone; the classes from all of it.

    Args:
        training: What to learn from, read three times.
        validation: What to measure on; None holds some of `training` back.
        test: What to measure on once, at the end.
        preparation: How.
        folder: Where the files go.
        report: Called with what is being done, and the share of it that is done.

    Raises:
        DataError: The examples cannot be used.
    """
    check_alike(training, [validation, test])
    report("reading the labels", 0.0)
    outline = read_outline(training)
    labels = [(label, training.place(row)) for label, row in zip(*outline[:2], strict=True)]
    labelled = [(label, place) for label, place in labels if label is not None]
    targets = build_targets(preparation.target, labelled, training.name, preparation.order)
    said = list(training.said)
    if len(labelled) < len(labels):
        missing = len(labels) - len(labelled)
        are = "is" if missing == 1 else "are"
        said.append(f"{amount(missing, 'example')} without a label {are} left out")
    if getattr(targets, "decimal", None):
        label, place = labelled[0]
        said.append(f"labels are numbers: {label!r} is read as {targets.encode(label, place):.15g}")
    learned, held = divide(outline, targets, preparation, validation is not None)
    spared = validation is not None or bool((learned != held).any())
    if not spared:
        said.append(
            f"{len(labelled)} examples are too few to hold some back: what is measured is how "
            "well these very examples are known, not how well others will be"
        )
    report("collecting the vocabulary" if training.kind == "text" else "measuring", 0.3)
    features = build_features(training, learned, preparation, said)
    parts = {}
    report("turning examples into numbers", 0.5)
    for name, chosen in (("training", learned), ("validation", held)):
        if name == "training" or validation is None:
            parts[name] = write_part(training, features, targets, folder, name, chosen)
    for name, examples in (("validation", validation), ("test", test)):
        if examples is not None:
            said += [f"{examples.name}: {each}" for each in examples.said if "guess" in each]
            parts[name] = write_part(examples, features, targets, folder, name, None)
    cut = getattr(features, "cut", 0)
    if cut:
        longest = getattr(features, "longest", 0)
        are = "is" if cut == 1 else "are"
        said.append(f"{amount(cut, 'text')} {are} cut to {longest} tokens; --longest takes more")
    return Dataset(features, targets, parts, spared, tuple(said))


def check_alike(training: Examples, others: Sequence[Examples | None]) -> None:
    """Raise `DataError` for examples that do not go together, or have no labels."""
    for examples in (training, *others):
        if examples is None:
            continue
        if not examples.labelled:
            raise DataError(
                f"{examples.name}: which are the labels? None were found; name them with --label, "
                f"or for plain text --label-place{what_was_found(examples)}"
            )
        if examples.kind != training.kind or len(examples.channels) != len(training.channels):
            raise DataError(
                f"{examples.name} holds {describe(examples)}, {training.name} {describe(training)}"
            )


def what_was_found(examples: Examples) -> str:
    """Return what was guessed, for the end of a message."""
    return f" ({'; '.join(examples.said)})" if examples.said else ""


def describe(examples: Examples) -> str:
    """Say what examples hold."""
    if examples.kind == "text":
        return "texts"
    return f"sequences of {len(examples.channels)} channels"


def read_outline(examples: Examples) -> Outline:
    """Read all but the inputs."""
    labels: list[str | None] = []
    rows: list[int] = []
    groups, measured = [], []
    for block in examples.blocks():
        count = len(block.inputs)
        labels += block.labels or [None] * count
        rows += block.rows
        first = len(rows) - count
        groups.append(np.arange(first, first + count) if block.groups is None else block.groups)
        measured.append(np.ones(count, bool) if block.measured is None else block.measured)
    if not labels:
        raise DataError(f"{examples.name}: has no examples")
    return Outline(labels, rows, np.concatenate(groups), np.concatenate(measured).astype(bool))


def divide(
    outline: Outline, targets: Targets, preparation: Preparation, elsewhere: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Say which examples are learned from and which are held back, `(N,)` in bool each.

    Of each class the same share is held back; of groups, whole groups are. Both are the same where
    there are too few.
    """
    usable = np.array([label is not None for label in outline.labels])
    if elsewhere:
        return usable, np.zeros_like(usable)
    candidates = np.flatnonzero(usable & outline.measured)
    if len(candidates) < FEWEST and preparation.fraction is None:
        return usable, usable
    fraction = preparation.fraction or min(FRACTION, MOST_HELD / len(candidates))
    shuffled = np.random.default_rng([preparation.seed, 1]).permutation(candidates)
    if targets.kind == "regression":
        chosen = shuffled[: max(1, round(fraction * len(shuffled)))]
    else:
        chosen = share_of_each(
            shuffled, np.array([str(outline.labels[k]) for k in shuffled]), fraction
        )
    held = np.zeros_like(usable)
    held[chosen] = True
    learned = usable & ~np.isin(outline.groups, outline.groups[held])
    if not learned.any() or not held.any():
        raise DataError(
            f"{len(candidates)} examples cannot be divided so: --validation-fraction {fraction:g}"
        )
    return learned, held


def share_of_each(shuffled: np.ndarray, names: np.ndarray, fraction: float) -> np.ndarray:
    """Return a share of the examples of each class; what rounding leaves goes to the nearest."""
    found, counts = np.unique(names, return_counts=True)
    exact = fraction * counts
    number = np.floor(exact).astype(int)
    missing = round(fraction * len(names)) - number.sum()
    number[np.argsort(number - exact, kind="stable")[: max(missing, 0)]] += 1
    own = [shuffled[names == name][:k] for name, k in zip(found, number, strict=True)]
    return np.concatenate(own)


def build_features(
    training: Examples, learned: np.ndarray, preparation: Preparation, said: list[str]
) -> Features:
    """Make features from the examples that are learned from."""
    if training.kind == "numbers":
        return build_number_features(
            chosen_inputs(training, learned), training.channels, training.name
        )
    kind = preparation.tokens
    if kind is None:
        sample = next(training.blocks()).inputs
        words = sum(len(text.split()) for text in sample) / len(sample)
        kind = "characters" if words <= 2 else "words"
        said.append(f"texts are read as {kind}; --tokens says otherwise")
    lower = kind == "words" if preparation.lower is None else preparation.lower
    return build_text_features(
        chosen_inputs(training, learned),
        kind,
        preparation.vocabulary_size,
        preparation.minimum_count or (2 if learned.sum() >= 1000 else 1),
        lower,
        preparation.longest,
    )


def chosen_inputs(examples: Examples, chosen: np.ndarray) -> Iterator[Any]:
    """Yield the inputs of some examples."""
    for block, which in chosen_blocks(examples, chosen):
        yield from compress(block.inputs, which)


def chosen_blocks(
    examples: Examples, chosen: np.ndarray | None
) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield blocks with which of their examples are chosen; None is those with a label."""
    first = 0
    for block in examples.blocks():
        last = first + len(block.inputs)
        if chosen is None:
            which = np.array([label is not None for label in block.labels or []])
        else:
            which = chosen[first:last]
        yield block, which
        first = last


def write_part(
    examples: Examples,
    features: Features,
    targets: Targets,
    folder: Path,
    name: str,
    chosen: np.ndarray | None,
) -> Ragged:
    """Write the chosen examples as files; None is all that have a label."""
    numbers: list[float] = []
    with RaggedWriter(folder / f"{name}.inputs", features.dtype, features.width) as writer:
        for block, which in chosen_blocks(examples, chosen):
            assert block.labels is not None
            whole = zip(block.inputs, block.labels, block.rows, strict=True)
            several = [
                (value, str(label), examples.place(row))
                for value, label, row in compress(whole, which)
            ]
            writer.write([features.encode(value, place) for value, _, place in several])
            numbers += [targets.encode(label, place) for _, label, place in several]
        stored = writer.close()
    if not numbers:
        raise DataError(f"{examples.name}: has no example with a label")
    np.save(targets_path(folder, name), np.array(numbers, np.float64))
    return stored


def targets_path(folder: Path, part: str) -> Path:
    """Return where the targets of a part lie."""
    return folder / f"{part}.targets.npy"
