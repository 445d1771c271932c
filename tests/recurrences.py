"""Random recurrences for tests: operands of any graph, and gradients by three routes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends import Operands, Recurrence
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import Graph
from gatewise.equations.size import size_number

CONDITIONS = ("reset", "alive", "clamped_")
"""Inputs that rewrites add and that are 0 or 1."""


@dataclass(frozen=True)
class Sample:
    """A recurrence with random operands in float64, and random gradients of its results."""

    recurrence: Recurrence
    operands: Operands
    output_gradient: Tensor
    state_gradients: dict[str, Tensor]

    def leaves(self) -> dict[str, Tensor]:
        """Every operand by a name that is unique."""
        o = self.operands
        return {
            f"{kind} {name}": value
            for kind in ("inputs", "states", "parameters", "givens")
            for name, value in getattr(o, kind).items()
        }

    def with_leaves(self, leaves: dict[str, Tensor]) -> Operands:
        """Operands made of other tensors under the same names."""
        kinds: dict[str, dict[str, Tensor]] = {
            "inputs": {},
            "states": {},
            "parameters": {},
            "givens": {},
        }
        for name, value in leaves.items():
            kind, _, own = name.partition(" ")
            kinds[kind][own] = value
        return Operands(**kinds)

    def loss(self, leaves: dict[str, Tensor]) -> Tensor:
        """A scalar that depends on every output and on every last state."""
        result = ReferenceBackend().run(self.recurrence, self.with_leaves(leaves))
        total = (result.output * self.output_gradient).sum()
        for name, gradient in self.state_gradients.items():
            total = total + (result.states[name] * gradient).sum()
        return total


def sample(
    graph: Graph, T: int = 3, B: int = 2, seed: int = 0, reverse: bool = False, **sizes: int
) -> Sample:
    """Random operands for a graph; I = H where the cell asks for it."""
    numbers = {"I": 3, "H": 4, **sizes}
    for a, c in graph.sizes.equal:
        numbers[a] = numbers.get(c, numbers["H"])
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def number(size):
        return size_number(size, numbers)

    inputs = {
        name: (draw(T, B, number(size)) > 0).double()
        if name.startswith(CONDITIONS)
        else draw(T, B, number(size))
        for name, size in graph.inputs.items()
    }
    # a state that must be positive (a stabiliser's denominator, say) starts above zero
    states = {name: draw(B, number(size)).abs() for name, size in graph.states.items()}
    parameters = {}
    for name, parameter in graph.parameters.items():
        shape = [number(size) for size in parameter.shape]
        if len(shape) == 2:
            shape[1] //= parameter.blocks
        parameters[name] = 0.6 * draw(*shape)
    givens = {name: draw(B, number(size)) for name, size in graph.givens.items()}
    operands = Operands(inputs, states, parameters, givens)
    recurrence = Recurrence(graph, numbers, reverse)
    state_gradients = {name: draw(*value.shape) for name, value in states.items()}
    return Sample(recurrence, operands, draw(T, B, recurrence.output_size), state_gradients)


def autograd_gradients(case: Sample) -> dict[str, Tensor]:
    """Gradients of the case's loss by autograd; zero where nothing flows."""
    leaves = {name: value.clone().requires_grad_() for name, value in case.leaves().items()}
    found = torch.autograd.grad(case.loss(leaves), list(leaves.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(leaves.items(), found, strict=True)
    }


def finite_differences(case: Sample, step: float = 1e-6) -> dict[str, Tensor]:
    """Gradients of the case's loss by central differences, number by number."""
    leaves = case.leaves()
    found = {}
    with torch.no_grad():
        for name, value in leaves.items():
            gradient = torch.zeros_like(value)
            for k in range(value.numel()):
                ends = []
                for sign in (1, -1):
                    moved = value.clone()
                    moved.view(-1)[k] += sign * step
                    ends.append(case.loss({**leaves, name: moved}))
                gradient.view(-1)[k] = (ends[0] - ends[1]) / (2 * step)
            found[name] = gradient
    return found
