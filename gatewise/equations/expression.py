"""Symbols and primitives: what a cell's function computes with when it is traced.

Every operation on a symbol makes a new, immutable `Expression`. Equal expressions are one object,
so shared subexpressions are found by identity and a graph can be walked without comparing trees.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar, Self

Number = int | float


class EquationError(ValueError):
    """A cell's equations are wrong; the message names the value and the mend."""


class Expression:
    """One node of a cell's graph: an operation, its operands and its fixed attributes.

    Attributes:
        operation: name of a primitive, or of a kind of leaf.
        operands: the expressions it is computed from; empty for a leaf.
        attributes: what is fixed about it, such as a leaf's name or a number's value.
    """

    __slots__ = ("__weakref__", "attributes", "operands", "operation")
    operation: str
    operands: tuple[Expression, ...]
    attributes: tuple[Any, ...]

    _known: ClassVar[weakref.WeakValueDictionary[Any, Expression]] = weakref.WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()
    __array_ufunc__ = None  # numpy must not try to take a symbol apart

    def __new__(
        cls, operation: str, operands: Iterable[Expression] = (), attributes: tuple[Any, ...] = ()
    ) -> Self:
        """The one expression of this operation, these operands and these attributes."""
        operands = tuple(operands)
        # repr tells 0.0 from -0.0 and 1 from 1.0, which compare equal
        key = (cls, operation, tuple(map(id, operands)), repr(attributes))
        with cls._lock:
            known = cls._known.get(key)
            if known is None:
                known = object.__new__(cls)
                known.operation, known.operands, known.attributes = operation, operands, attributes
                cls._known[key] = known
        return known  # type: ignore[return-value]

    def __reduce__(self):
        return type(self), (self.operation, self.operands, self.attributes)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __hash__(self) -> int:
        return id(self) >> 4

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Expression):
            return self is other
        raise EquationError(
            f"`{self} == {other!r}` compares a symbol; a cell has no value yet when it is traced. "
            "Use where(a > b, ..., ...)."
        )

    def __bool__(self) -> bool:
        raise EquationError(
            f"`if` or `and` on the symbol {self}: it has no value when the cell is traced. "
            "Use where(condition, value_if_true, value_if_false)."
        )

    def __float__(self) -> float:
        raise EquationError(
            f"{self} is a symbol and has no value yet. Use the functions of gatewise.equations "
            "(sigmoid, tanh, exp, ...), not those of math, numpy or torch."
        )

    def __repr__(self) -> str:
        from gatewise.equations.text import to_text

        return to_text(self)

    @property
    def name(self) -> str:
        """The full name of a leaf, such as ``h`` or ``W.i``."""
        return ".".join(map(str, self.attributes))


class Condition(Expression):
    """The result of a comparison; only `where` takes it."""

    __slots__ = ()

    def __and__(self, other: Condition) -> Condition:
        return Condition("and", (self, _condition(other)))

    def __or__(self, other: Condition) -> Condition:
        return Condition("or", (self, _condition(other)))

    def __invert__(self) -> Condition:
        return Condition("not", (self,))


class Value(Expression):
    """A vector per step and sequence: an input, a state, a vector of weights, or computed."""

    __slots__ = ()

    def __add__(self, other: Value | Number) -> Value:
        return _add(self, _value(other))

    def __radd__(self, other: Value | Number) -> Value:
        return _add(_value(other), self)

    def __sub__(self, other: Value | Number) -> Value:
        return _subtract(self, _value(other))

    def __rsub__(self, other: Value | Number) -> Value:
        return _subtract(_value(other), self)

    def __mul__(self, other: Value | Number) -> Value:
        return _multiply(self, _value(other))

    def __rmul__(self, other: Value | Number) -> Value:
        return _multiply(_value(other), self)

    def __truediv__(self, other: Value | Number) -> Value:
        return _divide(self, _value(other))

    def __rtruediv__(self, other: Value | Number) -> Value:
        return _divide(_value(other), self)

    def __pow__(self, power: int) -> Value:
        if power not in (2, 3, 4):
            raise EquationError(f"({self}) ** {power!r}: only the powers 2, 3 and 4 are known.")
        square = self * self
        return {2: square, 3: square * self, 4: square * square}[power]

    def __neg__(self) -> Value:
        return _negate(self)

    def __pos__(self) -> Value:
        return self

    def __lt__(self, other: Value | Number) -> Condition:
        return Condition("less", (self, _value(other)))

    def __le__(self, other: Value | Number) -> Condition:
        return Condition("less_equal", (self, _value(other)))

    def __gt__(self, other: Value | Number) -> Condition:
        return Condition("less", (_value(other), self))

    def __ge__(self, other: Value | Number) -> Condition:
        return Condition("less_equal", (_value(other), self))

    def __matmul__(self, other: object) -> Value:
        raise EquationError(f"`{self} @ ...`: a product is written matrix @ vector, as in W.i @ x.")


