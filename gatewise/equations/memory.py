"""How a cell keeps what it knows: which gates multiply the last value of a state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gatewise.equations.expression import Value, number_of
from gatewise.equations.graph import Graph
from gatewise.equations.intervention import named_pre_activations, unchanged
from gatewise.equations.symbol import Expression, topological


@dataclass(frozen=True)
class ForgetGate:
    """A gate that decides how much of a state survives a step.

    Attributes:
        gate: its name.
        state: the state it multiplies.
        keeps: whether an open gate keeps the state (``f * c``) or replaces it (``(1 - z) * h``).
        bias: the name of the bias in its pre-activation; None where it has none.
        input_bias: the bias of the gate that lets new values into the same state (``i`` of
            ``f * c + i * g``); None where no gate of its own does that.
    """

    gate: str
    state: str
    keeps: bool
    bias: str | None
    input_bias: str | None


def forget_gates(graph: Graph) -> list[ForgetGate]:
    """The gates in ``gate * state`` or ``(1 - gate) * state`` among the terms of the new state."""
    names = _sigmoids(graph)
    found = []
    for state, new in graph.new_states.items():
        value = unchanged(_while_alive(new))
        for factor in _factors_of_state(value, state):
            kept = names.get(factor)
            complement = _complement(factor)
            gate = kept or (names.get(complement) if complement is not None else None)
            if gate is not None:
                let_in = _input_gate(graph, value, gate)
                bias = _bias(graph, let_in) if let_in else None
                found.append(ForgetGate(gate, state, kept is not None, _bias(graph, gate), bias))
    return found


def has_forget_bias(graph: Graph) -> bool:
    """Whether a forget gate has a bias, which says how much it keeps at the beginning."""
    return any(gate.bias for gate in forget_gates(graph))


def _input_gate(graph: Graph, value: Expression, forget_gate: str) -> str | None:
    """The other sigmoid that is a factor of a term of the state's sum."""
    names = _sigmoids(graph)
    for term in sum_terms(value):
        if term.operation == "multiply":
            for factor in term.operands:
                if names.get(factor, forget_gate) != forget_gate:
                    return names[factor]
    return None


def _sigmoids(graph: Graph) -> dict[Expression, str]:
    """The gates that lie between 0 (shut) and 1 (open)."""
    return {
        value: name
        for name, value in graph.values.items()
        if value is not graph.output and unchanged(value).operation == "sigmoid"
    }


def _factors_of_state(value: Expression, state: str) -> Iterator[Expression]:
    for term in sum_terms(value):
        if term.operation == "multiply":
            for factor, other in (term.operands, term.operands[::-1]):
                if _is_last(other, state):
                    yield factor


def _is_last(value: Expression, state: str) -> bool:
    """Whether it is a last state, as it was or after a reset."""
    if value.operation == "where":
        return any(_is_last(operand, state) for operand in value.operands[1:])
    return value.operation == "state" and value.name == state


def _while_alive(value: Value) -> Value:
    """The new value of a state while its sequence lasts: without what `with_lengths` adds."""
    if value.operation != "where":
        return value
    condition, new, _ = value.operands
    if all(leaf.name != "alive" for leaf in topological([condition])):
        return value
    assert isinstance(new, Value)
    return new


def sum_terms(value: Expression) -> Iterator[Expression]:
    """The terms of a sum, however it is bracketed."""
    if value.operation == "add":
        for operand in value.operands:
            yield from sum_terms(operand)
    else:
        yield value


def _complement(factor: Expression) -> Expression | None:
    """g, where the factor is 1 - g."""
    if factor.operation == "subtract" and number_of(factor.operands[0]) == 1:
        return factor.operands[1]
    return None


def _bias(graph: Graph, gate: str) -> str | None:
    for term in sum_terms(named_pre_activations(graph)[gate]):
        if term.operation == "parameter" and term.attributes[0] == "b":
            return term.name
    return None
