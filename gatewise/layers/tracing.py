"""What no compiler can trace runs as it is, beside the compiled program."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence


def packed_untraced(forward: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Let a layer's forward run untraced where `torch.compile` meets a PackedSequence.

    How its steps lie in memory follows from numbers that a trace does not know, and what it would
    hand on in the middle of a call is no PackedSequence any more.
    """

    @wraps(forward)
    def run(layer: Any, x: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        if isinstance(x, PackedSequence) and torch.compiler.is_compiling():
            return torch.compiler.disable(forward)(layer, x, *arguments, **options)  # type: ignore[call-arg]
        return forward(layer, x, *arguments, **options)

    return run
