"""What labels become: classes, ordered classes, or numbers; and back."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import polars as pl

from gatewise.data.source import DataError
from gatewise.data.tables.notation import AmbiguityError, Notation, Notations


class Targets(Protocol):
    """Labels as numbers.

    Attributes:
        kind: `"classes"`, `"ordinal"` or `"regression"`.
        size: How many classes there are; 1 for regression.
    """

    kind: str

    @property
    def size(self) -> int: ...  # noqa: D102 - said above

    def encode(self, label: str, place: str) -> float:
        """Return a label's number.

        Raises:
            DataError: It is none of those learned from, or no number.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        ...


class ClassTargets:
    """Classes by name.

    Args:
        names: In the order of their numbers.
        ordered: Whether that order means something.
    """

    def __init__(self, names: Sequence[str], ordered: bool = False):
        if len(names) < 2 or len(set(names)) != len(names):
            raise ValueError(f"two different classes at least, not {list(names)}")
        self.names = list(names)
        self.kind = "ordinal" if ordered else "classes"
        self.numbers = {name: number for number, name in enumerate(self.names)}

    @property
    def size(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def encode(self, label: str, place: str) -> int:
        """See `Targets.encode`."""
        if label not in self.numbers:
            known = ", ".join(self.names[:10]) + (", …" if len(self.names) > 10 else "")
            raise DataError(
                f"{place}: the label {label!r} is none of those learned from: {known}; "
                "leave the example out, or train with examples of it"
            )
        return self.numbers[label]

    def to_dict(self) -> dict[str, Any]:
        """See `Targets.to_dict`."""
        return {"kind": self.kind, "names": self.names}


class NumberTargets:
    """Numbers, learned in units of their spread.

    Args:
        mean: Of those learned from.
        deviation: Their standard deviation, above zero.
        decimal: Their decimal mark where they are not plain, as `1.234,5 €`.
    """

    kind = "regression"
    size = 1

    def __init__(self, mean: float, deviation: float, decimal: str | None = None):
        self.mean, self.deviation, self.decimal = mean, deviation, decimal

    def encode(self, label: str, place: str) -> float:
        """See `Targets.encode`; the number itself, not yet in units of its spread."""
        return read_number(label, place, self.decimal)

    def to_dict(self) -> dict[str, Any]:
        """See `Targets.to_dict`."""
        mark = {} if self.decimal is None else {"decimal": self.decimal}
        return {"kind": self.kind, "mean": self.mean, "deviation": self.deviation, **mark}


def read_number(label: str, place: str, decimal: str | None = None) -> float:
    """Return a label as a number, or raise `DataError`."""
    try:
        value = float(label) if decimal is None else read_written(label, decimal)
    except ValueError:
        raise DataError(f"{place}: the label {label!r} is no number") from None
    if not math.isfinite(value):
        raise DataError(f"{place}: the label {label!r} is not finite")
    return value


@lru_cache(65_536)
def read_written(label: str, decimal: str) -> float:
    """Return a number as people write it, or raise `ValueError`."""
    found = Notation(decimal, label).meaning
    if found is None:
        raise ValueError(label)
    return found


def find_decimal(labels: Sequence[tuple[str, str]]) -> str | None:
    """Return the decimal mark of numbers that are not plain, else None.

    Raises:
        DataError: They may mean this or that.
    """
    frame = pl.LazyFrame({"label": [label for label, _ in labels]}).with_row_index("row")
    try:
        found = Notations(frame, ["label"], "row", False).of("label")
    except AmbiguityError as error:
        place = labels[error.example.row][1]
        said = re.sub(r" in row \d+", "", str(error))  # which counts labels, not rows of the file
        raise DataError(f"{place}, the label: {said}") from error
    return None if found is None else found.decimal


def build_targets(
    kind: str, labels: Iterable[tuple[str, str]], name: str, order: Sequence[str] = ()
) -> Targets:
    """Find out the classes, or the spread of the numbers.

    Args:
        kind: `"classes"`, `"ordinal"` or `"regression"`.
        labels: Those learned from, each with its place for a message.
        name: Of the data, for a message.
        order: Of ordinal classes; without it by their size where all are numbers, else by alphabet.

    Raises:
        DataError: There is nothing to tell apart.
    """
    if kind == "regression":
        labels = list(labels)
        decimal = find_decimal(labels)
        values = np.array([read_number(label, place, decimal) for label, place in labels])
        if len(values) == 0 or values.std() == 0:
            raise DataError(
                f"{name}: every label is the same; there is nothing to learn (where rows are the "
                "steps of a sequence, the label in its last row counts)"
            )
        return NumberTargets(float(values.mean()), float(values.std()), decimal)
    counts = Counter(label for label, _ in labels)
    if len(counts) < 2:
        only = f"every label is {next(iter(counts))!r}" if counts else "no example has a label"
        raise DataError(f"{name}: {only}; to learn a difference takes two classes")
    if len(counts) > 20 and len(counts) * 2 > sum(counts.values()):
        raise DataError(
            f"{name}: {len(counts)} different labels in {sum(counts.values())} examples: another "
            "column as --label? If they are quantities, say --target regression"
        )
    if order and set(order) != set(counts):
        raise DataError(
            f"--order {','.join(order)}: not the classes of {name}, which are "
            f"{', '.join(in_order(counts))}"
        )
    return ClassTargets(list(order) or in_order(counts), kind == "ordinal")


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names by their size where all are numbers, else by alphabet."""
    names = list(names)
    try:
        decimal = find_decimal([(name, "") for name in names])
        return sorted(names, key=lambda name: (read_number(name, "", decimal), name))
    except DataError:
        return sorted(names)


def targets_from_dict(data: dict[str, Any]) -> Targets:
    """Rebuild targets from `to_dict`.

    Raises:
        KeyError: Something is missing.
        ValueError: It describes none.
    """
    if data["kind"] == "regression":
        return NumberTargets(float(data["mean"]), float(data["deviation"]), data.get("decimal"))
    if data["kind"] not in ("classes", "ordinal"):
        raise ValueError(f"unknown targets {data['kind']!r}")
    return ClassTargets(data["names"], data["kind"] == "ordinal")
