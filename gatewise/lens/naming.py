"""What a step computes, by the names under which people read it."""

from __future__ import annotations

from functools import cached_property

from gatewise.equations import Graph
from gatewise.equations.expression import Value
from gatewise.equations.intervention import FROZEN, named_pre_activations
from gatewise.equations.text import to_text

PRE = "pre."
"""``pre.f`` names the pre-activation of f."""


class Names:
    """The names of a graph's values, pre-activations and products.

    Args:
        graph: one step as it ran, with whatever was written into it.
    """

    def __init__(self, graph: Graph):
        self.graph = graph

    @property
    def values(self) -> dict[str, Value]:
        """What the cell names."""
        return dict(self.graph.values)

    @cached_property
    def pre(self) -> dict[str, Value]:
        """Pre-activations: ``pre.f`` and so on."""
        return {PRE + name: node for name, node in named_pre_activations(self.graph).items()}

    @cached_property
    def products(self) -> dict[str, Value]:
        """Products by their matrix, ``U.f``; in full where a matrix multiplies several vectors."""
        nodes = [node for node in self.graph.order if node.operation == "product"]
        matrices = [to_text(node.operands[0]) for node in nodes]
        return {
            matrix if matrices.count(matrix) == 1 else to_text(node): node  # type: ignore[misc]
            for node, matrix in zip(nodes, matrices, strict=True)
        }

    @cached_property
    def families(self) -> tuple[dict[str, Value], ...]:
        """What is computed together."""
        return self.values, self.pre, self.products

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The cell's own states, without those that an intervention added."""
        return tuple(name for name in self.graph.states if not name.startswith(FROZEN))

    @cached_property
    def output(self) -> str:
        """The name of the value that the layer returns."""
        output = self._counted(self.graph.output)
        return next(name for name, value in self.graph.values.items() if value is output)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """Named activations, the output apart."""
        return tuple(n for n in named_pre_activations(self.graph) if n != self.output)

    @cached_property
    def handed_on(self) -> frozenset[str]:
        """The values that are new states, so that they are what the next step started from."""
        new = {name: self._counted(value) for name, value in self.graph.new_states.items()}
        return frozenset(n for n, v in self.graph.values.items() if new.get(n) is v)

    def _counted(self, value: Value) -> Value:
        """A state or output at steps that count, where lengths are written into the graph."""
        lengths = "alive" in self.graph.inputs and value.operation == "where"
        return value.operands[1] if lengths else value  # type: ignore[return-value]

    def __str__(self) -> str:
        return "; ".join(", ".join(family) for family in self.families)
