"""The learned weights of a cell, and the shapes in which they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewise.equations.size import Size, size_number
from gatewise.equations.symbol import EquationError, Expression


@dataclass(frozen=True)
class Parameter:
    """A learned weight of a cell.

    Attributes:
        name: such as ``W.i``.
        leaf: the symbol.
        shape: ``(rows, columns)``, ``(size,)``, or ``()`` for a learned scalar.
        blocks: number of diagonal blocks; columns are stored divided by it.
        operand: what a matrix multiplies at its first use; None for vectors, and for matrices
            that stand only inside matrix expressions.
    """

    name: str
    leaf: Expression
    shape: tuple[Size, ...]
    blocks: int = 1
    operand: Expression | None = None

    @property
    def namespace(self) -> str:
        """The letter: W, U, V, R, b, p or s."""
        return self.leaf.attributes[0]

    @property
    def key(self) -> str:
        """The name within its namespace."""
        return self.leaf.attributes[1]


def stored_columns(columns: int, blocks: int, name: str) -> int:
    """How many columns a block-diagonal matrix stores."""
    return _divided(columns, blocks, f"{name} has {columns} columns")


def stored_shape(parameter: Parameter, numbers: Mapping[str, int]) -> tuple[int, ...]:
    """The shape in which a weight is stored; see `block_diagonal`.

    Raises:
        EquationError: the blocks of a block-diagonal matrix do not divide its rows and columns.
    """
    shape = tuple(size_number(size, numbers) for size in parameter.shape)
    if len(shape) != 2:
        return shape
    rows, columns = shape
    _divided(rows, parameter.blocks, f"{parameter.name} has {rows} rows")
    return rows, stored_columns(columns, parameter.blocks, parameter.name)


def _divided(count: int, blocks: int, what: str) -> int:
    if count % blocks:
        raise EquationError(f"{what}, which {blocks} blocks do not divide.")
    return count // blocks
