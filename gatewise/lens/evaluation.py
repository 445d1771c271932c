"""Named values of all steps, a block of steps after the other, so that each stays in cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence, evaluate_steps
from gatewise.equations.expression import Value

BLOCK = 2**18
"""Numbers of one value that are computed at once."""


@torch.no_grad()
def evaluate_blocks(
    recurrence: Recurrence,
    operands: Operands,
    past: Mapping[str, Tensor],
    nodes: Sequence[Value],
    cut: Callable[[Tensor], Tensor],
) -> list[Tensor]:
    """Values of all steps, where the states before every step are known.

    Args:
        recurrence: the graph and its sizes.
        operands: of the whole call.
        past: the states before each step, ``(T, B, size)`` by name.
        nodes: expressions of the graph.
        cut: takes what is kept of a block ``(steps, B, size)``.

    Returns:
        ``(T, B, kept)`` for each node.
    """
    T, B = operands.x.shape[:2]
    block = max(1, BLOCK // max(1, B * recurrence.sizes["H"]))
    parts: list[list[Tensor]] = [[] for _ in nodes]
    for start in range(0, max(T, 1), block):
        steps = slice(start, start + block)
        inputs = {name: value[steps] for name, value in operands.inputs.items()}
        before = {name: value[steps] for name, value in past.items()}
        found = evaluate_steps(recurrence, replace(operands, inputs=inputs), before, nodes)
        for series, value in zip(parts, found, strict=True):
            series.append(cut(value))
    return [torch.cat(series) for series in parts]
