"""How much memory a trace takes, told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gatewise.backends import Recurrence
from gatewise.equations.size import size_number
from gatewise.lens.modules import recurrent_modules, tracks_of
from gatewise.lens.place import Kept

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class MemoryEstimate:
    """What a trace of one call of a model takes.

    Attributes:
        held: bytes by layer as soon as the call ends: inputs, which are shared with the model where
            it keeps them too, and states; with chosen values, those alone.
        read: bytes by layer once every named value has been read, `held` included.
    """

    held: dict[str, int]
    read: dict[str, int]

    def __str__(self) -> str:
        lines = [
            f"{name or '(the model)'}: {in_words(held)}, "
            f"{in_words(self.read[name])} when all is read"
            for name, held in self.held.items()
        ]
        total = in_words(sum(self.held.values())), in_words(sum(self.read.values()))
        return "\n".join([*lines, f"together: {total[0]}, {total[1]} when all is read"])


def estimate(
    model: nn.Module, steps: int, batch: int, values: Sequence[str] | None, kept: Kept
) -> MemoryEstimate:
    """The memory of a trace of one call with T steps of B sequences."""
    held: dict[str, int] = {}
    read: dict[str, int] = {}
    for name, module in recurrent_modules(model).items():
        element = next(module.parameters(), torch.empty(0)).element_size()
        held[name] = read[name] = 0
        for row in tracks_of(module):
            parts = [_numbers(track.recurrence, values, kept, steps) for track in row]
            # both directions are given the same inputs
            inputs = 0 if values is not None else _input_numbers(row[0].recurrence, steps)
            known = inputs + sum(part[0] for part in parts)
            held[name] += known * batch * element
            read[name] += (known + sum(part[1] for part in parts)) * batch * element
    return MemoryEstimate(held, read)


def _numbers(
    recurrence: Recurrence, values: Sequence[str] | None, kept: Kept, steps: int
) -> tuple[int, int]:
    """How many numbers one sequence takes: at once, and besides when all is read."""
    graph, sizes = recurrence.graph, recurrence.sizes
    thinned = -(-steps // kept.every)
    wide = {n: size_number(graph.sizes.values[v], sizes) for n, v in graph.values.items()}
    if kept.units is not None:
        wide = {n: len(kept.units) if size == sizes["H"] else size for n, size in wide.items()}
    if values is not None:
        return thinned * sum(wide.get(name.removeprefix("pre."), 0) for name in values), 0
    states = thinned * sum(recurrence.state_size(name) for name in graph.states)
    return states, thinned * sum(wide.values())


def _input_numbers(recurrence: Recurrence, steps: int) -> int:
    return steps * sum(size_number(n, recurrence.sizes) for n in recurrence.graph.inputs.values())


def in_words(count: int) -> str:
    """A number of bytes with a unit that makes it short."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"
