"""What ran, where and why: collected on demand, for `layer.explain(x)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from gatewise.backends.disturbance import disturbing


@dataclass(frozen=True)
class Explanation:
    """What ran one recurrence, or several at once.

    Attributes:
        what: the recurrence, in words.
        backend: the name of what ran it.
        reason: why this one.
        details: how it ran: tiles, threads, compile time.
    """

    what: str
    backend: str
    reason: str
    details: str = ""

    def __str__(self) -> str:
        details = f"\n  {self.details}" if self.details else ""
        return f"{self.what}: {self.backend} ({self.reason}){details}"


_found: ContextVar[list[Explanation] | None] = ContextVar("gatewise_explanations", default=None)


@contextmanager
def explaining() -> Iterator[list[Explanation]]:
    """Collect an explanation of everything that runs inside the ``with`` block."""
    found: list[Explanation] = []
    token = _found.set(found)
    try:
        with disturbing():
            yield found
    finally:
        _found.reset(token)


def is_explaining() -> bool:
    """Whether somebody collects explanations."""
    return not torch.compiler.is_compiling() and _found.get() is not None


def explain(explanation: Explanation) -> None:
    """Add to what a surrounding `explaining` collects, if there is one."""
    if is_explaining():
        found = _found.get()
        assert found is not None
        found.append(explanation)
