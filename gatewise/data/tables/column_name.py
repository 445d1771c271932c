"""Names of columns: which one a user means, and what a name says of its column."""

import difflib
from collections.abc import Sequence

from gatewise.data.source import DataError

SHOWN = 20  # names that a message lists


def find_name(names: Sequence[str], wanted: str, option: str, where: str) -> str:
    """Return a column's name as the table writes it.

    Args:
        names: Of all columns.
        wanted: As the user wrote it; upper and lower case need not agree, a whole number counts
            columns from 1, and the end of a path will do where it names one column.
        option: What the user named it with, for the message.
        where: The table, for the message.

    Raises:
        DataError: There is no such column.

    Example:
        >>> [find_name(["Id", "data.text"], each, "--input", "t") for each in ("id", "2", "text")]
        ['Id', 'data.text', 'data.text']
    """
    if wanted in names:
        return wanted
    folded = [name for name in names if name.strip().lower() == wanted.strip().lower()]
    if len(folded) == 1:
        return folded[0]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    inner = find_by_end(names, wanted)
    if inner is not None:
        return inner
    near = difflib.get_close_matches(wanted, names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise DataError(
        f"{where}: {option} {wanted}: no such column{hint}; the columns are "
        f"{', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"
    )


def find_by_end(names: Sequence[str], end: str) -> str | None:
    """Return the name whose path ends so, if there is only one.

    Example:
        >>> find_by_end(["id", "data.by.age"], "Age"), find_by_end(["a.age", "b.age"], "age")
        ('data.by.age', None)
    """
    wanted = "." + end.strip().lower()
    found = [name for name in names if name.strip().lower().endswith(wanted)]
    return found[0] if len(found) == 1 else None


def last_name(path: str) -> str:
    """Return the last name of a path in small letters, by which its meaning is guessed.

    Single letters are coordinates rather than names: of `hand.y` the whole path stays.

    Example:
        >>> last_name("Data.Text"), last_name("hand.y"), last_name("y")
        ('text', 'hand.y', 'y')
    """
    whole = path.strip().lower()
    last = whole.rpartition(".")[2].strip()
    return last if len(last) > 1 else whole
