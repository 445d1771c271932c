"""Backpropagation through time by the derived gradient, on torch operators.

Slow and plain: it shows that the derivative of the equations is right (it equals autograd and
finite differences), and is what the backward kernels are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gatewise.backends.evaluation import Plan, constants, run
from gatewise.backends.recurrence import Operands, Recurrence
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import Graph
from gatewise.equations.derivative import Derivative, differentiate, weight_expressions
from gatewise.equations.symbol import Expression, topological


@dataclass(frozen=True)
class Gradients:
    """Gradients of all operands, under the operands' names and in their shapes."""

    inputs: dict[str, Tensor]
    states: dict[str, Tensor]
    parameters: dict[str, Tensor]
    givens: dict[str, Tensor]


def gradients(
    recurrence: Recurrence,
    operands: Operands,
    output_gradient: Tensor,
    state_gradients: Mapping[str, Tensor],
) -> Gradients:
    """The gradient of a recurrence by its derived vector–Jacobian product.

    Args:
        recurrence: what ran.
        operands: what it ran on.
        output_gradient: gradient of the output, ``(T, B, size)``.
        state_gradients: gradient of each last state, ``(B, size)``.
    """
    with torch.no_grad():
        return _Backward(recurrence, operands).run(output_gradient, dict(state_gradients))


@lru_cache(maxsize=256)
def _derivative(graph: Graph) -> tuple[Derivative, Plan, tuple[list, list]]:
    derivative, plan = differentiate(graph), Plan()
    order = topological([*derivative.roots, *graph.roots])
    weights = weight_expressions(order)
    before = plan.instructions([node for node in order if node in weights], ())
    body = plan.instructions([node for node in order if node not in weights], ())
    for node in order:
        plan.slot(node)
    return derivative, plan, (before, body)


class _Backward:
    def __init__(self, recurrence: Recurrence, operands: Operands):
        self.recurrence, self.operands = recurrence, operands
        self.derivative, self.plan, (self.before, self.body) = _derivative(recurrence.graph)
        self.leaves: dict[str, list[tuple[Expression, int]]] = {}
        for node, slot in self.plan.slots.items():
            self.leaves.setdefault(node.operation, []).append((node, slot))
        self.values = self.plan.values()
        like = next(iter(operands.states.values()))
        known = constants(self.plan.slots, recurrence.graph.constants, like)
        for node, value in known.items():
            self.values[self.plan.slots[node]] = value
        for node, slot in self.leaves.get("parameter", ()):
            self.values[slot] = operands.parameters[node.name]
        for node, slot in self.leaves.get("given", ()):
            self.values[slot] = operands.givens[node.name]
        run(self.before, self.values)

    def run(self, output_gradient: Tensor, flowing: dict[str, Tensor]) -> Gradients:
        operands, derivative = self.operands, self.derivative
        T = operands.x.shape[0]
        inputs = {name: torch.zeros_like(value) for name, value in operands.inputs.items()}
        givens = {name: torch.zeros_like(value) for name, value in operands.givens.items()}
        sums: dict[Expression, Tensor] = {}
        steps = range(T) if self.recurrence.reverse else range(T - 1, -1, -1)
        for t, states in zip(steps, reversed(self._states_before()), strict=True):
            self._step(t, states, {**flowing, "output": output_gradient[t]})
            for name, node in derivative.inputs.items():
                inputs[name][t] += _like(self._value(node), inputs[name][t])
            for name, node in derivative.givens.items():
                givens[name] += _like(self._value(node), givens[name])
            self._collect(sums)
            flowing = {
                name: self._value(derivative.states[name]).expand_as(value).clone()
                if name in derivative.states
                else torch.zeros_like(value)
                for name, value in states.items()
            }
        return Gradients(inputs, flowing, self._through_weights(sums), givens)

    def _value(self, node: Expression) -> Tensor:
        return self.values[self.plan.slots[node]]

    def _states_before(self) -> list[dict[str, Tensor]]:
        """The states that each step started from, in the order of the steps."""
        before, states = [], dict(self.operands.states)
        T = self.operands.x.shape[0]
        for t in range(T - 1, -1, -1) if self.recurrence.reverse else range(T):
            before.append(states)
            inputs = {name: value[t : t + 1] for name, value in self.operands.inputs.items()}
            one = Operands(inputs, states, self.operands.parameters, self.operands.givens)
            states = ReferenceBackend().run(self.recurrence, one).states
        return before

    def _step(self, t: int, states: dict[str, Tensor], cotangents: dict[str, Tensor]) -> None:
        for node, slot in self.leaves.get("input", ()):
            self.values[slot] = self.operands.inputs[node.name][t]
        for node, slot in self.leaves.get("state", ()):
            self.values[slot] = states[node.name]
        for node, slot in self.leaves.get("cotangent", ()):
            self.values[slot] = cotangents[node.name]
        run(self.body, self.values)

    def _collect(self, sums: dict[Expression, Tensor]) -> None:
        """Add this step's gradients of weights, summed over the batch."""
        B = self.operands.x.shape[1]
        for matrix, pairs in self.derivative.products.items():
            for g, v in pairs:
                g_value, v_value = (torch.atleast_1d(self._value(node)) for node in (g, v))
                g_value = g_value.expand(B, g_value.shape[-1])
                v_value = v_value.expand(B, v_value.shape[-1])
                sums[matrix] = sums.get(matrix, 0) + g_value.mT @ v_value
        for vector, g in self.derivative.vectors.items():
            like = self._value(vector)
            g_value = self._value(g)
            summed = g_value.expand(B, g_value.shape[-1]).sum(0)
            sums[vector] = sums.get(vector, 0) + summed.sum_to_size(like.shape)

    def _through_weights(self, sums: dict[Expression, Tensor]) -> dict[str, Tensor]:
        """From gradients of weight expressions to those of the weights, by autograd."""
        parameters = {
            name: value.detach().requires_grad_()
            for name, value in self.operands.parameters.items()
        }
        values = list(self.values)
        for node, slot in self.leaves.get("parameter", ()):
            values[slot] = parameters[node.name]
        with torch.enable_grad():
            run(self.before, values)
        roots = [values[self.plan.slots[node]] for node in sums]
        found = (
            torch.autograd.grad(
                roots,
                list(parameters.values()),
                [
                    total.reshape(root.shape)
                    for total, root in zip(sums.values(), roots, strict=True)
                ],
                allow_unused=True,
            )
            if roots
            else [None] * len(parameters)
        )
        return {
            name: torch.zeros_like(value) if g is None else g
            for (name, value), g in zip(parameters.items(), found, strict=True)
        }


def _like(value: Tensor, like: Tensor) -> Tensor:
    return value if value.shape == like.shape else value.sum_to_size(like.shape)
