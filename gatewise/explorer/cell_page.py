"""What the page knows of a cell: its equations, its picture, and its step as JavaScript."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from gatewise.backends.javascript import Script
from gatewise.equations import EquationError, Graph
from gatewise.equations.additive import additive_states, additive_update
from gatewise.equations.derivative import weight_expressions
from gatewise.equations.diagram import lay_out
from gatewise.equations.drawing.picture import Picture
from gatewise.equations.drawing.wires import UNIT, half_size
from gatewise.equations.expression import Expression, Value, number_of
from gatewise.equations.formula import Formula
from gatewise.equations.memory import forget_gates
from gatewise.equations.plain import Plain
from gatewise.equations.rewrite import with_change, with_clamp
from gatewise.explorer.roles import roles_of

MEMORY = ("keep_", "write_")
"""Prefixes of the two parts of an additive state's update among a script's further values."""


class CellPage(NamedTuple):
    """A cell for the page.

    Attributes:
        document: everything but the code, JSON-ready.
        source: the code of one step, a JavaScript expression.
    """

    document: dict[str, Any]
    source: str


@lru_cache(maxsize=64)
def describe_cell(graph: Graph, title: str = "", paper: str = "") -> CellPage:
    """Describe a cell so that the page can show it, run it, change it and differentiate it.

    Args:
        graph: one step.
        title: what the cell is called.
        paper: where it comes from.
    """
    changeable = [name for name, value in graph.values.items() if value.operands]
    changed = graph
    for name in graph.states:
        if name in changeable:
            changed = with_change(changed, name)
    for name in changeable:
        changed = with_clamp(changed, name)
    memory, reasons = _memory(changed), _reasons(graph)
    script = Script(changed, memory)
    twins, lines = _twins(graph, changed), Formula(graph, Plain()).lines()
    document = {
        "name": graph.name,
        "title": title or graph.name,
        "paper": paper,
        "equations": [[line.left, line.right] for line in lines],
        "lineNames": [line.name for line in lines],
        "states": list(graph.states),
        "values": list(graph.values),
        "gates": list(graph.gates),
        "sigmoids": [name for name in graph.gates if graph.values[name].operation == "sigmoid"],
        "output": next((n for n, v in graph.values.items() if v is graph.output), None),
        "inputs": {name: size for name, size in changed.inputs.items() if name != "x"},
        "changeable": changeable,
        "memory": [name for name in graph.states if f"keep_{name}" in memory],
        "noMemory": reasons,
        "forgetGates": [
            {
                "gate": found.gate,
                "state": found.state,
                "keeps": found.keeps,
                "bias": found.bias is not None,
            }
            for found in forget_gates(graph)
        ],
        "roles": roles_of(graph),
        "nodes": _nodes(graph, twins, script),
        "roots": {name: graph.order.index(value) for name, value in graph.values.items()},
        "diagram": _diagram(graph),
    }
    return CellPage(document, script.source())


def _memory(graph: Graph) -> dict[str, Value]:
    """What an additive state keeps of its last value, and what it writes."""
    found: dict[str, Value] = {}
    for state in additive_states(graph):
        update = additive_update(graph, state)
        found[f"keep_{state}"], found[f"write_{state}"] = update.kept, update.written
    return found


def _reasons(graph: Graph) -> dict[str, str]:
    """For each state without a ledger, why it has none."""
    found = {}
    for state in graph.states:
        try:
            additive_update(graph, state)
        except EquationError as error:
            found[state] = str(error).partition(": ")[2]
    return found


def _twins(plain: Graph, changed: Graph) -> dict[Expression, Expression]:
    """For every expression of the plain graph the one that computes it in the changed graph."""
    found: dict[Expression, Expression] = {}
    for name, value in plain.values.items():
        _pair(value, changed.values[name], found)
    for name, value in plain.new_states.items():
        _pair(value, changed.new_states[name], found)
    _pair(plain.output, changed.output, found)
    return found


def _pair(plain: Expression, changed: Expression, found: dict[Expression, Expression]) -> None:
    if plain in found:
        return
    found[plain] = changed
    inner = _without_change(changed)
    for own, other in zip(plain.operands, inner.operands, strict=True):
        _pair(own, other, found)


def _without_change(node: Expression) -> Expression:
    """A value as the cell computes it, below the clamp and the change around it."""
    if node.operation == "where" and _input_name(node.operands[1]).startswith("clamp_"):
        return _without_change(node.operands[2])
    if node.operation == "add" and _input_name(node.operands[-1]).startswith("change_"):
        return _without_change(node.operands[0])
    return node


def _input_name(node: Expression) -> str:
    return node.name if node.operation == "input" else ""


def _nodes(
    graph: Graph, twins: dict[Expression, Expression], script: Script
) -> list[dict[str, Any]]:
    """Every expression of a step, operands first: what it is, and where its numbers stand."""
    index = {node: k for k, node in enumerate(graph.order)}
    names: dict[Expression, str] = {}
    for name, value in graph.values.items():
        names.setdefault(value, name)
    weights = weight_expressions(graph.order)
    found = []
    for node in graph.order:
        entry: dict[str, Any] = {"operation": node.operation}
        if node.operands:
            entry["operands"] = [index[operand] for operand in node.operands]
        if node in names:
            entry["value"] = names[node]
        number = number_of(node)
        if number is not None and math.isinf(number):  # JSON has no such number
            entry["name"] = Plain().number(number)
        elif number is not None:
            entry["number"] = number
        elif not node.operands:
            entry["name"] = node.name
        if node in weights:
            entry["weight"] = True
        twin = twins.get(node, node)
        entry["slot"] = script.slot(twin)
        inner = _without_change(twin)
        if inner is not twin:
            entry["computed"] = script.slot(inner)
        found.append(entry)
    return found


def _diagram(graph: Graph) -> dict[str, Any]:
    """The picture, and where in it which number belongs."""
    blocks, placement, nets = lay_out(graph)
    index = {node: k for k, node in enumerate(graph.order)}
    places = []
    for block, (x, y) in placement.position.items():
        node = graph.new_states.get(block.state) if block.kind == "sink" else block.value
        if node is None or node not in index or block.kind == "join":
            continue
        w, h = half_size(block, placement) if block.kind not in ("source", "sink") else (0, 0)
        places.append(
            {"node": index[node], "kind": block.kind, "x": x * UNIT, "y": y * UNIT, "w": w, "h": h}
        )
    return {"svg": Picture(graph, blocks, placement, nets).svg(), "places": places}
