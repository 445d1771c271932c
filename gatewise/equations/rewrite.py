"""Changes of a cell's graph: how lengths, resets, masks and clamps enter every backend at once.

Each function returns a new graph with further leaves; nothing else has to know about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from gatewise.equations.expression import Value, given_leaf, input_leaf, number, state_leaf
from gatewise.equations.graph import Graph
from gatewise.equations.primitives import where
from gatewise.equations.size import Size
from gatewise.equations.symbol import EquationError, Expression, topological

Mapper = Callable[[Expression, tuple[Expression, ...]], Expression]


def rebuild(
    roots: Iterable[Expression],
    replaced: Mapping[Expression, Expression],
    change: Mapper | None = None,
) -> dict[Expression, Expression]:
    """New versions of all expressions under `roots`, with some of them replaced.

    Args:
        roots: what to rebuild.
        replaced: expressions and what stands for them; their operands are not looked at.
        change: called with every other node and its new operands; says what the node becomes.
    """
    new: dict[Expression, Expression] = {}
    for node in topological(roots):
        if node in replaced:
            new[node] = replaced[node]
            continue
        operands = tuple(new[operand] for operand in node.operands)
        new[node] = change(node, operands) if change else _same(node, operands)
    return new


def _same(node: Expression, operands: tuple[Expression, ...]) -> Expression:
    """The node with new operands, by the operators, so that 0 + a and 1 * a vanish."""
    if operands == node.operands:
        return node
    match node.operation, operands:
        case "add", (Value() as a, Value() as c):
            return a + c
        case "subtract", (Value() as a, Value() as c):
            return a - c
        case "multiply", (Value() as a, Value() as c):
            return a * c
        case "negate", (Value() as a,):
            return -a
    return type(node)(node.operation, operands, node.attributes)


def substitute(graph: Graph, replaced: Mapping[Expression, Expression]) -> Graph:
    """The graph with some of its expressions replaced everywhere."""
    new = rebuild(graph.roots, replaced)
    return renewed(graph, new)


def renewed(graph: Graph, new: Mapping[Expression, Expression], **changes: object) -> Graph:
    """The graph with its expressions replaced by their new versions, and other changes."""
    return replace(
        graph,
        values={name: new[value] for name, value in graph.values.items()},
        new_states={name: new[value] for name, value in graph.new_states.items()},
        output=new[graph.output],
        **changes,  # type: ignore[arg-type]
    )


@lru_cache(maxsize=256)
def with_reset(graph: Graph) -> Graph:
    """Before a step whose input ``reset`` is 1, every state returns to ``initial_<state>``.

    Adds the input ``reset`` (0 or 1, size 1) and a given value for each state.
    """
    start = number(0.5) < input_leaf("reset")
    initial = {name: given_leaf(f"initial_{name}") for name in graph.states}
    replaced: dict[Expression, Expression] = {
        state_leaf(name): where(start, initial[name], state_leaf(name)) for name in graph.states
    }
    givens = {f"initial_{name}": size for name, size in graph.states.items()}
    return renewed(
        graph,
        rebuild(graph.roots, replaced),
        inputs={**graph.inputs, "reset": 1},
        givens={**graph.givens, **givens},
    )


@lru_cache(maxsize=256)
def with_lengths(graph: Graph) -> Graph:
    """At a step whose input ``alive`` is 0, the state stays as it is and the output is zero.

    Adds the input ``alive`` (0 or 1, size 1).
    """
    alive = number(0.5) < input_leaf("alive")
    return replace(
        graph,
        inputs={**graph.inputs, "alive": 1},
        new_states={
            name: where(alive, value, state_leaf(name)) for name, value in graph.new_states.items()
        },
        output=where(alive, graph.output, number(0)),
    )


@lru_cache(maxsize=256)
def with_recurrent_mask(graph: Graph, states: tuple[str, ...]) -> Graph:
    """Recurrent products read a masked state (Gal & Ghahramani 2016, variational dropout).

    Adds a given value ``mask_<state>`` of the state's size for each state named. Comes before
    `with_reset`, whose states are no longer plain.

    Raises:
        EquationError: the cell has no such state, or resets already.
    """
    unknown = [name for name in states if name not in graph.states]
    if unknown or "reset" in graph.inputs:
        wrong = f"no state {', '.join(unknown)}" if unknown else "resets already: mask it before"
        raise EquationError(f"cell {graph.name!r}: {wrong}; its states: {', '.join(graph.states)}.")
    masked = {state_leaf(name): given_leaf(f"mask_{name}") for name in states}
    sizes = {f"mask_{name}": graph.states[name] for name in states}

    def change(node: Expression, operands: tuple[Expression, ...]) -> Expression:
        if node.operation == "product" and operands[1] in masked:
            state = operands[1]
            assert isinstance(state, Value)
            return type(node)("product", (operands[0], state * masked[state]))
        return _same(node, operands)

    return renewed(graph, rebuild(graph.roots, {}, change), givens={**graph.givens, **sizes})


@lru_cache(maxsize=256)
def with_clamp(graph: Graph, name: str) -> Graph:
    """A named value becomes ``clamp_<name>`` wherever the input ``clamped_<name>`` is 1.

    Adds two inputs of the value's size; everything computed from the value sees the change.

    Raises:
        EquationError: the cell has no value of that name.
    """
    value = _named_value(graph, name)
    size: Size = graph.sizes.values[value]
    held = number(0.5) < input_leaf(f"clamped_{name}")
    clamped = where(held, input_leaf(f"clamp_{name}"), value)
    return renewed(
        graph,
        rebuild(graph.roots, {value: clamped}),
        inputs={**graph.inputs, f"clamped_{name}": size, f"clamp_{name}": size},
    )


@lru_cache(maxsize=256)
def with_change(graph: Graph, name: str) -> Graph:
    """The input ``change_<name>`` is added to a named value; all that is computed from it sees it.

    With zeros for the input nothing changes, and the gradient of the input is the value's own,
    through everything that the value reaches. Where a cell hands on what it was given (an input or
    a last state, untouched), only what is handed on is changed.

    Raises:
        EquationError: the cell has no value of that name.
    """
    value = _named_value(graph, name)
    size: Size = graph.sizes.values[value]
    changed = value + input_leaf(f"change_{name}")
    inputs = {**graph.inputs, f"change_{name}": size}
    if value.operands:
        return renewed(graph, rebuild(graph.roots, {value: changed}), inputs=inputs)
    states = {name: changed} if name in graph.states else {}
    return replace(
        graph,
        inputs=inputs,
        values={**graph.values, name: changed},
        new_states={**graph.new_states, **states},
    )


def _named_value(graph: Graph, name: str) -> Value:
    if name not in graph.values:
        raise EquationError(
            f"cell {graph.name!r} has no value {name!r}; it has {', '.join(graph.values)}."
        )
    return graph.values[name]
