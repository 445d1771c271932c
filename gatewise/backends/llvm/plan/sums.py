"""Sums in the order that kernels like: what depends on the last states, plus everything else.

``W.i @ x + U.i @ h + b.i`` becomes ``U.i @ h + (W.i @ x + b.i)``: the second part is then one value
of the inputs alone, computed for many steps at once.
"""

from __future__ import annotations

from gatewise.equations import Graph
from gatewise.equations.expression import Expression, Value
from gatewise.equations.rewrite import rebuild, renewed

Term = tuple[int, Value]


def regroup_sums(graph: Graph) -> Graph:
    """The same graph with every sum split into its recurrent and its other terms."""
    recurrent: dict[Expression, bool] = {}

    def depends(node: Expression) -> bool:
        if node not in recurrent:
            leaf = node.operation in ("state", "given")
            recurrent[node] = leaf or any(map(depends, node.operands))
        return recurrent[node]

    def change(node: Expression, operands: tuple[Expression, ...]) -> Expression:
        made = type(node)(node.operation, operands, node.attributes)
        if made.operation not in ("add", "subtract"):
            return made
        terms = _terms(made, 1)
        inside = [term for term in terms if depends(term[1])]
        outside = [term for term in terms if not depends(term[1])]
        # plain numbers are worth no regrouping: 1 - z stays as it is
        if not inside or all(term.operation == "number" for _, term in outside):
            return made
        return _total(inside) + _total(outside)

    return renewed(graph, rebuild(graph.roots, {}, change))


def _terms(node: Expression, sign: int) -> list[Term]:
    if node.operation == "add":
        a, c = node.operands
        return _terms(a, sign) + _terms(c, sign)
    if node.operation == "subtract":
        a, c = node.operands
        return _terms(a, sign) + _terms(c, -sign)
    assert isinstance(node, Value)
    return [(sign, node)]


def _total(terms: list[Term]) -> Value:
    """The sum, positive terms first."""
    ordered = [t for t in terms if t[0] > 0] + [t for t in terms if t[0] < 0]
    sign, total = ordered[0]
    total = total if sign > 0 else -total
    for sign, term in ordered[1:]:
        total = total + term if sign > 0 else total - term
    return total
