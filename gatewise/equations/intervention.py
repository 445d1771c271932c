"""Changes of a graph that hold or replace what it computes, and the way back to the equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from gatewise.equations.expression import Value, given_leaf, input_leaf, number, state_leaf
from gatewise.equations.graph import ACTIVATIONS, Graph
from gatewise.equations.primitives import where
from gatewise.equations.rewrite import rebuild, renewed
from gatewise.equations.symbol import EquationError, Expression

FROZEN = "frozen_"
"""``frozen_f`` is the state that hands on what the value ``f`` was in the step before."""


@lru_cache(maxsize=256)
def with_freeze(graph: Graph, name: str) -> Graph:
    """A named value stays what it was in the step before wherever the input ``hold_<name>`` is 1.

    Adds that input and the state ``frozen_<name>``, which hands on the value; both of its size.

    Raises:
        EquationError: the cell has no value of that name.
    """
    if name not in graph.values:
        raise EquationError(
            f"cell {graph.name!r} has no value {name!r}; it has {', '.join(graph.values)}."
        )
    value, state = graph.values[name], FROZEN + name
    size = graph.sizes.values[value]
    held = where(number(0.5) < input_leaf(f"hold_{name}"), state_leaf(state), value)
    new = rebuild(graph.roots, {value: held})
    return replace(
        graph,
        inputs={**graph.inputs, f"hold_{name}": size},
        states={**graph.states, state: size},
        values={key: new[old] for key, old in graph.values.items()},
        new_states={**{key: new[old] for key, old in graph.new_states.items()}, state: held},
        output=new[graph.output],
    )  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def with_replaced_state(graph: Graph, state: str) -> Graph:
    """Before a step, a state becomes ``replacement_<state>`` where ``replaced_<state>`` is 1.

    Adds these two inputs, of the state's size. It comes after a reset of the same step.

    Raises:
        EquationError: the cell has no state of that name.
    """
    if state not in graph.states:
        raise EquationError(
            f"cell {graph.name!r} has no state {state!r}; its states: {', '.join(graph.states)}."
        )
    last: Expression = state_leaf(state)
    if "reset" in graph.inputs:
        last = where(number(0.5) < input_leaf("reset"), given_leaf(f"initial_{state}"), last)  # type: ignore[arg-type]
    replaced = number(0.5) < input_leaf(f"replaced_{state}")
    entered = where(replaced, input_leaf(f"replacement_{state}"), last)  # type: ignore[arg-type]
    size = graph.states[state]
    inputs = {f"replaced_{state}": size, f"replacement_{state}": size}
    return renewed(graph, rebuild(graph.roots, {last: entered}), inputs={**graph.inputs, **inputs})


def unchanged(value: Value) -> Value:
    """What a named value would be without clamp, freeze and change."""
    if value.operation == "where" and _is_held(value.operands[0]):
        return unchanged(value.operands[2])  # type: ignore[arg-type]
    if value.operation == "add" and _is_input(value.operands[1], "change_"):
        return unchanged(value.operands[0])  # type: ignore[arg-type]
    return value


def _is_held(condition: Expression) -> bool:
    return condition.operation == "less" and _is_input(condition.operands[1], "clamped_", "hold_")


def _is_input(leaf: Expression, *prefixes: str) -> bool:
    return leaf.operation == "input" and leaf.name.startswith(prefixes)


def named_pre_activations(graph: Graph) -> Mapping[str, Value]:
    """The argument of each named value's activation, in a graph that is intervened in too."""
    plain = {name: unchanged(value) for name, value in graph.values.items()}
    return {
        name: value.operands[0]  # type: ignore[misc]
        for name, value in plain.items()
        if value.operation in ACTIVATIONS
    }
