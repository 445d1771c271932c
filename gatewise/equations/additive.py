"""Which states a cell updates by adding: new = kept * old + written, unit by unit.

`kept` may depend on inputs, on other states, even on the state itself through a gate that peeps at
it: its value at a step is what the old state was multiplied with there. What counts is that one
path of plain arithmetic leads from the old state to the new one, and none that mixes units.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewise.equations.expression import Condition, Value, number
from gatewise.equations.graph import ACTIVATIONS, Graph
from gatewise.equations.primitives import where
from gatewise.equations.symbol import EquationError, Expression, topological


@dataclass(frozen=True)
class Additive:
    """A state's update as ``kept * old + written``.

    Attributes:
        state: its name.
        kept: what the old value is multiplied with.
        written: what is added to that.
    """

    state: str
    kept: Value
    written: Value


@dataclass(frozen=True)
class _Mixed:
    """The old state is there, but not as a factor unit by unit; why, in words."""

    why: str


_Kept = Value | _Mixed | None
_Parts = tuple[_Kept, Value]
"""Factor of the old state, None where the old state is no summand, and the rest."""


def additive_update(graph: Graph, state: str) -> Additive:
    """Split the update of a state into what it keeps and what it writes.

    Args:
        graph: the equations.
        state: the name of a state.

    Raises:
        EquationError: the cell has no such state, or its update is of another form; the message
            says where it leaves it.

    Example:
        >>> from gatewise.cells import get
        >>> update = additive_update(get("lstm").graph, "c")
        >>> update.kept is get("lstm").graph.values["f"]
        True
    """
    if state not in graph.states:
        raise EquationError(
            f"cell {graph.name!r} has no state {state!r}; it has {', '.join(graph.states)}."
        )
    new = graph.new_states[state]
    kept, written = _Split(graph, state).split(new)
    if isinstance(kept, _Mixed):
        raise EquationError(
            f"cell {graph.name!r}: {state} is not updated by adding unit by unit: {kept.why}."
        )
    if kept is None or _only_waits(new, graph, state):
        raise EquationError(
            f"cell {graph.name!r}: {state} is not updated by adding; each step makes it anew, and "
            f"its last value enters {_entrance(new, state)}."
        )
    return Additive(state, kept, written)


def additive_states(graph: Graph) -> list[str]:
    """The cell's states that are updated by adding, in its order."""
    # an intervention may add a state, which is no value of the cell
    return [name for name in graph.states if name in graph.values and _is_additive(graph, name)]


def _is_additive(graph: Graph, state: str) -> bool:
    try:
        additive_update(graph, state)
    except EquationError:
        return False
    return True


def _only_waits(new: Value, graph: Graph, state: str) -> bool:
    """Whether the old value is kept only past the end of a sequence, by ``where(alive, ...)``."""
    if new.operation != "where" or "alive" not in graph.inputs:
        return False
    _, value, other = new.operands
    waits = other.operation == "state" and other.name == state
    assert isinstance(value, Value)
    return waits and _Split(graph, state).split(value)[0] is None


def _entrance(new: Value, state: str) -> str:
    """Through which functions the old state reaches the new one."""
    through = {
        node.operation
        for node in topological([new])
        if node.operation in FUNCTIONS
        and any(leaf.operation == "state" and leaf.name == state for leaf in topological([node]))
    }
    return f"only through {', '.join(sorted(through))}" if through else "nowhere"


FUNCTIONS = (*ACTIVATIONS, "layer_norm", "maximum", "minimum", "absolute", "sqrt", "log")


class _Split:
    """Finds the two parts of every expression between the old state and the new one."""

    def __init__(self, graph: Graph, state: str):
        self.graph, self.state = graph, state
        self.parts: dict[Expression, _Parts] = {}

    def split(self, root: Value) -> _Parts:
        for node in topological([root]):
            if isinstance(node, Value) and node not in self.parts:
                self.parts[node] = self._parts(node)
        return self.parts[root]

    def _parts(self, node: Value) -> _Parts:
        if node.operation == "state" and node.name == self.state:
            return number(1), number(0)
        operands = [operand for operand in node.operands if isinstance(operand, Value)]
        written = [self.parts[operand][1] for operand in operands]
        kept: list[Value | None] = []
        for operand in operands:
            part = self.parts[operand][0]
            if isinstance(part, _Mixed):
                return (part if node.operation in LINEAR else None), node
            kept.append(part)
        if all(part is None for part in kept):
            return None, node
        return _combine(node, operands, kept, written)


def _combine(
    node: Value, operands: list[Value], kept: list[Value | None], written: list[Value]
) -> _Parts:
    """The parts of one operation from those of its operands."""
    match node.operation, kept:
        case (("add" | "subtract"), [first, second]):
            minus = node.operation == "subtract"
            signed = -second if minus and second is not None else second
            return _sum(first, signed), written[0] - written[1] if minus else written[0] + written[
                1
            ]
        case "negate", [Value() as first]:
            return -first, -written[0]
        case "detach", [first]:
            return first, written[0]
        case "multiply", [Value() as first, None]:
            return first * operands[1], written[0] * operands[1]
        case "multiply", [None, Value() as second]:
            return operands[0] * second, operands[0] * written[1]
        case "multiply", _:
            return _Mixed(f"`{node}` multiplies it with itself"), node
        case "divide", [Value() as first, None]:
            return first / operands[1], written[0] / operands[1]
        case "where", [first, second]:
            condition = node.operands[0]
            assert isinstance(condition, Condition)
            chosen = where(condition, *(number(0) if k is None else k for k in (first, second)))
            return chosen, where(condition, *written)
        case "product", _:
            return _Mixed(f"in `{node}` a matrix mixes its units"), node
        case "row_sum", _:
            return _Mixed(f"`{node}` adds its units up"), node
    return None, node  # what comes out of a function is written at this step


LINEAR = (
    "add",
    "subtract",
    "negate",
    "detach",
    "multiply",
    "divide",
    "where",
    "product",
    "row_sum",
)


def _sum(a: Value | None, c: Value | None) -> Value | None:
    if a is None or c is None:
        return c if a is None else a
    return a + c
