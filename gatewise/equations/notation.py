"""How names become mathematical symbols: ``c_hat`` is a c with a hat, ``alpha`` a Greek letter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

GREEK: dict[str, str] = dict(
    zip(
        (
            *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa"),
            *("lamda", "mu", "nu", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Delta"),
        ),
        "αβγδεζηθκλμνρστφχψωΔ",
        strict=True,
    )
)
"""Greek letters by name: ``lamda``, as `lambda` cannot be a name; not xi and pi, which are keys of
weights from x to i and from a projection to i."""
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "dot": "\u0307"}
"""Accents by their LaTeX name, with the combining character of each."""


@dataclass(frozen=True)
class Symbol:
    """A name, taken apart.

    Attributes:
        base: a letter, the English name of a Greek letter, or a word.
        subscripts: what stands below it, in order; the time comes last and is not among them.
        accent: a key of `ACCENTS`, or empty.
    """

    base: str
    subscripts: tuple[str, ...] = ()
    accent: str = ""

    @property
    def is_letter(self) -> bool:
        """Whether the base is one letter, Latin or Greek, which mathematics sets in italics."""
        return len(self.base) == 1 or self.base in GREEK

    @property
    def unicode_base(self) -> str:
        """The base as one would print it, with its accent."""
        return GREEK.get(self.base, self.base) + ACCENTS.get(self.accent, "")


@lru_cache(maxsize=1024)
def symbol_of(name: str) -> Symbol:
    """Take a value's name apart.

    >>> symbol_of("c_hat"), symbol_of("s2").subscripts, symbol_of("h_left").subscripts
    (Symbol(base='c', subscripts=(), accent='hat'), ('2',), ('left',))
    """
    base, *rest = [part for part in name.split("_") if part] or [name]
    accent = next((part for part in rest if part in ACCENTS), "")
    if accent:
        rest.remove(accent)
    digits = re.fullmatch(r"([^\W\d_]+?)(\d+)", base)
    if digits:
        base, number = digits.groups()
        rest.insert(0, number)
    return Symbol(base, tuple(rest), accent)
