"""The weights of a cell: one namespace for each kind, ``W.i``, ``U.h``, ``b.f``."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from gatewise.equations.expression import EquationError, Matrix, Value


def is_key(name: object) -> bool:
    """Whether a weight may be called so: letters, digits and underscores."""
    return isinstance(name, str) and re.fullmatch(r"\w+", name) is not None


class Namespace:
    """Makes named weights: ``W.i``, or ``U["h", 2]`` for numbered ones in a Python loop."""

    def __init__(self, letter: str, kind: type[Value] | type[Matrix]):
        self._letter, self._kind = letter, kind

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(f"{self._letter}.{key}: a weight's name begins with a letter")
        if key == "T":
            raise EquationError(
                f"{self._letter}.T would be a weight called T, and no transpose: weights have "
                "names, as in U.h, and U.h.T is its transpose. What torch writes x @ W.T is "
                f'W.h @ x. A weight that shall be called T is {self._letter}["T"].'
            )
        return self._kind("parameter", (), (self._letter, key))

    def __setattr__(self, key: str, value: object) -> None:
        if not key.startswith("_"):
            raise EquationError(
                f"{self._letter}.{key} = {value}: {self._letter}.{key} is a weight, which training "
                f"changes; the name of a value has no dot. A weight starts at "
                f'@cell(initial={{"{self._letter}.{key}": ...}}).'
            )
        object.__setattr__(self, key, value)

    def __getitem__(self, key: str | int | tuple[str | int, ...]) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        name = "_".join(map(str, parts))
        plain = all(type(part) in (str, int) for part in parts)
        if not plain or not is_key(name):
            raise EquationError(
                f"{self._letter}[{key!r}]: a key is made of names and whole numbers, as in "
                f'{self._letter}["h", 2], which is {self._letter}.h_2.'
            )
        return self._kind("parameter", (), (self._letter, name))

    def __matmul__(self, other: object) -> NoReturn:
        raise EquationError(f"`{self._letter} @ {other}`: name the matrix, as in {self._letter}.h.")

    def __call__(self, *key: object) -> NoReturn:
        """Not a function: an error that says how a weight is named."""
        raise EquationError(
            f"`{self._letter}({', '.join(map(repr, key))})`: a weight's name comes after a dot or "
            f'in brackets: {self._letter}.h, {self._letter}["h", 2].'
        )

    def __repr__(self) -> str:
        return f"the letter {self._letter} without a name (write {self._letter}.h)"


W = Namespace("W", Matrix)  # weights of inputs
U = Namespace("U", Matrix)  # weights of states
V = Namespace("V", Matrix)  # weights of further products
R = Namespace("R", Matrix)  # projections
b = Namespace("b", Value)  # biases
p = Namespace("p", Value)  # per-unit weights: peepholes, diagonal recurrence
s = Namespace("s", Value)  # learned scalars
VECTORS, SCALARS, MATRICES = ("b", "p"), ("s",), ("W", "U", "V", "R")
