"""Changes of a cell's graph: how lengths, resets, masks and clamps enter every backend at once.

Each function returns a new graph with further leaves; nothing else has to know about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from gatewise.equations.expression import (
    Matrix,
    Value,
    constant_leaf,
    given_leaf,
    input_leaf,
    number,
    state_leaf,
)
from gatewise.equations.graph import ACTIVATIONS, Graph
from gatewise.equations.primitives import noise, where
from gatewise.equations.size import Size
from gatewise.equations.symbol import EquationError, Expression, topological

Mapper = Callable[[Expression, tuple[Expression, ...]], Expression]

FACTORS = ("multiply", *ACTIVATIONS)
"""What may stand between a last state and the product that reads it."""


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


def recurrent_products(graph: Graph) -> dict[Expression, tuple[str, ...]]:
    """The products that read a last state, and which: plain, multiplied by a gate, or activated.

    ``U.f @ h``, ``U.n @ (r * h)`` and ``U.z @ tanh(h)`` read ``h``; ``R.h @ (o * tanh(c))`` with
    the new ``c`` reads no last state.
    """
    return {
        node: tuple(sorted(leaf.name for leaf in read))
        for node in graph.order
        if node.operation == "product" and (read := _read_states(node.operands[1]))
    }


def recurrent_matrices(graph: Graph) -> tuple[str, ...]:
    """The names of the matrices of weights in `recurrent_products`."""
    matrices = [product.operands[0] for product in recurrent_products(graph)]
    leaves = [node for node in topological(matrices) if isinstance(node, Matrix)]
    return tuple(node.name for node in leaves if node.operation == "parameter")


def _read_states(operand: Expression) -> set[Expression]:
    """States among the factors of an operand."""
    if operand.operation == "state":
        return {operand}
    if operand.operation in FACTORS:
        return set().union(*map(_read_states, operand.operands))
    return set()


@lru_cache(maxsize=256)
def with_recurrent_mask(graph: Graph, states: tuple[str, ...]) -> Graph:
    """Recurrent products read a masked state (Gal & Ghahramani 2016, variational dropout).

    Adds a given value ``mask_<state>`` of the state's size for each state named; see
    `recurrent_products` for what is masked. Comes before `with_reset`, whose states are no longer
    plain.

    Raises:
        EquationError: the cell has no such state, or resets already.
    """
    _check_states(graph, states)
    if "reset" in graph.inputs:
        raise EquationError(f"cell {graph.name!r} resets already: mask it before.")
    masked: dict[Expression, Value] = {
        state_leaf(name): state_leaf(name) * given_leaf(f"mask_{name}") for name in states
    }
    sizes = {f"mask_{name}": graph.states[name] for name in states}

    def mask(operand: Expression) -> Expression:
        """The operand with the mask on the states among its factors."""
        if operand in masked:
            return masked[operand]
        if operand.operation in FACTORS:
            return _same(operand, tuple(map(mask, operand.operands)))
        return operand

    def change(node: Expression, operands: tuple[Expression, ...]) -> Expression:
        if node.operation == "product":
            return type(node)("product", (operands[0], mask(operands[1])))
        return _same(node, operands)

    return renewed(graph, rebuild(graph.roots, {}, change), givens={**graph.givens, **sizes})


@lru_cache(maxsize=256)
def with_zoneout(graph: Graph, rates: tuple[tuple[str, float], ...]) -> Graph:
    """Units of a state keep their last value at random, with the constant ``zoneout_<state>``.

    Krueger et al. (2017), equations 4 and 5: what a step computes from its new states is computed
    from those before zoneout. The random numbers are `noise` of an input ``zoneout_step`` of size 1
    and of a given ``zoneout_seed_<state>`` for each state named. Comes before `with_reset` and
    `with_lengths`.

    Raises:
        EquationError: the cell has no such state.
    """
    states = [name for name, _ in rates]
    _check_states(graph, states)
    changed = {}
    for name in states:
        random = noise(given_leaf(f"zoneout_seed_{name}"), input_leaf("zoneout_step"))
        held = random < constant_leaf(f"zoneout_{name}")
        changed[name] = where(held, state_leaf(name), graph.new_states[name])
    return _with_states(
        graph,
        changed,
        inputs={**graph.inputs, "zoneout_step": 1},
        givens={**graph.givens, **{f"zoneout_seed_{name}": graph.states[name] for name in states}},
        constants={**graph.constants, **{f"zoneout_{name}": float(rate) for name, rate in rates}},
    )


@lru_cache(maxsize=256)
def with_expected_zoneout(graph: Graph, rates: tuple[tuple[str, float], ...]) -> Graph:
    """Every state named is the mean of what `with_zoneout` makes it: ``p · old + (1 - p) · new``.

    Adds a constant ``zoneout_<state>`` for each state named.

    Raises:
        EquationError: the cell has no such state.
    """
    _check_states(graph, [name for name, _ in rates])
    changed = {}
    for name, _ in rates:
        rate = constant_leaf(f"zoneout_{name}")
        changed[name] = rate * state_leaf(name) + (1 - rate) * graph.new_states[name]
    added = {f"zoneout_{name}": float(rate) for name, rate in rates}
    return _with_states(graph, changed, constants={**graph.constants, **added})


def _with_states(graph: Graph, changed: Mapping[str, Value], **changes: object) -> Graph:
    """Other new states, in the named values and in the output too where these are the states."""
    output = graph.output
    for name, value in changed.items():
        if graph.output is graph.new_states[name]:
            output = value
    own = {n: v for n, v in changed.items() if graph.values.get(n) is graph.new_states[n]}
    return replace(
        graph,
        values={**graph.values, **own},
        new_states={**graph.new_states, **changed},
        output=output,
        **changes,  # type: ignore[arg-type]
    )


def _check_states(graph: Graph, states: Sequence[str]) -> None:
    unknown = [name for name in states if name not in graph.states]
    if unknown:
        raise EquationError(
            f"cell {graph.name!r} has no state {', '.join(unknown)}; "
            f"its states: {', '.join(graph.states)}."
        )


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


def without_bias(graph: Graph) -> Graph:
    """The same graph with every bias ``b.k`` zero; biases are then no parameters."""
    biases = [each.leaf for each in graph.parameters.values() if each.namespace == "b"]
    return substitute(graph, dict.fromkeys(biases, number(0)))
