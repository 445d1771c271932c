"""Examples: sequences with labels, out of any kind of file, read in blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from gatewise.data.source import DataError, DataFile
from gatewise.data.tables.table import FrameContents


class Block(NamedTuple):
    """Some examples, in the order of the file.

    Attributes:
        inputs: Texts, or arrays `(T, C)` in float32 or uint8; a missing value is NaN.
        labels: As they are written, None where one is missing; None where the file has no labels.
        rows: Their numbers, as the file counts.
        groups: Examples of one group are never divided between learning and measuring, such as the
            phrases of a sentence; None where each stands for itself.
        measured: Which of them count when they are measured on, such as whole sentences among
            their phrases; None is all.
        ids: What the table calls each sequence, where its rows are steps; the file of each text in
            a folder, with its line where a file has several; else None.
    """

    inputs: Sequence[Any]
    labels: Sequence[str | None] | None
    rows: Sequence[int]
    groups: Sequence[int] | None = None
    measured: Sequence[bool] | None = None
    ids: Sequence[Any] | None = None


def blocks_of(examples: Iterable[tuple[Any, ...]], size: int = 5_000) -> Iterator[Block]:
    """Yield blocks of examples that come one by one: input, label, number, and id if it has one."""
    waiting = iter(examples)
    while part := list(islice(waiting, size)):
        inputs, labels, rows, *ids = zip(*part, strict=True)
        yield Block(inputs, labels, rows, ids=ids[0] if ids else None)


@dataclass(frozen=True)
class Roles:
    """What the user said about the data; None is found out.

    Attributes:
        input: Columns or arrays that are the input.
        label: The column or array with the labels, or a file of labels beside an array.
        id: The column that says which rows are one sequence, in a table with a row for each step.
        time: The column that orders them.
        intervals: Whether the time since the step before is a channel of its own; None is where
            the times of the first rows differ.
        encoding: Of a text.
        header: Whether a table's first row names the columns.
        separator: Between a table's fields.
        label_place: `"first"` or `"last"` word of a line of plain text, or `"none"`.
        tree_labels: `"binary"` or `"fine"`, of bracketed trees.
        phrases: Whether the phrases of trees are examples too, where they are learned from.
        scan: `"pixels"` or `"rows"`: what a step of an image is.
        channels_first: Whether arrays are `(N, C, T)` and not `(N, T, C)`.
    """

    input: tuple[str, ...] = ()
    label: str | None = None
    id: str | None = None
    time: str | None = None
    intervals: bool | None = None
    encoding: str | None = None
    header: bool | None = None
    separator: str | None = None
    label_place: str | None = None
    tree_labels: str = "binary"
    phrases: bool = True
    scan: str = "pixels"
    channels_first: bool = False

    def __post_init__(self):
        choices = {
            "label_place": (None, "first", "last", "none"),
            "tree_labels": ("binary", "fine"),
            "scan": ("pixels", "rows"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                shown = ", ".join(each for each in known if each)
                option = name.replace("_", "-")
                raise DataError(f"--{option}: {getattr(self, name)!r} is none of {shown}")


@dataclass(frozen=True)
class Examples:
    """Sequences with labels, never held whole unless their kind of file is.

    Attributes:
        name: How messages call them, such as the file's path.
        kind: `"text"` or `"numbers"`.
        read: Yields the blocks from the beginning.
        labelled: Whether there are labels.
        channels: Names of the numbers of a step; none for texts.
        files: What is read.
        said: What was guessed, in sentences for the user.
        unit: What `Block.rows` counts, in a message.
        roles: The roles with what was found out, for other files of the same kind.
    """

    name: str
    kind: str
    read: Callable[[], Iterator[Block]]
    labelled: bool
    channels: tuple[str, ...] = ()
    files: tuple[DataFile | FrameContents, ...] = ()
    said: tuple[str, ...] = ()
    unit: str = "row"
    roles: Roles = field(default_factory=Roles)

    def blocks(self) -> Iterator[Block]:
        """Yield all examples in order.

        Raises:
            DataError: One cannot be read.
        """
        for block in self.read():
            if len(block.inputs):
                yield block if self.labelled else block._replace(labels=None)

    def place(self, row: int) -> str:
        """Name an example for a message."""
        return f"{self.name}: {self.unit} {row}"


def listed_examples(texts: Sequence[Any]) -> Examples:
    """Return a list of texts, or of arrays `(T, C)`, as examples without labels."""
    if not isinstance(texts, list | tuple | np.ndarray) or len(texts) == 0:
        raise DataError(f"examples are a file, a frame or a list of texts, not {texts!r:.60}")
    if all(isinstance(text, str) for text in texts):
        kind, inputs, width = "text", list(texts), 0
    else:
        kind = "numbers"
        inputs = [as_sequence(each, f"example {k + 1}") for k, each in enumerate(texts)]
        width = inputs[0].shape[1]
        for number, each in enumerate(inputs, 1):
            if each.shape[1] != width:
                raise DataError(f"example {number} has {each.shape[1]} channels, the first {width}")
    block = Block(inputs, None, range(1, len(inputs) + 1))
    channels = tuple(f"channel {k + 1}" for k in range(width))
    return Examples("the list", kind, lambda: iter([block]), False, channels, unit="example")


def as_sequence(values: Any, name: str) -> np.ndarray:
    """Return numbers as `(T, C)` in float32, or in uint8 where they are; `(T,)` is one channel.

    Raises:
        DataError: They are no such thing, or infinite.
    """
    try:
        array = np.asarray(values)
        if array.dtype != np.uint8:
            array = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        if "inhomogeneous" in str(error):
            raise DataError(f"{name}: steps of different lengths; each has all channels") from error
        raise DataError(f"{name}: not numbers ({error})") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{name}: a sequence has steps and channels, not the shape {array.shape}")
    if array.dtype != np.uint8 and np.isinf(array).any():
        raise DataError(f"{name}: has a number that is not finite")
    return array
