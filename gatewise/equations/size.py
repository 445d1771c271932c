"""Which size every value has: found by unification from the sizes of inputs and states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gatewise.equations.namespace import SCALARS
from gatewise.equations.symbol import EquationError, Expression, topological

Size = str | int
"""``"H"``, ``"I"``, another name, or a number. The size 1 broadcasts against every other."""

REDUCTIONS = ("row_sum", "unit_count", "inverse_deviation")
"""Operations that make one number of a vector."""

JOINING = ("product", "layer_norm", *REDUCTIONS)
"""Operations that are not done unit by unit."""


def check_size(name: str, size: object) -> None:
    """Raise an EquationError where a declared size is neither a name nor a number above zero."""
    named = isinstance(size, str) and size.isidentifier()
    counted = isinstance(size, int) and not isinstance(size, bool) and size > 0
    if not named and not counted:
        raise EquationError(
            f"the size of {name!r} is a name such as 'H' or a whole number above zero, "
            f"not {size!r}."
        )


class Unknown:
    """A size that only its use tells."""

    __slots__ = ()


Term = Size | Unknown


@dataclass(frozen=True)
class Sizes:
    """What unification found.

    Attributes:
        values: size of every vector expression.
        matrices: rows and columns of every matrix expression, as if blocks were filled with zeros.
        equal: pairs of names that must be the same number, such as ``("I", "H")`` where an input
            is used unit by unit.
    """

    values: Mapping[Expression, Size]
    matrices: Mapping[Expression, tuple[Size, Size]]
    equal: tuple[tuple[str, str], ...]


def infer_sizes(
    roots: Iterable[Expression],
    leaves: Mapping[Expression, Size],
    results: Mapping[Expression, list[tuple[str, Size]]],
) -> Sizes:
    """Find the size of every expression.

    Args:
        roots: the expressions that count.
        leaves: declared sizes of inputs, states and given values.
        results: for an expression, the states that it is the new value of, with their sizes.

    Raises:
        EquationError: two sizes that must agree do not; the message names the expression.
    """
    return _Inference(leaves, results).run(topological(roots))


class _Inference:
    def __init__(
        self,
        leaves: Mapping[Expression, Size],
        results: Mapping[Expression, list[tuple[str, Size]]],
    ):
        self.leaves, self.results = leaves, results
        self.values: dict[Expression, Term] = {}
        self.matrices: dict[Expression, tuple[Term, Term]] = {}
        self.bound: dict[Unknown, Term] = {}
        self.equal: dict[tuple[str, str], None] = {}
        self.input_sizes = {
            size for leaf, size in leaves.items() if leaf.operation == "input" and size != "H"
        }

    def run(self, order: list[Expression]) -> Sizes:
        single = self._single()
        for node in order:
            self._visit(node)
            if node in single and isinstance(self._resolve(self.values[node]), Unknown):
                self._unify(self.values[node], single[node], node)
        for node, states in self.results.items():
            for name, size in states:
                found = self._resolve(self.values[node])
                if found == 1 and size != 1:
                    raise EquationError(
                        f"the new value of state {name!r}, `{node}`, has one number, but the state "
                        f"has size {size}."
                    )
                self._unify(found, size, node, f" as the new value of state {name!r}")
        values = {node: self._final(term) for node, term in self.values.items()}
        matrices = {
            node: (self._final(rows), self._final(columns))
            for node, (rows, columns) in self.matrices.items()
        }
        return Sizes(values, matrices, tuple(self.equal))

    def _visit(self, node: Expression) -> None:
        operation, operands = node.operation, node.operands
        if node in self.leaves:
            self.values[node] = self.leaves[node]
        elif operation == "parameter":
            self._visit_parameter(node)
        elif operation in ("number", "constant", *REDUCTIONS):
            self.values[node] = 1
        elif operation == "product":
            matrix, vector = operands
            rows, columns = self.matrices[matrix]
            self._unify(columns, self.values[vector], node, exact=True)
            self.values[node] = rows
        elif operation == "layer_norm":
            self.values[node] = self.values[operands[node.attributes[0]]]
        elif operands and all(operand in self.values for operand in operands):
            self.values[node] = self._broadcast(node)
        elif operands:
            self.matrices[node] = self._matrix(node)
        else:
            raise EquationError(f"{node} is not an input, a state or a constant of this cell.")

    def _single(self) -> dict[Expression, Size]:
        """What a state of one number is made of, unit by unit, so that its size is 1 too.

        Nothing else would tell: one number may multiply a vector, and then looks like a vector.
        The new value of a larger state among it has that state's size.
        """
        results = self.results.items()
        larger = {node: size for node, states in results for _, size in states if size != 1}
        stack = [node for node, states in results if any(size == 1 for _, size in states)]
        found: dict[Expression, Size] = {}
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = larger.get(node, 1)
                ends = node in larger or node.operation in JOINING
                stack += () if ends else node.operands
        return found

    def _visit_parameter(self, node: Expression) -> None:
        if node.attributes[0] in SCALARS:
            self.values[node] = 1
        elif type(node).__name__ == "Matrix":
            self.matrices[node] = (Unknown(), Unknown())
        else:
            self.values[node] = Unknown()

    def _matrix(self, node: Expression) -> tuple[Term, Term]:
        rows, columns = self.matrices[node.operands[0]]
        if node.operation == "transpose":
            return columns, rows
        if node.operation == "block_diagonal":
            return rows, columns
        if node.operation == "scale":
            size = self._resolve(self.values[node.operands[1]])
            if size != 1:
                raise EquationError(
                    f"`{node}`: a matrix is scaled by one number (s.name), but {node.operands[1]} "
                    "is a vector."
                )
            return rows, columns
        other = self.matrices[node.operands[1]]
        if node.operation == "matrix_product":
            self._unify(columns, other[0], node, exact=True)
            return rows, other[1]
        self._unify(rows, other[0], node, exact=True)
        self._unify(columns, other[1], node, exact=True)
        return rows, columns

    def _broadcast(self, node: Expression) -> Term:
        size: Term = 1
        for operand in node.operands:
            found = self._resolve(self.values[operand])
            if found == 1:
                continue
            size = found if size == 1 else self._unify(size, found, node)
        return size

    def _resolve(self, term: Term) -> Term:
        while isinstance(term, Unknown) and term in self.bound:
            term = self.bound[term]
        return term

    def _final(self, term: Term) -> Size:
        found = self._resolve(term)
        return "H" if isinstance(found, Unknown) else found

    def _unify(
        self, a: Term, c: Term, node: Expression, where: str = "", exact: bool = False
    ) -> Term:
        a, c = self._resolve(a), self._resolve(c)
        if a is c or (not isinstance(a, Unknown) and a == c):
            return a
        if isinstance(a, Unknown):
            self.bound[a] = c
            return c
        if isinstance(c, Unknown):
            self.bound[c] = a
            return a
        # an input used unit by unit asks for I = H; anything else is a mistake
        if isinstance(a, str) and isinstance(c, str) and not exact and {a, c} & self.input_sizes:
            self.equal[(a, c) if a in self.input_sizes else (c, a)] = None
            return c if a in self.input_sizes else a
        raise EquationError(
            f"sizes do not match in `{node}`{where}: {self._sizes_of(node)}. "
            f"{self._final(a)} and {self._final(c)} would have to be the same."
        )

    def _sizes_of(self, node: Expression) -> str:
        parts = []
        for operand in node.operands:
            if operand in self.matrices:
                rows, columns = self.matrices[operand]
                parts.append(f"{operand} is {self._final(rows)} × {self._final(columns)}")
            elif operand in self.values:
                parts.append(f"{operand} has size {self._final(self.values[operand])}")
        return ", ".join(parts)


def size_number(size: Size, numbers: Mapping[str, int]) -> int:
    """The number that a size stands for; names without one are as large as H."""
    return size if isinstance(size, int) else numbers.get(size, numbers["H"])
