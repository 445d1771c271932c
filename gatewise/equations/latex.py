r"""A cell's equations as LaTeX.

>>> import gatewise as gw
>>> print(to_latex(gw.cells.rnn.graph))
\begin{aligned}
h_{t} &= \tanh\left(W_{h} x_{t} + U_{h} h_{t-1} + b_{h}\right)
\end{aligned}
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from gatewise.equations.formula import APPLIED, ATOM, COMPARISON, SUM, Formula, Text
from gatewise.equations.graph import Graph
from gatewise.equations.notation import GREEK, symbol_of

LETTERS = {
    **{letter: name for name, letter in GREEK.items()},
    **dict(
        zip(
            "ιλξπυΓΘΛΞΠΣΥΦΨΩ",
            (
                *("iota", "lambda", "xi", "pi", "upsilon", "Gamma", "Theta", "Lambda", "Xi", "Pi"),
                *("Sigma", "Upsilon", "Phi", "Psi", "Omega"),
            ),
            strict=True,
        )
    ),
}
"""What LaTeX calls a Greek letter that a cell writes as such; not those that look Latin."""


def to_latex(graph: Graph) -> str:
    r"""The equations as an ``aligned`` environment, one line per named value.

    Products of matrices are juxtaposed, products unit by unit are ``\odot``. A matrix of several
    blocks is named in a last line. It needs amsmath.
    """
    lines = [f"{line.left} &= {line.right}" for line in Formula(graph, Latex()).lines()]
    lines += _notes(graph)
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _notes(graph: Graph) -> list[str]:
    """One line for each number of blocks that matrices of the cell have."""
    by_blocks: dict[int, list[str]] = {}
    for parameter in graph.parameters.values():
        if parameter.blocks > 1:
            symbol = Latex().weight(parameter.namespace, parameter.key)
            by_blocks.setdefault(parameter.blocks, []).append(symbol)
    return [
        rf"& {', '.join(symbols)} \text{{ block-diagonal, {blocks} blocks}}"
        for blocks, symbols in by_blocks.items()
    ]


def _call(name: str) -> Callable[..., str]:
    return lambda *arguments: rf"{name}\left({', '.join(arguments)}\right)"


class Latex:
    """Formulas in LaTeX."""

    infix: ClassVar[dict[str, tuple[str, int]]] = {
        "product": (" ", APPLIED),
        "matrix_product": (" ", APPLIED),
        "matrix_add": (" + ", SUM),
        "matrix_subtract": (" - ", SUM),
        "less": (" < ", COMPARISON + 1),
        "less_equal": (r" \le ", COMPARISON + 1),
        "and": (r" \wedge ", COMPARISON),
        "or": (r" \vee ", COMPARISON),
    }
    functions: ClassVar[dict[str, Callable[..., str]]] = {
        "sigmoid": _call(r"\sigma"),
        "tanh": _call(r"\tanh"),
        "relu": _call(r"\mathrm{ReLU}"),
        "exp": _call(r"\exp"),
        "log": _call(r"\log"),
        "softplus": _call(r"\mathrm{softplus}"),
        "sqrt": lambda a: rf"\sqrt{{{a}}}",
        "absolute": lambda a: rf"\left|{a}\right|",
        "sin": _call(r"\sin"),
        "cos": _call(r"\cos"),
        "maximum": _call(r"\max"),
        "minimum": _call(r"\min"),
        "detach": _call(r"\operatorname{stopgrad}"),
        "noise": _call(r"\operatorname{noise}"),
        "transpose": lambda a: rf"{a}^{{\top}}",
        "not": lambda a: rf"\neg {a}",
        "block_diagonal": lambda a: a,
        "layer_norm": _call(r"\mathrm{LN}"),
        "row_sum": _call(r"\mathrm{sum}"),
        "unit_count": _call(r"\dim"),
        "where": lambda condition, a, c: (
            rf"\begin{{cases}} {a} & \text{{if }} {condition} \\ "
            rf"{c} & \text{{otherwise}} \end{{cases}}"
        ),
    }

    def value(self, name: str, time: str) -> str:
        """A symbol with its subscripts, the time last."""
        return _with_subscripts(name, (time,))

    def weight(self, letter: str, key: str) -> str:
        """A letter with the key as its subscript."""
        return f"{letter}_{{{','.join(map(_word, key.split('_')))}}}"

    def constant(self, name: str) -> str:
        """A symbol without time."""
        return _with_subscripts(name, ())

    def number(self, value: float) -> str:
        """Powers of ten and infinities written as such."""
        if math.isinf(value):
            return r"\infty" if value > 0 else r"-\infty"
        mantissa, _, exponent = f"{value:g}".partition("e")
        if not exponent:
            return mantissa
        factor = "" if mantissa == "1" else rf"{mantissa} \cdot "
        return rf"{factor}10^{{{int(exponent)}}}"

    def brackets(self, text: str) -> str:
        """Brackets that grow with what they hold."""
        return rf"\left({text}\right)"

    def power(self, text: str, exponent: int) -> str:
        """A superscript."""
        return f"{text}^{{{exponent}}}"

    def fraction(self, above: Text, below: Text) -> Text:
        """One above the other."""
        return Text(rf"\frac{{{above.text}}}{{{below.text}}}", ATOM)

    def multiply(self, left: str, right: str, scalar: bool) -> str:
        r"""Juxtaposed with a scalar, ``\odot`` between vectors."""
        return rf"{left} \, {right}" if scalar else rf"{left} \odot {right}"


def _with_subscripts(name: str, time: tuple[str, ...]) -> str:
    symbol = symbol_of(name)
    base = _word(symbol.base)
    if symbol.accent:
        base = rf"\{symbol.accent}{{{base}}}"
    below = ",".join((*map(_word, symbol.subscripts), *time))
    return f"{base}_{{{below}}}" if below else base


def _word(text: str) -> str:
    """A letter in italics, a Greek letter by its name, a longer word upright."""
    letter = GREEK.get(text, text)
    if letter in LETTERS:
        return "\\" + LETTERS[letter]
    if len(text) == 1 or text.isdigit() or (len(text) == 2 and text.islower()):
        return text
    return rf"\mathrm{{{text}}}"