class Matrix(Expression):
    """A matrix of weights, or an expression of such matrices, evaluated once per call."""

    __slots__ = ()

    def __matmul__(self, other: Value | Matrix) -> Any:
        if isinstance(other, Matrix):
            return Matrix("matrix_product", (self, other))
        if not isinstance(other, Value):
            raise EquationError(
                f"`{self} @ {other!r}`: the right side of @ is a vector or a matrix."
            )
        return Value("product", (self, other))

    @property
    def T(self) -> Matrix:  # noqa: N802
        """The transposed matrix."""
        if self.operation == "transpose":
            return self.operands[0]  # type: ignore[return-value]
        return Matrix("transpose", (self,))

    def __add__(self, other: Matrix) -> Matrix:
        return Matrix("matrix_add", (self, self._alike(other, "+")))

    def __sub__(self, other: Matrix) -> Matrix:
        return Matrix("matrix_subtract", (self, self._alike(other, "-")))

    def __mul__(self, other: Value | Number) -> Matrix:
        if isinstance(other, Matrix):
            raise EquationError(
                f"`{self} * {other}`: a matrix is scaled by a number or a learned scalar (s.name)."
            )
        return Matrix("scale", (self, _value(other)))

    __rmul__ = __mul__

    def __neg__(self) -> Matrix:
        return self * -1.0

    def _alike(self, other: object, sign: str) -> Matrix:
        if not isinstance(other, Matrix):
            raise EquationError(
                f"`{self} {sign} {other!r}`: a matrix is multiplied with a vector first, "
                f"as in {self} @ x {sign} ..."
            )
        return other


class Namespace:
    """Makes named weights: ``W.i``, or ``U["h", 2]`` for numbered ones in a Python loop."""

    def __init__(self, letter: str, kind: type[Value] | type[Matrix]):
        self._letter, self._kind = letter, kind

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        return self._kind("parameter", (), (self._letter, key))

    def __getitem__(self, key: str | int | tuple[str | int, ...]) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(part, str | int) for part in parts):
            raise EquationError(f"{self._letter}[{key!r}]: a key is made of names and numbers.")
        return self._kind("parameter", (), (self._letter, "_".join(map(str, parts))))

    def __repr__(self) -> str:
        return f"<namespace {self._letter}>"


W = Namespace("W", Matrix)  # weights of inputs
U = Namespace("U", Matrix)  # weights of states
V = Namespace("V", Matrix)  # weights of further products
R = Namespace("R", Matrix)  # projections
b = Namespace("b", Value)  # biases
p = Namespace("p", Value)  # per-unit weights: peepholes, diagonal recurrence
s = Namespace("s", Value)  # learned scalars
VECTORS, SCALARS, MATRICES = ("b", "p"), ("s",), ("W", "U", "V", "R")


def input_leaf(name: str) -> Value:
    """An input of every step: ``(T, B, size)``."""
    return Value("input", (), (name,))


def given_leaf(name: str) -> Value:
    """A value given once per call, such as a mask: ``(B, size)`` or broadcast to it."""
    return Value("given", (), (name,))


def state_leaf(name: str) -> Value:
    """A state as the last step left it: ``(B, size)``."""
    return Value("state", (), (name,))


def constant_leaf(name: str) -> Value:
    """A named constant that a user may set; a number at run time."""
    return Value("constant", (), (name,))


def cotangent_leaf(name: str) -> Value:
    """The gradient that flows into a value of this step: ``(B, size)``."""
    return Value("cotangent", (), (name,))


def number(value: Number) -> Value:
    """A plain number."""
    return Value("number", (), (float(value),))


def _value(operand: object) -> Value:
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        return number(operand)
    if isinstance(operand, Matrix):
        raise EquationError(
            f"{operand} is a matrix where a vector is needed; multiply it first: {operand} @ x."
        )
    if isinstance(operand, Condition):
        raise EquationError(f"{operand} is a condition; only where(condition, a, b) takes it.")
    raise EquationError(f"{operand!r} is not a symbol, a number or a named constant.")


def _condition(operand: object) -> Condition:
    if not isinstance(operand, Condition):
        raise EquationError(f"where() and & | need a comparison such as a > b, not {operand!r}.")
    return operand


def number_of(expression: Expression) -> float | None:
    """The value of a plain number, None for anything else."""
    return expression.attributes[0] if expression.operation == "number" else None


def _add(a: Value, c: Value) -> Value:
    x, y = number_of(a), number_of(c)
    if x is not None and y is not None:
        return number(x + y)
    if x == 0 or y == 0:
        return c if x == 0 else a
    return Value("add", (a, c))


def _subtract(a: Value, c: Value) -> Value:
    x, y = number_of(a), number_of(c)
    if x is not None and y is not None:
        return number(x - y)
    if y == 0:
        return a
    return _negate(c) if x == 0 else Value("subtract", (a, c))


