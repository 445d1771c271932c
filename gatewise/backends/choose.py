"""Which backend runs a recurrence, and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends.constant import constant
from gatewise.backends.disturbance import disturbing
from gatewise.backends.explanation import Explanation, explain, is_explaining
from gatewise.backends.interception import interceptors, through
from gatewise.backends.llvm import LlvmBackend
from gatewise.backends.llvm.selection import ELEMENTS
from gatewise.backends.recurrence import Backend, Job, Operands, Recurrence, Result
from gatewise.backends.reference import ReferenceBackend

BACKENDS: dict[str, Backend] = {"llvm": LlvmBackend(), "reference": ReferenceBackend()}
"""Every backend by name, the preferred one first; the reference, which runs everything, last."""

TORCH = "torch"
"""Torch's own fused operators, for the layers that match them; not a backend for other cells."""

_asked: ContextVar[str | Backend | None] = ContextVar("gatewise_backend", default=None)


@dataclass(frozen=True)
class Choice:
    """The backend that runs a recurrence.

    Attributes:
        backend: what runs it.
        reason: why this one, in words.
    """

    backend: Backend
    reason: str


@contextmanager
def use_backend(name: str | Backend | None) -> Iterator[None]:
    """Run everything inside the ``with`` block on one backend.

    Args:
        name: ``"llvm"``, ``"reference"``, or ``"torch"`` for torch's own operators where a layer
            matches them; a backend itself, such as one that watches what it runs; or None for the
            usual choice, inside a block that asks for something else.

    Raises:
        ValueError: there is no such backend.

    Example:
        >>> import torch, gatewise as gw
        >>> layer, x = gw.LSTM(3, 5), torch.randn(7, 2, 3)
        >>> with gw.use_backend("reference"):
        ...     y, (h, c) = layer(x)
        >>> torch.allclose(y, layer(x)[0], atol=1e-6)
        True
    """
    if isinstance(name, str) and name not in BACKENDS and name != TORCH:
        raise ValueError(f"no backend {name!r}; there are {', '.join((*BACKENDS, TORCH))}.")
    token = _asked.set(name)
    try:
        with nullcontext() if name in (None, LlvmBackend.name) else disturbing():
            yield
    finally:
        _asked.reset(token)


@constant  # a traced graph is made for the backend of its trace
def asked_backend() -> str | Backend | None:
    """What a surrounding `use_backend` asks for; None where there is none."""
    return _asked.get()


def choose(recurrence: Recurrence, operands: Operands) -> Choice:
    """The backend for this recurrence: the one asked for, else the first that can run it.

    Raises:
        RuntimeError: the backend asked for cannot run it; the message says why.
    """
    asked = asked_backend()
    backend = BACKENDS.get(asked) if isinstance(asked, str) else asked
    if backend is not None:
        refusal = backend.refusal(recurrence, operands)
        if refusal is not None:
            raise RuntimeError(
                f"the backend {backend.name!r} was asked for but cannot run this: {refusal}"
            )
        return Choice(backend, f"use_backend({backend.name!r})")
    reasons = []
    for backend in BACKENDS.values():
        refusal = backend.refusal(recurrence, operands)
        if refusal is None:
            if reasons and not torch.compiler.is_compiling():
                _warn_once(
                    f"{recurrence.graph.name} runs on the {backend.name} backend, slowly: "
                    f"{'; '.join(reasons)}."
                )
            return Choice(backend, "; ".join(reasons) or "the preferred backend runs it")
        reasons.append(f"{backend.name}: {refusal}")
    raise RuntimeError(f"no backend runs this recurrence: {'; '.join(reasons)}")


def is_traceable(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether a trace can record a recurrence as one operator; the reference's loop it cannot.

    Args:
        x: an input; tells the device.
        dtype: of the weights.
    """
    kernels = "llvm" in BACKENDS and asked_backend() in (None, "llvm")
    return kernels and x.device.type == "cpu" and dtype in ELEMENTS


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    """Never a silent slow path: once per reason and process."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def run(recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
    """Run a recurrence on the backend that `choose` names.

    Args:
        recurrence: the graph, its sizes and its direction.
        operands: inputs ``(T, B, size)``, states ``(B, size)`` and parameters.
        keep: names of values to return at every step, ``(T, B, size)``.
    """
    return through(interceptors(), _run)(recurrence, operands, keep)


def run_all(jobs: Sequence[Job]) -> list[Result]:
    """Run recurrences that do not need each other; two side by side where that is faster.

    Args:
        jobs: recurrences with their operands; see `run`.
    """
    # who stands between sees one recurrence at a time
    if len(jobs) == 2 and not torch.compiler.is_compiling() and not interceptors():
        choices = [choose(*job) for job in jobs]
        backend = choices[0].backend
        if isinstance(backend, LlvmBackend) and choices[1].backend is backend:
            found = backend.run_pair(jobs)
            if found is not None:
                results, details = found
                for job, choice, each in zip(jobs, choices, details, strict=True):
                    _explain(job, choice, each)
                return results
    return [run(*job) for job in jobs]


def _run(recurrence: Recurrence, operands: Operands, keep: tuple[str, ...]) -> Result:
    choice = choose(recurrence, operands)
    result = choice.backend.run(recurrence, operands, keep)
    if is_explaining():
        choice = _followed(choice, recurrence, operands)
        details = choice.backend.describe(recurrence, operands)
        _explain((recurrence, operands), choice, details)
    return result


def _followed(choice: Choice, recurrence: Recurrence, operands: Operands) -> Choice:
    """What ran in the end: where there are kernels, the reference may stand in for them."""
    if not isinstance(choice.backend, LlvmBackend):
        return choice
    reason = choice.backend.replaced(recurrence, operands)
    return choice if reason is None else Choice(BACKENDS["reference"], reason)


def _explain(job: Job, choice: Choice, details: str) -> None:
    recurrence, operands = job
    direction = " in reverse" if recurrence.reverse else ""
    T, B = operands.x.shape[:2]
    what = f"{recurrence.graph.name}{direction}, {T} steps of {B} sequences"
    explain(Explanation(what, choice.backend.name, choice.reason, details))
