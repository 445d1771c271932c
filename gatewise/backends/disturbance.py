"""Whether somebody has asked for more than a plain call: asked once, whatever it is.

A small recurrence is computed in less time than it takes to ask each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_disturbed: ContextVar[bool] = ContextVar("gatewise_disturbed", default=False)

is_disturbed = _disturbed.get
"""Whether this runs inside a `disturbing` block."""


@contextmanager
def disturbing() -> Iterator[None]:
    """Inside the ``with`` block, layers ask who wants what before they run anything."""
    token = _disturbed.set(True)
    try:
        yield
    finally:
        _disturbed.reset(token)