def _multiply(a: Value, c: Value) -> Value:
    x, y = number_of(a), number_of(c)
    if x is not None and y is not None:
        return number(x * y)
    if x == 0 or y == 0:
        return number(0)
    if x == 1 or y == 1:
        return c if x == 1 else a
    return Value("multiply", (a, c))


def _divide(a: Value, c: Value) -> Value:
    x, y = number_of(a), number_of(c)
    if y == 0:
        raise EquationError(f"({a}) / 0: division by the number zero.")
    if x is not None and y is not None:
        return number(x / y)
    if y == 1 or x == 0:
        return a
    return Value("divide", (a, c))


def _negate(a: Value) -> Value:
    x = number_of(a)
    if x is not None:
        return number(-x)
    if a.operation == "negate":
        return a.operands[0]  # type: ignore[return-value]
    return Value("negate", (a,))


def sigmoid(a: Value | Number) -> Value:
    """1 / (1 + exp(-a))."""
    return Value("sigmoid", (_value(a),))


def tanh(a: Value | Number) -> Value:
    """Hyperbolic tangent."""
    return Value("tanh", (_value(a),))


def relu(a: Value | Number) -> Value:
    """max(a, 0); its derivative at 0 is 0, as in torch."""
    return Value("relu", (_value(a),))


def exp(a: Value | Number) -> Value:
    """The exponential."""
    return Value("exp", (_value(a),))


def log(a: Value | Number) -> Value:
    """The natural logarithm."""
    return Value("log", (_value(a),))


def softplus(a: Value | Number) -> Value:
    """log(1 + exp(a)), without overflow."""
    return Value("softplus", (_value(a),))


def sqrt(a: Value | Number) -> Value:
    """The square root."""
    return Value("sqrt", (_value(a),))


def absolute(a: Value | Number) -> Value:
    """|a|; its derivative at 0 is 0, as in torch."""
    return Value("absolute", (_value(a),))


def sin(a: Value | Number) -> Value:
    """The sine of radians."""
    return Value("sin", (_value(a),))


def cos(a: Value | Number) -> Value:
    """The cosine of radians."""
    return Value("cos", (_value(a),))


def maximum(a: Value | Number, c: Value | Number) -> Value:
    """The larger of two values, unit by unit; the gradient goes half to each where they tie."""
    return Value("maximum", (_value(a), _value(c)))


def minimum(a: Value | Number, c: Value | Number) -> Value:
    """The smaller of two values, unit by unit; the gradient goes half to each where they tie."""
    return Value("minimum", (_value(a), _value(c)))


def where(condition: Condition, a: Value | Number, c: Value | Number) -> Value:
    """`a` where the condition holds, else `c`, unit by unit."""
    return Value("where", (_condition(condition), _value(a), _value(c)))


def detach(a: Value) -> Value:
    """`a` in the forward pass; no gradient flows through it."""
    return Value("detach", (_value(a),))


def block_diagonal(matrix: Matrix, blocks: int) -> Matrix:
    """A matrix whose only non-zero parts are `blocks` equal blocks on its diagonal (heads).

    It is stored as ``(rows, columns / blocks)``: row r holds its own block's columns.
    """
    if matrix.operation != "parameter":
        raise EquationError(f"block_diagonal({matrix}, {blocks}): only a plain weight has blocks.")
    if not isinstance(blocks, int) or blocks < 1:
        raise EquationError(f"block_diagonal({matrix}, {blocks!r}): a whole number of blocks ≥ 1.")
    return matrix if blocks == 1 else Matrix("block_diagonal", (matrix,), (blocks,))


def layer_norm(*values: Value, epsilon: float = 1e-5) -> Any:
    """Zero mean and unit variance over the concatenation of all arguments, without gain or bias.

    Returns the normalised value, or a tuple of them when there are several arguments
    (Ba, Kiros & Hinton 2016, equation 4; multiply by ``p.name`` and add ``b.name`` for the rest).
    """
    if not values:
        raise EquationError("layer_norm() needs at least one value.")
    operands = tuple(map(_value, values))
    parts = tuple(Value("layer_norm", operands, (k, epsilon)) for k in range(len(operands)))
    return parts[0] if len(parts) == 1 else parts


def row_sum(*values: Value) -> Value:
    """The sum over all units of all arguments: one number per step and sequence."""
    return Value("row_sum", values)


def unit_count(*values: Value) -> Value:
    """How many units the arguments have together; a number known when sizes are."""
    return Value("unit_count", values)


def inverse_deviation(*values: Value, epsilon: float) -> Value:
    """1 / sqrt(variance + epsilon) over the concatenation of all arguments."""
    return Value("inverse_deviation", values, (epsilon,))


def topological(roots: Iterable[Expression]) -> list[Expression]:
    """Every expression that the roots need, operands first, in order of first use."""
    order: list[Expression] = []
    seen: set[Expression] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.operands))
    return order
