"""A cell's equations as one reads them in an article, in the characters that a terminal has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from gatewise.equations.formula import APPLIED, COMPARISON, PRODUCT, SUM, Formula, Text
from gatewise.equations.graph import Graph
from gatewise.equations.notation import GREEK, symbol_of

TIMES = {"t": "ₜ", "t-1": "ₜ₋₁"}
DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def to_plain(graph: Graph) -> list[tuple[str, str]]:
    """The equations in Unicode: left and right side of each line.

    >>> import gatewise as gw
    >>> to_plain(gw.cells.rnn.graph)
    [('hₜ', 'tanh(W_h xₜ + U_h hₜ₋₁ + b_h)')]
    """
    return [(line.left, line.right) for line in Formula(graph, Plain()).lines()]


def _call(name: str) -> Callable[..., str]:
    return lambda *arguments: f"{name}({', '.join(arguments)})"


class Plain:
    """Formulas in Unicode text."""

    infix: ClassVar[dict[str, tuple[str, int]]] = {
        "product": (" ", APPLIED),
        "matrix_product": (" ", APPLIED),
        "matrix_add": (" + ", SUM),
        "matrix_subtract": (" - ", SUM),
        "less": (" < ", COMPARISON + 1),
        "less_equal": (" ≤ ", COMPARISON + 1),
        "and": (" and ", COMPARISON),
        "or": (" or ", COMPARISON),
    }
    functions: ClassVar[dict[str, Callable[..., str]]] = {
        **{
            name: _call(name)
            for name in ("tanh", "exp", "log", "softplus", "sin", "cos", "where", "noise")
        },
        "sigmoid": _call("σ"),
        "relu": _call("ReLU"),
        "sqrt": _call("√"),
        "absolute": lambda a: f"|{a}|",
        "maximum": _call("max"),
        "minimum": _call("min"),
        "detach": _call("stopgrad"),
        "transpose": lambda a: f"{a}ᵀ",
        "not": lambda a: f"not {a}",
        "block_diagonal": lambda a: a,
        "layer_norm": _call("LN"),
        "row_sum": _call("sum"),
        "unit_count": _call("dim"),
    }

    def value(self, name: str, time: str) -> str:
        """A symbol with the time below it."""
        return _symbol(name) + TIMES[time]

    def weight(self, letter: str, key: str) -> str:
        """A letter, an underscore and the key: few letters exist as subscripts."""
        words = [GREEK.get(word, word) for word in key.split("_")]
        return f"{letter}_{','.join(words)}"

    def constant(self, name: str) -> str:
        """A symbol without time."""
        return _symbol(name)

    def number(self, value: float) -> str:
        """Powers of ten and infinities written as such."""
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        mantissa, _, exponent = f"{value:g}".partition("e")
        if not exponent:
            return mantissa
        return (
            ("" if mantissa == "1" else f"{mantissa}·")
            + "10"
            + str(int(exponent)).translate(RAISED)
        )

    def brackets(self, text: str) -> str:
        """Round brackets."""
        return f"({text})"

    def power(self, text: str, exponent: int) -> str:
        """A raised number."""
        return text + str(exponent).translate(RAISED)

    def fraction(self, above: Text, below: Text) -> Text:
        """One after the other."""
        left = above.text if above.level >= PRODUCT else self.brackets(above.text)
        right = below.text if below.level >= APPLIED else self.brackets(below.text)
        return Text(f"{left} / {right}", PRODUCT)

    def multiply(self, left: str, right: str, scalar: bool) -> str:
        """A dot with a scalar, ⊙ between vectors."""
        return f"{left}·{right}" if scalar else f"{left} ⊙ {right}"


def _symbol(name: str) -> str:
    symbol = symbol_of(name)
    below = "".join(
        word.translate(DIGITS) if word.isdigit() else f"_{word}" for word in symbol.subscripts
    )
    return symbol.unicode_base + below
