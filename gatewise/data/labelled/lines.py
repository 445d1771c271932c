"""Plain text, one example a line, with a label as its first or last word, or none."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from gatewise.data.labelled.examples import Examples, Roles, blocks_of
from gatewise.data.labelled.trees import looks_like_tree, read_trees
from gatewise.data.source import DataError, PlainText, open_data_file
from gatewise.data.tables.table_file import guessed_encoding

MARKED = re.compile(r"(?:__label__\S+[ \t]+)+")  # as fastText writes labels


def read_lines(path: Path, roles: Roles, part: str = "train") -> Examples:
    """Open a plain text with an example on each line; lines with nothing on them are left out.

    Args:
        path: The file.
        roles: `label_place`, `encoding`; `label` and `input` have no meaning here.
        part: For trees; see `read_examples`.

    Raises:
        DataError: It cannot be read.
    """
    text = PlainText(open_data_file(path).path, roles.encoding)
    sample = [line for line in islice(text.lines(), 5000) if line.strip()]
    if not sample:
        raise DataError(f"{path}: has no line with anything on it")
    if looks_like_tree(sample[0]):
        return read_trees(text, roles, part)
    if roles.input or roles.label:
        raise DataError(
            f"{path}: plain text has no columns for --input and --label; say where the label is "
            "with --label-place first, last or none"
        )
    place = roles.label_place or guess_place(sample)
    said = guessed_encoding(text)
    if roles.label_place is None:
        meant = {"none": "no label"}.get(place, f"its {place} word as the label")
        said.append(f"each line is an example, with {meant}; --label-place says otherwise")

    def examples() -> Iterator[tuple[str, str | None, int]]:
        for number, line in enumerate(text.lines(), 1):
            if line.strip():
                label, rest = divide(line.strip(), place)
                if place != "none" and not rest:
                    raise DataError(f"{path}: line {number}: {label!r} is a label without a text")
                yield rest, label, number

    labelled = place != "none"
    return Examples(
        str(path),
        "text",
        lambda: blocks_of(examples()),
        labelled,
        files=(text.file,),
        said=tuple(said),
        unit="line",
        roles=replace(roles, label_place=place),
    )


def divide(line: str, place: str) -> tuple[str | None, str]:
    """Return a line's label and the rest.

    Examples:
        >>> divide("DESC:manner How did it develop ?", "first")
        ('DESC:manner', 'How did it develop ?')
        >>> divide("__label__good It is.", "first")
        ('good', 'It is.')
    """
    if place == "none":
        return None, line
    if place == "last":
        *_, label = line.split()
        return label, line[: len(line) - len(label)].rstrip()
    words = line.split(None, 1)
    return words[0].removeprefix("__label__"), words[1] if len(words) > 1 else ""


def guess_place(lines: list[str]) -> str:
    """Say where the label is: at the end where few different words stand there, none else.

    A label's words are few, and each comes again and again; the first words of sentences are many.
    """
    if all(MARKED.match(line.strip()) for line in lines):
        return "first"
    found = {}
    for place in ("first", "last"):
        labels = Counter(divide(line.strip(), place)[0] for line in lines)
        texts = sum(bool(divide(line.strip(), place)[1]) for line in lines)
        once = sum(count == 1 for count in labels.values())
        worded = all(any(map(str.isalnum, label or "")) for label in labels)
        few = 2 <= len(labels) <= max(2, len(lines) ** 0.5) or len(lines) < 20
        if texts == len(lines) and worded and few and (once * 10 <= len(labels) or len(lines) < 20):
            found[place] = len(labels)
    return min(found, key=lambda place: (found[place], place != "first"), default="none")
