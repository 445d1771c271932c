"""What every symbol is: an immutable node of a cell's graph, one object for equal expressions."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, NoReturn, Self

KINDS = {
    "input": "an input",
    "state": "a state",
    "constant": "a constant",
    "given": "a given value",
}
"""What the leaves of a cell are that have plain names."""
OUTSIDE = "Use the functions of gatewise.equations (sigmoid, tanh, exp, ...)"
SIZES = "Sizes follow from use, total(a) and mean(a) go over all units"
_tracing: ContextVar[bool] = ContextVar("gatewise_tracing", default=False)


class EquationError(ValueError):
    """A cell's equations are wrong; the message names the value and the mend."""


@contextmanager
def tracing() -> Iterator[None]:
    """While a cell's function runs, ``a == b`` on symbols is a mistake, not a question."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


class Expression:
    """One node of a cell's graph: an operation, its operands and its fixed attributes.

    Attributes:
        operation: name of a primitive, or of a kind of leaf.
        operands: the expressions it is computed from; empty for a leaf.
        attributes: what is fixed about it, such as a leaf's name or a number's value.
    """

    __slots__ = ("__weakref__", "attributes", "operands", "operation")
    KIND: ClassVar[str] = "a symbol; a product of two is written with *."
    """What it is and what may be done with it, for errors."""

    operation: str
    operands: tuple[Expression, ...]
    attributes: tuple[Any, ...]

    _known: ClassVar[weakref.WeakValueDictionary[Any, Expression]] = weakref.WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()

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
        if isinstance(other, Expression) and not _tracing.get():
            return self is other
        raise EquationError(
            f"`{self} == {other!r}` compares a symbol; a cell has no value yet when it is traced. "
            "Use where(a > b, ..., ...)."
        )

    def __bool__(self) -> bool:
        raise EquationError(
            f"`if`, `and`, `or`, `not`, max, min or a < b < c on the symbol {self}: it has no "
            "value when the cell is traced. Use where(condition, value_if_true, value_if_false), "
            f"(a < b) & (b < c), maximum or minimum.{self._set_at_run_time()}"
        )

    def __float__(self) -> float:
        raise EquationError(
            f"{self} is a symbol and has no value yet. {OUTSIDE}, not those of math, numpy or "
            "torch."
        )

    def __index__(self) -> int:
        raise EquationError(
            f"{self} is a symbol and no whole number; what shapes a cell is a constant, "
            f"a keyword-only argument such as `*, depth=3`.{self._set_at_run_time()}"
        )

    def __len__(self) -> int:
        raise EquationError(
            f"len({self}): how many units a symbol has is known when a layer is made. {SIZES}."
        )

    def __format__(self, specification: str) -> str:
        if specification:
            raise EquationError(
                f"{self} is a symbol and has no value yet, so it is not written with "
                f"{specification!r}; gw.trace shows a layer's values."
            )
        return str(self)

    def __getitem__(self, key: object) -> NoReturn:
        if self.operation == "parameter":
            letter, name = self.attributes
            mend = f'A numbered weight is {letter}["{name}", {_index(key)}].'
        else:
            mend = "Give each part a matrix of its own, as in W.i @ x and W.f @ x."
        raise EquationError(f"{self._bracketed()}[{_index(key)}]: a symbol has no parts. {mend}")

    __delitem__ = __getitem__

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise EquationError(
            f"{self._bracketed()}[{_index(key)}] = {value}: a symbol never changes and has no "
            "parts. Give the new value the same name, as in h = where(condition, a, h)."
        )

    def __iter__(self) -> NoReturn:
        raise EquationError(
            f"{self} is one symbol and cannot be unpacked or looped over; total(a) and mean(a) add "
            "up its units."
        )

    def __call__(self, *_arguments: object, **_options: object) -> NoReturn:
        """Not a function: an error that says what it is."""
        if self.operation in KINDS:
            raise EquationError(
                f"`{self}(...)`: {self} is {KINDS[self.operation]} of this cell, not a function. "
                "If it hides a function of that name, give it another name; if a product is "
                "meant, write *."
            )
        raise EquationError(f"`{self._bracketed()}(...)` calls {self.KIND}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_") or name in Expression.__slots__:  # what copy, numpy and torch ask
            raise AttributeError(name)
        kind = KINDS.get(self.operation)
        told = f"{self} is {kind} of this cell" if kind else "a symbol is one vector or matrix"
        raise AttributeError(
            f"`{self._bracketed()}.{name}`: {told}, without parts or methods. {SIZES}"
        )

    def _set_at_run_time(self) -> str:
        """What else to do where constants alone are asked for a value."""
        leaves = [node for node in topological([self]) if not node.operands]
        constants = [node.name for node in leaves if node.operation == "constant"]
        if not constants or any(node.operation not in ("constant", "number") for node in leaves):
            return ""
        return (
            f" The constant {constants[0]} is a float, which is set at run time; a whole number or "
            f"a flag shapes a cell, as in `*, {constants[0]}=1`."
        )

    def _bracketed(self) -> str:
        """The text of a symbol of which something is asked."""
        return f"({self})" if self.operands else str(self)

    def __array_ufunc__(self, ufunc: Any, *_arguments: Any, **_options: Any) -> Any:
        raise EquationError(f"numpy.{ufunc.__name__} does not know the symbol {self}. {OUTSIDE}.")

    def __array_function__(self, function: Any, *_rest: object) -> NoReturn:
        raise EquationError(f"numpy.{function.__name__} does not know symbols. {OUTSIDE}.")

    @classmethod
    def __torch_function__(cls, function: Any, _types: Any, args: Any = (), _options: Any = None):
        name, shown = getattr(function, "__name__", "?"), ", ".join(map(_argument, args))
        raise EquationError(f"torch's {name}({shown}) does not know symbols. {OUTSIDE}.")

    def _refuse(self, *_others: object) -> NoReturn:
        raise EquationError(f"{self} is {self.KIND}")

    def __repr__(self) -> str:
        from gatewise.equations.text import to_text

        return to_text(self)

    @property
    def name(self) -> str:
        """The full name of a leaf, such as ``h`` or ``W.i``."""
        return ".".join(map(str, self.attributes))


def _index(key: object) -> str:
    """What stands between brackets, as a person wrote it."""
    if isinstance(key, tuple):
        return ", ".join(map(_index, key))
    if not isinstance(key, slice):
        return repr(key)
    start, stop, step = (
        "" if part is None else repr(part) for part in (key.start, key.stop, key.step)
    )
    return f"{start}:{stop}" + (f":{step}" if step else "")


def _argument(value: object) -> str:
    """An argument in few words: a tensor's numbers say nothing here."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_argument, value))}]"
    plain = isinstance(value, Expression | int | float | str | None)
    return repr(value) if plain else type(value).__name__


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
