"""Graphs from JSON documents: everything in them is checked, nothing is executed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewise.equations.expression import Condition, Matrix, Value, is_weight
from gatewise.equations.graph import Graph
from gatewise.equations.namespace import MATRICES, SCALARS, VECTORS, is_key
from gatewise.equations.size import Size
from gatewise.equations.symbol import EquationError, Expression

SIGNATURES: dict[str, tuple[type[Expression], tuple[type[Expression], ...]]] = {
    **dict.fromkeys(("input", "given", "state", "constant", "number"), (Value, ())),
    **dict.fromkeys(("sigmoid", "tanh", "relu", "exp", "log", "softplus"), (Value, (Value,))),
    **dict.fromkeys(("sqrt", "absolute", "sin", "cos", "negate", "detach"), (Value, (Value,))),
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), (Value, (Value, Value))),
    **dict.fromkeys(("maximum", "minimum", "noise"), (Value, (Value, Value))),
    **dict.fromkeys(("less", "less_equal"), (Condition, (Value, Value))),
    **dict.fromkeys(("and", "or"), (Condition, (Condition, Condition))),
    "not": (Condition, (Condition,)),
    "where": (Value, (Condition, Value, Value)),
    "product": (Value, (Matrix, Value)),
    "scale": (Matrix, (Matrix, Value)),
    "matrix_product": (Matrix, (Matrix, Matrix)),
    **dict.fromkeys(("matrix_add", "matrix_subtract"), (Matrix, (Matrix, Matrix))),
    **dict.fromkeys(("transpose", "block_diagonal"), (Matrix, (Matrix,))),
}
"""What each operation makes, of what; parameters and layer norms aside."""


SEVERAL = ("layer_norm", "row_sum", "unit_count")
"""Operations of one vector or more."""


def read_graph(document: Any) -> Graph:
    """Read what `Graph.to_dict` wrote.

    Raises:
        EquationError: the document is damaged or comes from elsewhere.
    """
    try:
        nodes = _read_nodes(document["nodes"])
        graph = Graph(
            name=_name(document["name"]),
            inputs=_read(document["inputs"], _size),
            states=_read(document["states"], _size),
            values=_read(document["values"], lambda k: _value_at(nodes, k)),
            new_states=_read(document["new_states"], lambda k: _value_at(nodes, k)),
            output=_value_at(nodes, document["output"]),
            constants=_read(document["constants"], _number),
            givens=_read(document["givens"], _size),
        )
        _check(graph)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise EquationError(f"this is not the description of a cell: {error}") from error
    return graph


def _check(graph: Graph) -> None:
    if "x" not in graph.inputs or not graph.states:
        raise ValueError("it has no input x or no state")
    if set(graph.new_states) != set(graph.states):
        raise ValueError("its states and their new values have different names")
    used = {node.name for node in graph.order if node.operation == "constant"}
    if used != set(graph.constants) & used:
        raise ValueError(f"no value for {', '.join(sorted(used - set(graph.constants)))}")


def _read(document: Any, entry: Callable[[Any], Any]) -> dict[str, Any]:
    return {_name(name): entry(value) for name, value in document.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{name!r} is not a name")
    return name


def _size(size: Any) -> Size:
    return size  # the graph itself checks its sizes


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _read_nodes(document: Any) -> list[Expression]:
    nodes: list[Expression] = []
    for operation, places, attributes in document:
        operands = [_at(nodes, k) for k in places]
        kind, wanted = _signature(operation, attributes, len(operands))
        if len(operands) != len(wanted) or not all(map(isinstance, operands, wanted)):
            raise ValueError(f"{operation} cannot be computed from {operands}")
        node = kind(operation, operands, _attributes(operation, attributes, operands))
        nodes.append(node)
    return nodes


def _at(nodes: list[Expression], index: Any) -> Expression:
    if type(index) is not int or not 0 <= index < len(nodes):
        raise ValueError(f"there is no expression {index!r} at this place")
    return nodes[index]


def _value_at(nodes: list[Expression], index: Any) -> Value:
    node = _at(nodes, index)
    if not isinstance(node, Value):
        raise ValueError(f"{node} is not a vector")
    return node


def _signature(
    operation: Any, attributes: Any, count: int
) -> tuple[type[Expression], tuple[type[Expression], ...]]:
    if operation == "parameter":
        return (Matrix if attributes[0] in MATRICES else Value), ()
    if operation in SEVERAL and count:
        return Value, (Value,) * count
    if operation not in SIGNATURES:
        raise ValueError(f"unknown operation {operation!r}")
    return SIGNATURES[operation]


def _attributes(operation: str, given: Any, operands: list[Expression]) -> tuple[Any, ...]:
    """An operation's fixed attributes, checked."""
    if not isinstance(given, list | tuple):
        raise ValueError(f"{operation} has the attributes {given!r}")
    match operation, list(given):
        case "number", [value]:
            return (_number(value),)
        case (("input" | "given" | "state" | "constant"), [name]):
            return (_name(name),)
        case "parameter", [letter, key] if letter in MATRICES + VECTORS + SCALARS and is_key(key):
            return letter, key
        case "block_diagonal", [int(blocks)] if (
            operands[0].operation == "parameter" and blocks > 1 and not isinstance(blocks, bool)
        ):
            return (blocks,)
        case "layer_norm", [int(part), epsilon] if (
            0 <= part < len(operands) and not isinstance(part, bool) and _number(epsilon) > 0
        ):
            return part, float(epsilon)
        case "scale", [] if is_weight(operands[1]):
            return ()
        case (("row_sum" | "unit_count"), []):
            return ()
        case _, [] if (
            operation in SIGNATURES
            and SIGNATURES[operation][1]
            and operation
            not in (
                "scale",
                "block_diagonal",
            )
        ):
            return ()
    raise ValueError(f"{operation} of {operands} has the attributes {given!r}")
