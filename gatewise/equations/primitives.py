"""The primitives of the language: functions of symbols, one derivative rule each."""

from __future__ import annotations

from functools import reduce
from typing import Any

from gatewise.equations.expression import (
    Condition,
    EquationError,
    Expression,
    Matrix,
    Number,
    Value,
    as_condition,
    as_value,
)


def sigmoid(a: Value | Number) -> Value:
    """1 / (1 + exp(-a))."""
    return Value("sigmoid", (as_value(a),))


def tanh(a: Value | Number) -> Value:
    """Hyperbolic tangent."""
    return Value("tanh", (as_value(a),))


def relu(a: Value | Number) -> Value:
    """max(a, 0); its derivative at 0 is 0, as in torch."""
    return Value("relu", (as_value(a),))


def exp(a: Value | Number) -> Value:
    """The exponential."""
    return Value("exp", (as_value(a),))


def log(a: Value | Number) -> Value:
    """The natural logarithm."""
    return Value("log", (as_value(a),))


def softplus(a: Value | Number) -> Value:
    """log(1 + exp(a)), without overflow."""
    return Value("softplus", (as_value(a),))


def sqrt(a: Value | Number) -> Value:
    """The square root."""
    return Value("sqrt", (as_value(a),))


def absolute(a: Value | Number) -> Value:
    """|a|; its derivative at 0 is 0, as in torch."""
    return Value("absolute", (as_value(a),))


def sin(a: Value | Number) -> Value:
    """The sine of radians."""
    return Value("sin", (as_value(a),))


def cos(a: Value | Number) -> Value:
    """The cosine of radians."""
    return Value("cos", (as_value(a),))


def maximum(a: Value | Number, other: Value | Number, *more: Value | Number) -> Value:
    """The largest of the values, unit by unit; the gradient goes half to each where two tie."""
    return _folded("maximum", (a, other, *more))


def minimum(a: Value | Number, other: Value | Number, *more: Value | Number) -> Value:
    """The smallest of the values, unit by unit; the gradient goes half to each where two tie."""
    return _folded("minimum", (a, other, *more))


def where(condition: Condition, yes: Value | Number, no: Value | Number) -> Value:
    """`yes` where the condition holds, else `no`, unit by unit."""
    return Value("where", (as_condition(condition), as_value(yes), as_value(no)))


def noise(seed: Value, step: Value) -> Value:
    """A random number in [0, 1) for each unit, made of the bits of two numbers; no gradient.

    The same bits make the same number, so a backward pass finds it again; see `backends.noise`.
    """
    return Value("noise", (as_value(seed), as_value(step)))


def detach(a: Value) -> Value:
    """`a` in the forward pass; no gradient flows through it."""
    return Value("detach", (as_value(a),))


def block_diagonal(matrix: Matrix, blocks: int) -> Matrix:
    """A matrix whose only non-zero parts are `blocks` equal blocks on its diagonal (heads).

    It is stored as ``(rows, columns / blocks)``: row r holds its own block's columns.
    """
    if not isinstance(matrix, Matrix) or matrix.operation != "parameter":
        raise EquationError(
            f"block_diagonal({matrix}, {blocks}): only a plain weight that is a matrix has blocks."
        )
    if not isinstance(blocks, int) or blocks < 1:
        raise EquationError(f"block_diagonal({matrix}, {blocks!r}): a whole number of blocks ≥ 1.")
    return matrix if blocks == 1 else Matrix("block_diagonal", (matrix,), (blocks,))


def layer_norm(*values: Value, epsilon: float = 1e-5) -> Any:
    """Zero mean and unit variance over the concatenation of all arguments, without gain or bias.

    Returns the normalised value, or a tuple of them when there are several arguments
    (Ba, Kiros & Hinton 2016, equation 4; multiply by ``p.name`` and add ``b.name`` for the rest).
    """
    for value in values:
        if not isinstance(value, Expression):
            raise EquationError(
                f"layer_norm(..., {value!r}): it normalises over all units of vectors, and sizes "
                "follow from use; the small number goes by name, epsilon=1e-5."
            )
    operands = _several("layer_norm", values)
    parts = tuple(Value("layer_norm", operands, (k, epsilon)) for k in range(len(operands)))
    return parts[0] if len(parts) == 1 else parts


def total(*values: Value) -> Value:
    """The sum over all units of all arguments: one number for each step and sequence."""
    return Value("row_sum", _several("total", values))


def mean(*values: Value) -> Value:
    """The mean over all units of all arguments: one number for each step and sequence."""
    operands = _several("mean", values)
    return total(*operands) / unit_count(*operands)


def unit_count(*values: Value) -> Value:
    """How many units the arguments have together; a number known when sizes are."""
    return Value("unit_count", values)


def _folded(operation: str, values: tuple[Value | Number, ...]) -> Value:
    """An operation of two values, done with several from left to right."""
    return reduce(lambda a, c: Value(operation, (a, c)), map(as_value, values))


def _several(name: str, values: tuple[Value | Number, ...]) -> tuple[Value, ...]:
    """The arguments of a function that takes one or more."""
    if not values:
        raise EquationError(f"{name}() needs at least one value.")
    return tuple(map(as_value, values))


def inverse_deviation(*values: Value, epsilon: float) -> Value:
    """1 / sqrt(variance + epsilon) over the concatenation of all arguments."""
    return Value("inverse_deviation", values, (epsilon,))
