"""Results as text: columns that line up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines with aligned columns: numbers to the right, in four significant digits.

    Example:
        >>> print(format_table(["unit", "share"], [[3, 0.123456], [12, 1.0]]))
        unit   share
           3  0.1235
          12       1
    """
    rows = list(rows)
    kinds = [[isinstance(cell, int | float) for cell in row] for row in rows]
    numeric = [all(column) for column in zip(*kinds, strict=True)] or [False] * len(header)
    texts = [list(header), *([format_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    )


def format_steps(
    steps: Iterable[int], columns: Mapping[str, Sequence[float]], labels: Sequence[str] | None
) -> str:
    """One line per step, with what stood there where that is known.

    Args:
        steps: which steps, in the order to show.
        columns: numbers of every step by heading.
        labels: what stood at every step, such as its words.

    Example:
        >>> print(format_steps([0, 2], {"share": [0.5, 0.1, 0.4]}, ["cat", "mat", "rat"]))
        step  input  share
           0  cat      0.5
           2  rat      0.4
    """
    known = [] if labels is None else [labels]
    header = ["step", *(["input"] if known else []), *columns]
    rows = [[t, *(column[t] for column in (*known, *columns.values()))] for t in steps]
    return format_table(header, rows)


def format_cell(value: object) -> str:
    """A number in four significant digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
