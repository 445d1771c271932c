"""The processes that train one model together. Where there is only one, everything here is easy.

Each begins with the same weights, learns from its own part of every batch, and takes the step that
the mean of all gradients asks for. What depends on a clock or on a signal is decided by the first
process, so that all do the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

_joined: ContextVar[bool] = ContextVar("gatewise_joined", default=False)


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes of torch's default group train together."""
    token = _joined.set(True)
    try:
        yield
    finally:
        _joined.reset(token)


def count() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if _joined.get() else 1


def rank() -> int:
    """Return the number of this one, from 0."""
    return distributed.get_rank() if _joined.get() else 0


def is_first() -> bool:
    """Say whether this process is the one that writes files and talks to the user."""
    return rank() == 0


def own_part(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return what this process learns from of a batch, `(N,)`.

    All of it if some process would have nothing, else every n-th, so that the parts of a batch
    that is sorted by length are about equally long.
    """
    return numbers[rank() :: count()] if len(numbers) >= count() else numbers


def sums(*values: float) -> list[float]:
    """Return the sum of each value over all processes."""
    if count() == 1:
        return list(values)
    tensor = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(tensor)
    return tensor.tolist()


def wait() -> None:
    """Wait until all processes are here."""
    sums(0.0)


def release() -> None:
    """Let the others go on, which wait until this one, the first, has prepared what they read."""
    if is_first():
        wait()


def agreed(value: float) -> float:
    """Return the number that the first process has."""
    if count() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(tensor, 0)
    return float(tensor)


def told(value: Any) -> Any:
    """Return the JSON-ready value that the first process has."""
    if count() == 1:
        return value
    text = np.frombuffer(json.dumps(value if is_first() else None).encode(), np.uint8)
    held = torch.zeros(int(agreed(len(text))), dtype=torch.uint8)
    if is_first():
        held.copy_(torch.from_numpy(text.copy()))
    distributed.broadcast(held, 0)
    return json.loads(held.numpy().tobytes())


def gathered(tensor: Tensor) -> list[Tensor]:
    """Return the tensor of each process, in order; they have one shape and lie on the CPU."""
    if count() == 1:
        return [tensor]
    found = [torch.empty_like(tensor) for _ in range(count())]
    distributed.all_gather(found, tensor.contiguous())
    return found
