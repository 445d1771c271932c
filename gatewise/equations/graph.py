"""A cell's equations as a graph, with its sizes and its parameters; JSON and back."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from gatewise.equations import expression as symbols
from gatewise.equations.expression import Condition, Matrix, Value
from gatewise.equations.namespace import SCALARS
from gatewise.equations.parameter import Parameter
from gatewise.equations.size import Size, Sizes, check_size, infer_sizes
from gatewise.equations.symbol import EquationError, Expression, topological

ACTIVATIONS = ("sigmoid", "tanh", "relu", "exp", "softplus", "sin", "cos")


def check_state_name(name: object) -> None:
    """Raise an EquationError for what cannot be a field of a named tuple, as states are."""
    plain = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    if not plain or str(name).startswith("_"):
        raise EquationError(
            f"{name!r} cannot be the name of a state; use plain words: states=('h', 'c')."
        )


@dataclass(frozen=True, eq=False)
class Graph:
    """One step of a cell.

    Attributes:
        name: the cell's name.
        inputs: sizes of what each step is given, ``x`` first.
        states: sizes of what a step hands to the next.
        values: every named value, in the order the cell returns them.
        new_states: the value that each state takes after the step.
        output: the value that a layer returns.
        constants: named numbers and their present values.
        givens: sizes of what is given once per call (masks, initial states); rewrites add these.
    """

    name: str
    inputs: Mapping[str, Size]
    states: Mapping[str, Size]
    values: Mapping[str, Value]
    new_states: Mapping[str, Value]
    output: Value
    constants: Mapping[str, float]
    givens: Mapping[str, Size]

    def __post_init__(self) -> None:
        for name, size in (*self.inputs.items(), *self.states.items(), *self.givens.items()):
            check_size(name, size)
        for name in self.states:
            check_state_name(name)
        # wrong sizes and blocks are an error here, not at the first use
        self.sizes  # noqa: B018
        self.parameters  # noqa: B018

    def __deepcopy__(self, memo: object) -> Graph:
        return self

    def __reduce__(self):
        return Graph.from_dict, (self.to_dict(),)

    @cached_property
    def roots(self) -> tuple[Value, ...]:
        """Everything that a step computes, named values first."""
        return tuple(dict.fromkeys((*self.values.values(), *self.new_states.values(), self.output)))

    @cached_property
    def order(self) -> tuple[Expression, ...]:
        """All expressions, operands first."""
        return tuple(topological(self.roots))

    @cached_property
    def sizes(self) -> Sizes:
        """The size of every expression."""
        leaves: dict[Expression, Size] = {}
        for make, sizes in (
            (symbols.input_leaf, self.inputs),
            (symbols.given_leaf, self.givens),
            (symbols.state_leaf, self.states),
        ):
            leaves.update({make(name): size for name, size in sizes.items()})
        results: dict[Expression, list[tuple[str, Size]]] = {}
        for name, value in self.new_states.items():
            results.setdefault(value, []).append((name, self.states[name]))
        return infer_sizes(self.roots, leaves, results)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The learned weights in the order of their first use."""
        blocks = self._blocks()
        operand: dict[Expression, Expression] = {}
        for node in self.order:
            if node.operation == "product":
                matrix = node.operands[0]
                plain = matrix.operands[0] if matrix.operation == "block_diagonal" else matrix
                operand.setdefault(plain, node.operands[1])
        return {
            leaf.name: Parameter(
                leaf.name, leaf, self._shape(leaf), blocks.get(leaf, 1), operand.get(leaf)
            )
            for leaf in self._learned()
        }

    def _learned(self) -> dict[Expression, None]:
        """The weights, in the order in which a step computes with them."""
        numbers = [node for node in self.order if isinstance(node, Value | Condition)]
        uses = [part for node in numbers for part in node.operands]
        found: dict[Expression, None] = {}
        for use in (*uses, *self.roots):
            parts = topological([use]) if isinstance(use, Matrix) else [use]
            found.update(dict.fromkeys(n for n in parts if n.operation == "parameter"))
        return found

    def _blocks(self) -> dict[Expression, int]:
        """How many blocks each matrix has; it must be the same wherever it is used."""
        blocks: dict[Expression, int] = {}
        for node in self.order:
            for leaf in node.operands:
                if isinstance(leaf, Matrix) and leaf.operation == "parameter":
                    count = node.attributes[0] if node.operation == "block_diagonal" else 1
                    if blocks.setdefault(leaf, count) != count:
                        raise EquationError(
                            f"{leaf} has {blocks[leaf]} blocks in one place, {count} in another."
                        )
        return blocks

    def _shape(self, leaf: Expression) -> tuple[Size, ...]:
        if isinstance(leaf, Matrix):
            return self.sizes.matrices[leaf]
        return () if leaf.attributes[0] in SCALARS else (self.sizes.values[leaf],)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """Named activations: the values whose outermost operation is one, the output apart."""
        return tuple(
            name
            for name, value in self.values.items()
            if value.operation in ACTIVATIONS and value is not self.output
        )

    @cached_property
    def pre_activations(self) -> dict[str, Value]:
        """The argument of each named value's outermost activation, where there is one."""
        return {
            name: value.operands[0]  # type: ignore[misc]
            for name, value in self.values.items()
            if value.operation in ACTIVATIONS
        }

    def with_constants(self, constants: Mapping[str, float]) -> Graph:
        """The same graph with other values of its named constants."""
        unknown = set(constants) - set(self.constants)
        if unknown:
            raise EquationError(
                f"cell {self.name!r} has no constant {', '.join(sorted(unknown))}; "
                f"it has {', '.join(self.constants) or 'none'}."
            )
        return replace(
            self, constants={**self.constants, **{k: float(v) for k, v in constants.items()}}
        )

    def to_dict(self) -> dict[str, Any]:
        """A description for a JSON document; `from_dict` reads it back."""
        index = {node: k for k, node in enumerate(self.order)}
        nodes = [
            [node.operation, [index[operand] for operand in node.operands], list(node.attributes)]
            for node in self.order
        ]
        return {
            "name": self.name,
            "inputs": dict(self.inputs),
            "states": dict(self.states),
            "givens": dict(self.givens),
            "constants": dict(self.constants),
            "nodes": nodes,
            "values": {name: index[value] for name, value in self.values.items()},
            "new_states": {name: index[value] for name, value in self.new_states.items()},
            "output": index[self.output],
        }

    @classmethod
    def from_dict(cls, document: Any) -> Graph:
        """Read what `to_dict` wrote; nothing in it is executed.

        Raises:
            EquationError: the document is damaged or comes from elsewhere.
        """
        from gatewise.equations.document import read_graph

        return read_graph(document)
