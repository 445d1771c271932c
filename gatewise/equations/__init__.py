"""The language of cells: symbols, primitives and the `cell` decorator. Standard library only."""

from gatewise.equations.cell import Cell, cell
from gatewise.equations.expression import EquationError
from gatewise.equations.graph import Graph
from gatewise.equations.namespace import R, U, V, W, b, p, s
from gatewise.equations.parameter import Parameter
from gatewise.equations.primitives import (
    absolute,
    block_diagonal,
    cos,
    detach,
    exp,
    layer_norm,
    log,
    maximum,
    mean,
    minimum,
    noise,
    relu,
    sigmoid,
    sin,
    softplus,
    sqrt,
    tanh,
    total,
    where,
)

__all__ = [
    "Cell",
    "EquationError",
    "Graph",
    "Parameter",
    "R",
    "U",
    "V",
    "W",
    "absolute",
    "b",
    "block_diagonal",
    "cell",
    "cos",
    "detach",
    "exp",
    "layer_norm",
    "log",
    "maximum",
    "mean",
    "minimum",
    "noise",
    "p",
    "relu",
    "s",
    "sigmoid",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
    "total",
    "where",
]
