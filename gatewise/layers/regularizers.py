"""Regularisers of recurrent layers: dropout on inputs, states and weights, and zoneout.

Masks, and the seeds of zoneout's, are drawn here, by torch's generator, and enter the equations as
givens or inputs: every backend computes with the same ones, and ``torch.manual_seed`` repeats them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from gatewise.backends import Operands, Stacked, constant, random_bits
from gatewise.equations import Graph
from gatewise.equations.rewrite import (
    recurrent_matrices,
    recurrent_products,
    with_expected_zoneout,
    with_recurrent_mask,
    with_zoneout,
)

Zoneout = float | Mapping[str, float]


@dataclass(frozen=True)
class Regularizers:
    """Probabilities of the noise that training adds; 0 for none.

    What is dropped becomes zero and what stays is divided by ``1 - p``, so that the mean is that of
    evaluation, where there is no noise. Zoneout scales nothing: evaluation takes the expectation.

    Attributes:
        input_dropout: of a unit of each layer's input, for all steps alike: one mask ``(B, I)`` a
            call (Gal & Ghahramani 2016, equation 7).
        recurrent_dropout: of a unit of each state that a recurrent product reads, for all steps
            alike: one mask ``(B, size)`` a call, state, layer and direction (likewise). The state
            itself stays whole: only the products read zeros.
        weight_drop: of a single weight of the recurrent matrices, for all steps and sequences alike
            (DropConnect; Merity et al. 2018, section 2).
        zoneout: that a unit of a state keeps its last value, drawn anew at every step (Krueger et
            al. 2017, equations 4 and 5): one number for all states, or by state,
            ``{"h": 0.05, "c": 0.5}``. A call draws B · size numbers a state and T
            besides; each step mixes its own out of them, forward and backward, and keeps none.
    """

    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    zoneout: Zoneout = 0.0

    def check(self, graph: Graph) -> None:
        """Raise a ValueError for what is no probability, or does nothing in this cell."""
        for name in ("input_dropout", "recurrent_dropout", "weight_drop"):
            _check_probability(name, getattr(self, name))
        for name in ("recurrent_dropout", "weight_drop"):
            if getattr(self, name) and not recurrent_products(graph):
                raise ValueError(
                    f"{name}: cell {graph.name!r} multiplies no last state by a matrix, so it has "
                    "nothing to drop; use zoneout or input_dropout."
                )
        if isinstance(self.zoneout, Mapping):
            for state, rate in self.zoneout.items():
                _check_probability(f"zoneout of {state!r}", rate)
                if state not in graph.states:
                    raise ValueError(
                        f"zoneout: cell {graph.name!r} has no state {state!r}; its states: "
                        f"{', '.join(graph.states)}."
                    )
        else:
            _check_probability("zoneout", self.zoneout)

    @property
    def acts_in_training(self) -> bool:
        """Whether training differs from the plain equations."""
        return bool(self.input_dropout or self.recurrent_dropout or self.weight_drop or self.zones)

    @property
    def zones(self) -> bool:
        """Whether there is zoneout, which acts in evaluation too."""
        given = self.zoneout
        return any(given.values()) if isinstance(given, Mapping) else bool(given)

    def zoneout_rates(self, graph: Graph) -> dict[str, float]:
        """The probability of each state that has one, in the order of the cell."""
        given = self.zoneout
        rates = given if isinstance(given, Mapping) else dict.fromkeys(graph.states, given)
        return {name: float(rates[name]) for name in graph.states if rates.get(name)}

    def drop_input(self, x: Tensor) -> Tensor:
        """A layer's input ``(T, B, I)`` with the same units dropped at every step."""
        return x * _mask(x[:1], x.shape[1:], self.input_dropout) if self.input_dropout else x

    def noisy(self, graph: Graph) -> Graph:
        """The equations with noise; `draw` gives what they read."""
        if self.recurrent_dropout:
            graph = with_recurrent_mask(graph, _masked_states(graph))
        rates = self.zoneout_rates(graph)
        return with_zoneout(graph, tuple(rates.items())) if rates else graph

    def draw(self, graph: Graph, operands: Operands) -> Operands:
        """What the equations with noise read besides.

        Args:
            graph: the equations without noise.
            operands: what they read.
        """
        T, B = operands.x.shape[:2]
        inputs, givens = dict(operands.inputs), dict(operands.givens)
        parameters, states = operands.parameters, operands.states
        if self.recurrent_dropout:
            for name in _masked_states(graph):
                like = states[name]
                givens[f"mask_{name}"] = _mask(like, like.shape, self.recurrent_dropout)
        if self.weight_drop:
            parameters = _dropped(parameters, _dropped_weights(graph), self.weight_drop)
        rates = self.zoneout_rates(graph)
        for name in rates:
            givens[f"zoneout_seed_{name}"] = random_bits(states[name], B, states[name].shape[-1])
        if rates:
            step = random_bits(next(iter(states.values())), T, 1, 1)
            inputs["zoneout_step"] = step.expand(T, B, 1)
        return replace(operands, inputs=inputs, parameters=parameters, givens=givens)

    def in_evaluation(self, graph: Graph) -> Graph:
        """The equations without noise: zoneout becomes its expectation, the rest nothing."""
        if not self.zones:
            return graph
        return with_expected_zoneout(graph, tuple(self.zoneout_rates(graph).items()))


@constant
def _masked_states(graph: Graph) -> tuple[str, ...]:
    """The states that recurrent products read."""
    read = {state for names in recurrent_products(graph).values() for state in names}
    return tuple(name for name in graph.states if name in read)


@constant
def _dropped_weights(graph: Graph) -> tuple[str, ...]:
    return recurrent_matrices(graph)


def _dropped(
    parameters: Mapping[str, Tensor], names: Collection[str], probability: float
) -> Mapping[str, Tensor]:
    """Parameters with numbers of some dropped, whole stacks at once where they are stacked."""
    if isinstance(parameters, Stacked):
        stacking = parameters.stacking
        chosen = [sum(name in names for name in each) for each in stacking.members]
        if all(n in (0, len(each)) for n, each in zip(chosen, stacking.members, strict=True)):
            pairs = zip(parameters.tensors, chosen, strict=True)
            tensors = [functional.dropout(t, probability) if n else t for t, n in pairs]
            return Stacked(tensors, stacking)
    return {
        name: functional.dropout(value, probability) if name in names else value
        for name, value in parameters.items()
    }


def _mask(like: Tensor, shape: torch.Size, probability: float) -> Tensor:
    """Zeros with this probability, and otherwise what makes the mean one."""
    return functional.dropout(like.new_ones(shape), probability)


def _check_probability(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r}: a probability between 0 and 1.")
