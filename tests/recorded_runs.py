"""Recordings of single recurrences for tests: small, deterministic, of any graph."""

from typing import Any

import torch

import gatewise as gw
from gatewise.backends import PAST, Operands, Recurrence, run
from gatewise.equations import Graph
from gatewise.equations.size import size_number
from gatewise.lens.record import Record
from gatewise.lens.recorded import Run

T, B, H = 6, 2, 4
SWITCHES = ("reset", "alive")


def random_run(
    graph: Graph,
    reverse: bool = False,
    dtype: torch.dtype = torch.float64,
    steps: int = T,
    batch: int = B,
    scale: float = 0.5,
) -> Run:
    """A graph run on random inputs, states and weights, with I = H."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    sizes = {"I": H, "H": H, **{s: H for s in graph.states.values() if isinstance(s, str)}}
    recurrence = Recurrence(graph, sizes, reverse)
    inputs = {
        name: (
            (torch.rand(steps, batch, 1, generator=generator) < 0.7).to(dtype)
            if name in SWITCHES
            else draw(steps, batch, size_number(size, sizes)).abs()
            if size == 1
            else draw(steps, batch, size_number(size, sizes))
        )
        for name, size in graph.inputs.items()
    }
    states = {name: draw(batch, size_number(s, sizes)) for name, s in graph.states.items()}
    if "n" in states:
        states["n"] = states["n"].abs() + 1  # what a normaliser divides by
    parameters = {
        name: draw(*(size_number(size, sizes) for size in parameter.shape))
        for name, parameter in graph.parameters.items()
    }
    givens = {name: draw(batch, size_number(s, sizes)) for name, s in graph.givens.items()}
    operands = Operands(inputs, states, parameters, givens)
    values = run(recurrence, operands, tuple(PAST + name for name in graph.states)).values
    return Run(recurrence, operands, {name: values[PAST + name] for name in graph.states})


def record_layer(
    layer: torch.nn.Module, x: torch.Tensor, number: int = 0, reverse: bool = False, **marks: Any
) -> Record:
    """What a trace holds of one layer and direction of a bare module."""
    with gw.trace(layer) as t, torch.no_grad():
        layer(x, **marks)
    direction = "reverse" if reverse else "forward"
    return next(r for r in t.records if (r.layer, r.direction) == (number, direction))
