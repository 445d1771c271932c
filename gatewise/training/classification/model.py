"""A trained classifier: load it, label with it, measure examples with it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gatewise.data.labelled.dataset import Dataset
from gatewise.data.labelled.example_files import read_examples, reader_of
from gatewise.data.labelled.examples import Block, Examples, Roles
from gatewise.data.labelled.features import Features, features_from_dict
from gatewise.data.labelled.lines import divide
from gatewise.data.labelled.targets import Targets, targets_from_dict
from gatewise.data.source import DataError
from gatewise.tasks.classification import Committee, NumberInput, SequenceClassifier, TokenInput
from gatewise.tasks.measures import Findings, measure_classes, measure_numbers
from gatewise.tasks.outcomes import ClassOutcome, NumberOutcome, OrdinalOutcome, Outcome
from gatewise.training.classification.settings import ClassificationSettings
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import cell_from_description, describe_cell

BATCH = 256  # sequences that are labelled at a time


class Predictions(NamedTuple):
    """What a model says of some examples.

    Attributes:
        rows: Their numbers, as the file counts.
        labels: The likeliest class of each, or the number.
        probabilities: `(N, K)` in float32; None for numbers.
        truth: The labels that stand in the data, None where there is none.
        ids: What the data call each sequence, where a table's rows are steps; else None.
    """

    rows: list[int]
    labels: list[Any]
    probabilities: np.ndarray | None
    truth: list[str | None]
    ids: list[Any] | None = None


class Classifier:
    """A trained classifier, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file.
        training: How it was trained: seed, steps, measurements.
        model: The networks, in evaluation mode.
        features: How inputs become numbers.
        targets: What its outputs mean.
        roles: Which columns it was trained on.
        temperature: What its outputs are divided by, so that it is as sure as it is right.
    """

    task = "classification"

    def __init__(self, config: dict[str, Any], training: dict[str, Any], model: Committee):
        self.config, self.training, self.model = config, training, model.eval()
        self.features: Features = features_from_dict(config["features"])
        self.targets: Targets = targets_from_dict(config["targets"])
        self.roles = roles_from_dict(config["roles"])
        self.temperature = float(config["temperature"])
        self.outcome = build_outcome(self.targets)

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "Classifier":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            config = file.config
            features, targets = features_from_dict(config["features"]), config["targets"]
            outcome = build_outcome(targets_from_dict(targets))
            cell = cell_from_description(config["cell"])
            model = assemble(features, outcome, cell, {"members": 1, **config["model"]})
            found = cls(config, file.training, model)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a classifier: {error}"
            ) from error
        alone = "members" not in config["model"]  # files from before there were members
        load_weights(model.members[0] if alone else model, file.tensors, path)
        return found

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of the probabilities; none for numbers."""
        return list(getattr(self.targets, "names", []))

    def predict(self, data: Any) -> list[Any]:
        """Return the likeliest class of each example, or the number.

        Args:
            data: A list of texts or of arrays `(T, C)`, a file, a folder, or a frame.

        Raises:
            DataError: The data cannot be read, or does not fit the model.
        """
        return [label for part in self.predictions(self.examples(data)) for label in part.labels]

    def probabilities(self, data: Any) -> np.ndarray:
        """Return the probability of each class, `(N, K)` in float32, in the order of `classes`.

        Raises:
            DataError: See `predict`.
            ValueError: The model predicts numbers.
        """
        if not self.classes:
            raise ValueError("this model predicts numbers, which have no probabilities here")
        parts = [part.probabilities for part in self.predictions(self.examples(data))]
        return np.concatenate([part for part in parts if part is not None])

    def evaluate(self, data: Any) -> Findings:
        """Measure the model on examples with labels.

        Raises:
            DataError: See `predict`; also where a label is missing or unknown.
        """
        examples = self.examples(data)
        if not examples.labelled:
            raise DataError(f"{examples.name}: has no labels to compare with; name them: label")
        outputs, targets = [], []
        for block in examples.blocks():
            kept = [k for k, label in enumerate(block.labels or ()) if label is not None]
            inputs = [block.inputs[k] for k in kept]
            places = [examples.place(block.rows[k]) for k in kept]
            outputs.append(self.outputs(inputs, places))
            labels = [str((block.labels or ())[k]) for k in kept]
            targets += [self.targets.encode(*each) for each in zip(labels, places, strict=True)]
        return self.measure(torch.cat(outputs), torch.tensor(targets, dtype=torch.float64))

    def examples(self, data: Any, **roles: Any) -> Examples:
        """Open data with the roles that the model was trained with, some of them replaced."""
        given = {name: each for name, each in roles.items() if each}
        known = replace(self.roles, **given)
        if known.label and "label" not in given and Path(known.label).is_file():
            known = replace(known, label=None)  # each array has its own file of labels
        if is_plain_text(data):  # which has no columns
            known = replace(known, input=(), label=None, id=None, time=None)
        examples = read_examples(data, known, "test")
        if "label_place" not in given and examples.roles.label_place not in (None, "none"):
            plain = read_examples(data, replace(known, label_place="none"), "test")
            if not self.finds_labels(plain, examples.roles.label_place):
                examples = plain
        kind = self.features.kind
        if examples.kind != kind:
            raise DataError(
                f"{examples.name} holds {examples.kind}, but the model was trained on {kind}"
            )
        return examples

    def finds_labels(self, lines: Examples, place: str) -> bool:
        """Say whether labels stand where they stood in training; else the whole line is a text."""
        for line in next(lines.blocks()).inputs:
            label, text = divide(line, place)
            with suppress(DataError):
                self.targets.encode(label or "", "")
                if text:
                    return True
        return False

    def predictions(self, examples: Examples) -> Iterator[Predictions]:
        """Yield what the model says of examples, block by block."""
        for block in examples.blocks():
            yield self.predict_block(block, examples)

    def predict_block(self, block: Block, examples: Examples) -> Predictions:
        """Return what the model says of some examples."""
        found = self.calibrated(
            self.outputs(block.inputs, [examples.place(row) for row in block.rows])
        )
        truth = list(block.labels or [None] * len(block.rows))
        rows, ids = list(block.rows), None if block.ids is None else list(block.ids)
        if not self.classes:
            return Predictions(rows, found[:, 0].tolist(), None, truth, ids)
        labels = [self.classes[k] for k in found.argmax(-1).tolist()]
        return Predictions(rows, labels, found.numpy(), truth, ids)

    def outputs(self, inputs: Sequence[Any], places: Sequence[str]) -> torch.Tensor:
        """Return the network's outputs, `(N, K)`."""
        return self.run([self.features.encode(*each) for each in zip(inputs, places, strict=True)])

    def run(self, encoded: Any) -> torch.Tensor:
        """Return the network's outputs `(N, K)` of arrays `(T,)` or `(T, C)`, by number."""
        lengths = np.array([len(encoded[k]) for k in range(len(encoded))])
        order = np.argsort(lengths, kind="stable")
        found = torch.empty(len(encoded), self.outcome.outputs)
        with torch.inference_mode():
            for begin in range(0, len(order), BATCH):
                chosen = order[begin : begin + BATCH]
                block, steps = padded([encoded[k] for k in chosen])
                found[torch.from_numpy(chosen)] = self.model(block, steps).float()
        return found

    def calibrated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities `(N, K)`, or numbers `(N, 1)`, of the network's outputs."""
        return self.outcome.probabilities(outputs / self.temperature)

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> Findings:
        """Measure outputs `(N, K)` against targets `(N,)`."""
        found = self.calibrated(outputs)
        if not self.classes:
            return measure_numbers(found[:, 0], targets)
        return measure_classes(found, targets, self.targets.kind == "ordinal")

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        kind = f"{len(self.classes)} classes" if self.classes else "a number"
        return f"Classifier({weights:,} weights, {self.features.kind} to {kind})"


