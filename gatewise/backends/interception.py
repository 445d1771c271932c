"""Who stands between a layer and the backend: to look at what is run, or to change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import torch

from gatewise.backends.disturbance import disturbing
from gatewise.backends.recurrence import Operands, Recurrence, Result

Proceed = Callable[[Recurrence, Operands, tuple[str, ...]], Result]


class Interceptor(Protocol):
    """Sees every recurrence before it runs, and its result before the layer does.

    Attributes:
        rank: interceptors of a lower rank come first, so that who looks sees what others changed;
            of one rank, the one that began last.
    """

    rank: int

    def run(
        self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...], proceed: Proceed
    ) -> Result:
        """Run the recurrence, or another, by calling `proceed`."""
        ...


_active: ContextVar[tuple[Interceptor, ...]] = ContextVar("gatewise_interceptors", default=())


@contextmanager
def intercepting(interceptor: Interceptor) -> Iterator[None]:
    """Let an interceptor stand between layers and backends inside the ``with`` block."""
    together = sorted((interceptor, *_active.get()), key=lambda each: each.rank)
    token = _active.set(tuple(together))
    try:
        with disturbing():
            yield
    finally:
        _active.reset(token)


@contextmanager
def unobserved() -> Iterator[None]:
    """Inside the ``with`` block nobody stands between layers and backends."""
    token = _active.set(())
    try:
        yield
    finally:
        _active.reset(token)


def interceptors() -> tuple[Interceptor, ...]:
    """Those that are active, the first to be asked first; none while torch compiles."""
    return () if torch.compiler.is_compiling() else _active.get()


def through(interceptors: tuple[Interceptor, ...], backend: Proceed) -> Proceed:
    """A function that runs a recurrence by way of all interceptors."""
    for interceptor in reversed(interceptors):
        backend = _by_way_of(interceptor, backend)
    return backend


def _by_way_of(interceptor: Interceptor, proceed: Proceed) -> Proceed:
    return lambda recurrence, operands, keep: interceptor.run(recurrence, operands, keep, proceed)
