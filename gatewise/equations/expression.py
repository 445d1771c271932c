"""Vectors, matrices and conditions: the symbols that a cell's function computes with.

Every operation on a symbol makes a new, immutable `Expression`. Equal expressions are one object,
so shared subexpressions are found by identity and a graph can be walked without comparing trees.
"""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any, NoReturn

from gatewise.equations.symbol import EquationError, Expression, topological

Number = int | float
NUMPY = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
"""Functions of numpy that stand for an operator."""
HIGHEST = 64
"""The highest power: ten products of products."""


class Condition(Expression):
    """The result of a comparison; only `where` takes it."""

    __slots__ = ()
    KIND = "a condition; only where(condition, a, b) takes it."

    def __and__(self, other: Condition) -> Condition:
        return Condition("and", (self, as_condition(other)))

    def __or__(self, other: Condition) -> Condition:
        return Condition("or", (self, as_condition(other)))

    def __invert__(self) -> Condition:
        return Condition("not", (self,))

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = Expression._refuse
    __truediv__ = __rtruediv__ = __pow__ = __neg__ = __matmul__ = Expression._refuse
    __lt__ = __le__ = __gt__ = __ge__ = Expression._refuse


class Value(Expression):
    """A vector per step and sequence: an input, a state, a vector of weights, or computed."""

    __slots__ = ()

    def __add__(self, other: Value | Number) -> Value:
        return _add(self, as_value(other))

    def __radd__(self, other: Value | Number) -> Value:
        return _add(as_value(other), self)

    def __sub__(self, other: Value | Number) -> Value:
        return _subtract(self, as_value(other))

    def __rsub__(self, other: Value | Number) -> Value:
        return _subtract(as_value(other), self)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Matrix):
            return other * self
        return _multiply(self, as_value(other))

    def __rmul__(self, other: Value | Number) -> Value:
        return _multiply(as_value(other), self)

    def __truediv__(self, other: Value | Number) -> Value:
        return _divide(self, as_value(other))

    def __rtruediv__(self, other: Value | Number) -> Value:
        return _divide(as_value(other), self)

    def __pow__(self, power: Number) -> Value:
        if isinstance(power, Real) and not isinstance(power, bool):
            if abs(power) == 0.5:
                root = Value("sqrt", (self,))
                return root if power > 0 else 1 / root
            if float(power).is_integer() and abs(power) <= HIGHEST:
                return _power(self, int(power))
        raise EquationError(
            f"({self}) ** {power!r}: a power is 0.5, -0.5 or a whole number, up to {HIGHEST}; "
            "for others, exp(power * log(value))."
        )

    def __rpow__(self, base: object) -> NoReturn:
        raise EquationError(f"{base!r} ** ({self}): write exp(log(base) * ({self})).")

    def __abs__(self) -> Value:
        return Value("absolute", (self,))

    def __neg__(self) -> Value:
        return _negate(self)

    def __pos__(self) -> Value:
        return self

    def __lt__(self, other: Value | Number) -> Condition:
        return Condition("less", (self, as_value(other)))

    def __le__(self, other: Value | Number) -> Condition:
        return Condition("less_equal", (self, as_value(other)))

    def __gt__(self, other: Value | Number) -> Condition:
        return Condition("less", (as_value(other), self))

    def __ge__(self, other: Value | Number) -> Condition:
        return Condition("less_equal", (as_value(other), self))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        act = NUMPY.get(ufunc.__name__)  # a numpy scalar beside a symbol is a plain number
        if act is None or method != "__call__":
            return super().__array_ufunc__(ufunc, method, *inputs, **options)
        return act(*map(as_value, inputs))

    def __matmul__(self, other: object) -> NoReturn:
        if isinstance(other, Matrix):
            own = self._bracketed()
            raise EquationError(
                f"`{own} @ {other}`: the matrix stands first, {other} @ {own}; what torch writes "
                "x @ W.T is W.i @ x here."
            )
        raise EquationError(
            f"`{self} @ {other}`: {self} is a vector; the left side of @ is a matrix of weights, "
            "as in W.i @ x."
        )

    def __rmatmul__(self, other: object) -> NoReturn:
        raise EquationError(
            f"`{other!r} @ {self}`: the left side of @ is a matrix of weights, as in W.i @ x."
        )

    @property
    def T(self) -> NoReturn:  # noqa: N802
        """A vector has no transpose: an error that says so."""
        raise EquationError(f"({self}).T: only a matrix of weights is transposed, as in U.h.T @ h.")


class Matrix(Expression):
    """A matrix of weights, or an expression of such matrices, evaluated once per call."""

    __slots__ = ()
    KIND = "a matrix; multiply it with a vector, as in W.i @ x, or scale it by a number or s.name."

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
        factor = None if isinstance(other, Matrix) else as_value(other)
        if factor is None or not is_weight(factor):
            mend = f"multiplied with a vector or a matrix it is {self} @ {other}"
            if factor is not None:
                mend += f", and one weight for each unit is a vector, p.name * {other}"
            raise EquationError(
                f"`{self} * {other}`: a matrix is scaled by a number or a learned scalar (s.name); "
                f"{mend}."
            )
        return Matrix("scale", (self, factor))

    __rmul__ = __mul__

    def __truediv__(self, other: Value | Number) -> Matrix:
        return self * (1 / as_value(other))

    def __neg__(self) -> Matrix:
        return self * -1.0

    __radd__ = __rsub__ = __rtruediv__ = __pow__ = __abs__ = Expression._refuse
    __lt__ = __le__ = __gt__ = __ge__ = __rmatmul__ = Expression._refuse

    def _alike(self, other: object, sign: str) -> Matrix:
        if not isinstance(other, Matrix):
            raise EquationError(
                f"`{self} {sign} {other!r}`: a matrix is multiplied with a vector first, "
                f"as in {self} @ x {sign} ..."
            )
        return other


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


def as_value(operand: object) -> Value:
    """A symbol as it is, a plain number as a symbol; an error for anything else."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, Real) and not isinstance(operand, bool):
        if operand != operand:  # noqa: PLR0124
            raise EquationError("nan, which is not a number, stands in the equations.")
        return number(float(operand))
    if isinstance(operand, Matrix):
        raise EquationError(
            f"{operand} is a matrix where a vector is needed; multiply it first: {operand} @ x."
        )
    if isinstance(operand, Expression):
        operand._refuse()
    array = hasattr(operand, "__array__")
    raise EquationError(
        f"{operand!r} is not a symbol, a number or a named constant."
        + (" A single number is float(...); one for each unit is a weight, p.name." * array)
    )


def as_condition(operand: object) -> Condition:
    """A condition as it is; an error for anything else."""
    if not isinstance(operand, Condition):
        raise EquationError(f"where() and & | need a comparison such as a > b, not {operand!r}.")
    return operand


WEIGHTS = ("parameter", "number", "constant")


def is_weight(expression: Expression) -> bool:
    """Whether it is computed from weights and numbers alone, so that it is the same every step."""
    return all(node.operands or node.operation in WEIGHTS for node in topological([expression]))


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


def _power(a: Value, power: int) -> Value:
    """A product of squares; 1 for the power 0."""
    if power < 0:
        return 1 / _power(a, -power)
    if power in (0, 1):
        return a if power else number(1)
    half = _power(a, power // 2)
    return half * half * a if power % 2 else half * half


def _negate(a: Value) -> Value:
    x = number_of(a)
    if x is not None:
        return number(-x)
    if a.operation == "negate":
        return a.operands[0]  # type: ignore[return-value]
    return Value("negate", (a,))