def is_plain_text(data: Any) -> bool:
    """Say whether data is a file with an example on each line."""
    from gatewise.data.labelled.lines import read_lines

    path = Path(data) if isinstance(data, str | os.PathLike) else None
    return path is not None and not path.is_dir() and reader_of(path) is read_lines


def padded(encoded: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sequences as one block, zeros past their ends, and their lengths."""
    lengths = torch.tensor([len(each) for each in encoded])
    tensors = [torch.from_numpy(np.array(each)) for each in encoded]
    block = torch.nn.utils.rnn.pad_sequence(tensors)
    return block.long() if block.ndim == 2 else block, lengths


def roles_from_dict(data: dict[str, Any]) -> Roles:
    """Rebuild roles from `dataclasses.asdict`."""
    known = {"intervals": False, **data}  # files from before there were intervals
    return Roles(**{**known, "input": tuple(data["input"])})


def build_outcome(targets: Targets, weights: torch.Tensor | None = None) -> Outcome:
    """Return what outputs mean for some targets."""
    if targets.kind == "regression":
        return NumberOutcome(targets.mean, targets.deviation)  # type: ignore[attr-defined]
    kind = OrdinalOutcome if targets.kind == "ordinal" else ClassOutcome
    return kind(targets.size, weights)


def sizes(settings: ClassificationSettings) -> dict[str, Any]:
    """Return the arguments of `assemble` that a model file keeps."""
    names = ("embedding", "word_dropout", "hidden", "layers", "pooling", "dropout", "one_way")
    return {name: getattr(settings, name) for name in (*names, "members")}


def assemble(
    features: Features, outcome: Outcome, cell: Any, sizes: dict[str, Any], memory: float = 0.0
) -> Committee:
    """Return new classifiers, side by side.

    Args:
        features: How inputs become numbers.
        outcome: What outputs mean.
        cell: A name of the catalogue, or a cell.
        sizes: See `sizes`.
        memory: See `SequenceClassifier`; a model file holds what became of it, the biases.
    """
    each = (assemble_one(features, outcome, cell, sizes, memory) for _ in range(sizes["members"]))
    return Committee(list(each))


def assemble_one(
    features: Features, outcome: Outcome, cell: Any, sizes: dict[str, Any], memory: float
) -> SequenceClassifier:
    """Return a new classifier; see `assemble`."""
    from gatewise.cells import get

    hidden = sizes["hidden"]
    if features.kind == "text":
        tokenizer = features.tokenizer  # type: ignore[attr-defined]
        source: Any = TokenInput(
            tokenizer.size, sizes["embedding"], tokenizer.unknown, sizes["word_dropout"]
        )
    else:
        numbers: Any = features
        unit_by_unit = bool(get(cell).graph.sizes.equal)
        source = NumberInput(
            numbers.mean, numbers.deviation, numbers.gaps, hidden if unit_by_unit else None
        )
    return SequenceClassifier(
        source,
        outcome.outputs,
        cell,
        hidden,
        sizes["layers"],
        not sizes["one_way"],
        sizes["pooling"],
        sizes["dropout"],
        outcome.shared,
        memory,
    )


def describe_model(
    dataset: Dataset, settings: ClassificationSettings, roles: Roles, temperature: float = 1.0
) -> dict[str, Any]:
    """Return the configuration that a model file holds."""
    return {
        "features": dataset.features.to_dict(),
        "targets": dataset.targets.to_dict(),
        "roles": asdict(roles),
        "cell": describe_cell(settings.cell),
        "model": sizes(settings),
        "temperature": temperature,
    }
