"""What each value does in its cell, in words, read off the equations."""

from __future__ import annotations

from collections.abc import Iterator

from gatewise.equations import EquationError, Graph
from gatewise.equations.additive import additive_update
from gatewise.equations.expression import Expression, number_of, topological
from gatewise.equations.memory import ForgetGate, forget_gates, sum_terms

SQUASHED = ("tanh", "sigmoid", "relu", "sin", "softplus")


def roles_of(graph: Graph) -> dict[str, dict[str, str]]:
    """For each named value what it is called and what it decides.

    Example:
        >>> import gatewise as gw
        >>> roles_of(gw.cells.lstm.graph)["f"]["role"]
        'forget gate'
    """
    found: dict[str, tuple[str, str]] = {}
    output = next((n for n, v in graph.values.items() if v is graph.output), None)
    if output is not None:
        also = ", and hands to the next" if output in graph.states else ""
        found[output] = ("output", f"what the layer returns{also}")
    for gate in forget_gates(graph):
        if gate.keeps and gate.input_bias is None and _replaces(graph, gate):
            says = f"the share of {gate.state} that stays; the rest is replaced"
            found.setdefault(gate.gate, ("update gate", says))
        elif gate.keeps:
            found.setdefault(gate.gate, ("forget gate", f"the share of {gate.state} that stays"))
        else:
            says = f"the share of {gate.state} that is replaced"
            found.setdefault(gate.gate, ("update gate", says))
    for state in graph.states:
        for name, role in _of_written(graph, state):
            found.setdefault(name, role)
    for name in _gates(graph, graph.output):
        found.setdefault(name, ("output gate", "the share of the memory that is let out"))
    for state in graph.states:
        if state in graph.values:
            found.setdefault(state, ("state", f"what the step hands to the next as {state}"))
    for name in graph.gates:
        found.setdefault(name, _other(graph, name))
    return {name: {"role": role, "says": says} for name, (role, says) in found.items()}


def _replaces(graph: Graph, gate: ForgetGate) -> bool:
    """Whether what is written is weighed by 1 - gate: what stays and what comes add up to one."""
    value = graph.values[gate.gate]
    return any(
        node.operation == "subtract"
        and number_of(node.operands[0]) == 1
        and node.operands[1] is value
        for node in _factors(graph.new_states[gate.state])
    )


def _of_written(graph: Graph, state: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Input gates and candidates: the factors of what is added to a state."""
    try:
        written = additive_update(graph, state).written
    except EquationError:
        return
    for name in _gates(graph, written):
        yield name, ("input gate", f"the share of the candidate that is written into {state}")
    squashed: dict[Expression, str] = {
        value: name for name, value in graph.values.items() if value.operation in SQUASHED
    }
    for factor in _factors(written):
        if factor in squashed and squashed[factor] not in graph.states:
            yield squashed[factor], ("candidate", f"what would be written into {state}")


def _gates(graph: Graph, value: Expression) -> Iterator[str]:
    """The sigmoids among the factors of a sum's terms, where another factor stands beside them."""
    sigmoids: dict[Expression, str] = {
        graph.values[name]: name
        for name in graph.gates
        if graph.values[name].operation == "sigmoid"
    }
    for term in sum_terms(value):
        factors = list(_factors(term))
        if len(factors) > 1:
            yield from (sigmoids[factor] for factor in factors if factor in sigmoids)


def _factors(value: Expression) -> Iterator[Expression]:
    for term in sum_terms(value):
        if term.operation == "multiply":
            for operand in term.operands:
                yield from _factors(operand)
        else:
            yield term


def _other(graph: Graph, name: str) -> tuple[str, str]:
    """A gate that scales what another activation reads, or an activation of its own."""
    value = graph.values[name]
    for other, before in graph.pre_activations.items():
        scaled = (n for n in topological([before]) if n.operation == "multiply")
        if value.operation == "sigmoid" and any(value in n.operands for n in scaled):
            return "reset gate", f"how much of the past {other} sees"
    if value.operation == "sigmoid":
        return "gate", "between 0, shut, and 1, open"
    return "activation", "a value of its own"
