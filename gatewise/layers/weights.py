"""How a layer stores a cell's weights, and their initial values.

Weights of one namespace that share operand and shape are one parameter, stacked in the order of
their first use: the LSTM has ``W`` (4H, I), ``U`` (4H, H) and ``b`` (4H,), gates in the order i f g
o. Further stacks of a namespace carry the names of their members: ``U_n``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatewise.backends import Stacking
from gatewise.equations import Cell, Graph, Parameter
from gatewise.equations.cell import Initial, check_initial
from gatewise.equations.memory import forget_gates, has_forget_bias
from gatewise.equations.parameter import stored_shape


@dataclass(frozen=True)
class Stack:
    """Weights that are stored as one parameter.

    Attributes:
        name: such as ``W`` or ``U_n``.
        members: the weights, in order.
        shape: of one member, as stored.
    """

    name: str
    members: tuple[Parameter, ...]
    shape: tuple[int, ...]

    @property
    def stacked_shape(self) -> tuple[int, ...]:
        """``(n · rows, columns)``, ``(n · size,)`` or, for scalars, ``(n,)``."""
        count = len(self.members)
        return (count * self.shape[0], *self.shape[1:]) if self.shape else (count,)


def stacks(graph: Graph, sizes: Mapping[str, int]) -> list[Stack]:
    """The parameters that a layer of these sizes stores."""
    groups: dict[tuple, list[Parameter]] = {}
    for parameter in graph.parameters.values():
        key = (parameter.namespace, parameter.operand, parameter.shape, parameter.blocks)
        groups.setdefault(key, []).append(parameter)
    made: dict[str, Stack] = {}
    for (namespace, *_), members in groups.items():
        name = namespace
        if name in made:
            name = "_".join((namespace, *(p.key for p in members)))
        while name in made:  # U.a with U.b, and then U.a_b
            name += "_again"
        made[name] = Stack(name, tuple(members), stored_shape(members[0], sizes))
    return list(made.values())


def stacking(made: Sequence[Stack]) -> Stacking:
    """How these parameters hold their members."""
    members = tuple(tuple(p.name for p in stack.members) for stack in made)
    return Stacking(members, tuple(stack.shape for stack in made))


@dataclass(frozen=True)
class Initialization:
    """What a user asks of the initial values, beyond the cell's own.

    Attributes:
        initial: by parameter (``"b.f"``), namespace (``"U"``) or state (``"c"``).
        forget_bias: bias of every forget gate (Gers et al. 2000; Jozefowicz et al. 2015: 1).
        chrono: the longest dependency T_max expected, in steps; forget biases are then
            log U(1, T_max − 1) and input biases their negative (Tallec & Ollivier 2018, eq. 16).
    """

    initial: Mapping[str, Initial]
    forget_bias: float | None = None
    chrono: float | None = None

    def check(self, graph: Graph) -> None:
        """Raise a ValueError where the cell has nothing that an option speaks of."""
        check_initial(graph, self.initial, strict=True)
        if self.forget_bias is None and self.chrono is None:
            return
        if self.forget_bias is not None and self.chrono is not None:
            raise ValueError("give forget_bias or chrono, not both: each sets the forget biases.")
        if self.chrono is not None and self.chrono <= 2:
            raise ValueError(f"chrono={self.chrono}: the longest dependency must exceed 2 steps.")
        if not has_forget_bias(graph):
            biases = [p.name for p in graph.parameters.values() if p.namespace == "b"]
            others = (
                f', or set another bias, as in initial={{"{biases[0]}": 1.0}}' if biases else ""
            )
            raise ValueError(
                f"cell {graph.name!r} has no forget gate with a bias; leave forget_bias and chrono "
                f"out{others}."
            )

    def starts(self, cell: Cell, graph: Graph) -> dict[str, float]:
        """The numbers at which states start, where not at zero."""
        named = {**cell.initial, **self.initial}
        return {key: float(value) for key, value in named.items() if key in graph.states}  # type: ignore[arg-type]

    def forget_biases(self, graph: Graph, weights: Mapping[str, Tensor]) -> None:
        """Write the forget (and for chrono the input) biases."""
        for gate in forget_gates(graph):
            if gate.bias is None or (self.forget_bias is None and self.chrono is None):
                continue
            bias, sign = weights[gate.bias], 1.0 if gate.keeps else -1.0
            if self.forget_bias is not None:
                bias.fill_(sign * self.forget_bias)
            elif self.chrono is not None:
                drawn = torch.empty_like(bias).uniform_(1.0, self.chrono - 1.0).log_()
                bias.copy_(sign * drawn)
                if gate.input_bias is not None:
                    weights[gate.input_bias].copy_(-drawn)


@torch.no_grad()
def initialize(
    cell: Cell, graph: Graph, weights: Mapping[str, Tensor], H: int, options: Initialization
) -> None:
    """Fill weights in place: uniform in ±1/√H as torch does, then the cell's values, then yours.

    Args:
        cell: names initial values of its own.
        graph: its equations as the layer runs them.
        weights: views of every weight by name.
        H: hidden size.
        options: what the user asks for.
    """
    bound = 1.0 / math.sqrt(H)
    for value in weights.values():
        value.uniform_(-bound, bound)
    for rules in (cell.initial, options.initial):
        for name, value in weights.items():
            rule = rules.get(name, rules.get(name.split(".")[0]))  # a weight's own comes first
            if rule is not None:
                _fill(graph.parameters[name], value, rule)
    options.forget_biases(graph, weights)


def _fill(parameter: Parameter, value: Tensor, rule: Initial) -> None:
    if isinstance(rule, tuple):
        value.uniform_(*rule)
    elif not isinstance(rule, str):
        value.fill_(rule)
    else:
        fill = {
            "identity": nn.init.eye_,
            "orthogonal": nn.init.orthogonal_,
            "xavier": nn.init.xavier_uniform_,
        }[rule]
        for block in value.chunk(parameter.blocks):
            fill(block)
