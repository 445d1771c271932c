"""A cell's equations as lines of a formula; how they are set is left to a `Notation`.

One line per named value. What several lines share and has no name is written out where it is
short, and gets a line and a symbol of its own where it is long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from gatewise.equations.expression import Expression
from gatewise.equations.graph import Graph
from gatewise.equations.notation import symbol_of

LONG = 3
"""Operations from which on a shared expression gets a line of its own."""


class Text(NamedTuple):
    """A piece of a formula and how tightly it binds."""

    text: str
    level: int


COMPARISON, SUM, PRODUCT, APPLIED, ATOM = 0, 1, 2, 3, 9


class Notation(Protocol):
    """How the parts of a formula are set."""

    functions: ClassVar[dict[str, Callable[..., str]]]
    """By operation, what is written of its operands; the result needs no brackets."""
    infix: ClassVar[dict[str, tuple[str, int]]]
    """By operation, the sign between its two operands and how tightly it binds."""

    def value(self, name: str, time: str) -> str:
        """A named value or state; `time` is ``t`` or ``t-1``."""
        ...

    def weight(self, letter: str, key: str) -> str:
        """A learned weight."""
        ...

    def constant(self, name: str) -> str:
        """A named constant or a value given once per call."""
        ...

    def number(self, value: float) -> str:
        """A plain number."""
        ...

    def brackets(self, text: str) -> str:
        """Brackets around a sum or product."""
        ...

    def power(self, text: str, exponent: int) -> str:
        """A power of something that needs no brackets."""
        ...

    def fraction(self, above: Text, below: Text) -> Text:
        """One expression divided by another."""
        ...

    def multiply(self, left: str, right: str, scalar: bool) -> str:
        """A product unit by unit; `scalar` where one side is the same for all units."""
        ...


@dataclass(frozen=True)
class Line:
    """One equation: what stands left and right of its equals sign."""

    left: str
    right: str
    name: str


class Formula:
    """A graph's equations in one notation.

    Attributes:
        graph: the equations.
        notation: how they are set.
        symbols: the values that have a line of their own, with the names that they go by.
    """

    def __init__(self, graph: Graph, notation: Notation):
        self.graph, self.notation = graph, notation
        self.symbols: dict[Expression, str] = {}
        for name, value in graph.values.items():
            self.symbols.setdefault(value, name)
        self._helpers: dict[Expression, str] = dict.fromkeys(self._shared_and_long(), "")
        self.symbols.update(self._helpers)
        self._helpers = self._named()
        self.symbols.update(self._helpers)

    def lines(self) -> list[Line]:
        """The equations: values in the order the cell returns them, helpers before their use."""
        return list(self._lines())

    def text(self, node: Expression) -> str:
        """One expression, with symbols for the values it is made of."""
        return self.piece(node).text

    def factor(self, node: Expression) -> str:
        """One expression as it stands in a product, a sum in brackets."""
        return self._at(node, PRODUCT)

    def _lines(self) -> Iterator[Line]:
        written: set[Expression] = set()
        for name, value in self.graph.values.items():
            yield from self._helper_lines(value, written)
            other = self.symbols[value]
            twin = self.notation.value(other, "t") if other != name else self.body(value).text
            yield Line(self.notation.value(name, "t"), twin, name)
        for name, value in self.graph.new_states.items():
            if self.graph.values.get(name) is not value:  # a rewrite's: the cell knows another
                yield from self._helper_lines(value, written)
                yield Line(self.notation.value(f"{name}_next", "t"), self.piece(value).text, name)

    def _helper_lines(self, value: Expression, written: set[Expression]) -> Iterator[Line]:
        for node in self._helpers_of(value, written):
            names = [self._helpers[part] for part in self._parts(node)]
            left = ", ".join(self.notation.value(name, "t") for name in names)
            yield Line(left, self.body(node).text, names[0])

    def _helpers_of(self, value: Expression, written: set[Expression]) -> Iterator[Expression]:
        """The helpers that a value needs and that are not written yet, each before its use."""
        for node in self._inside(value):
            if node in self._helpers and node not in written:
                written.update(self._parts(node))
                yield from self._helpers_of(node, written)
                yield node

    def _parts(self, node: Expression) -> list[Expression]:
        """A layer norm of several values gives as many: one line holds them all."""
        if node.operation != "layer_norm":
            return [node]
        return [k for k in self._helpers if _first_part(k, self._helpers) is node]

    def _inside(self, value: Expression) -> list[Expression]:
        """What is written out on a value's line, and the symbols that it refers to."""
        found: list[Expression] = []
        seen: set[Expression] = set()
        pending = list(reversed(value.operands))
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            found.append(node)
            if node not in self.symbols:
                pending.extend(reversed(node.operands))
        return found

    def _shared_and_long(self) -> list[Expression]:
        uses = Counter(operand for node in self.graph.order for operand in set(node.operands))
        length: dict[Expression, int] = {}
        shared: list[Expression] = []
        for node in self.graph.order:
            inside = sum(length[operand] for operand in node.operands)
            length[node] = 0 if not node.operands else inside + 1
            if node in self.symbols:
                length[node] = 0
            elif _needs_line(node, uses[node], length[node]):
                shared.append(node)
                length[node] = 0
        return shared

    def _named(self) -> dict[Expression, str]:
        """The helpers in the order of their lines, with a letter that no name of the cell has."""
        graph = self.graph
        named = (*graph.values, *graph.inputs, *graph.states, *graph.constants, *graph.givens)
        taken = {symbol.base for symbol in map(symbol_of, named) if not symbol.accent}
        letter = next((k for k in "aqvyku" if k not in taken), "aux")
        written: set[Expression] = set()
        order = [
            part
            for value in (*graph.values.values(), *graph.new_states.values(), graph.output)
            for node in self._helpers_of(value, written)
            for part in self._parts(node)
        ]
        if len(order) == 1:
            return {order[0]: letter}
        return {node: f"{letter}{k}" for k, node in enumerate(order, 1)}

    def piece(self, node: Expression) -> Text:
        """An expression, its named parts by their symbols."""
        if node in self.symbols and node.operands:
            return Text(self.notation.value(self.symbols[node], "t"), ATOM)
        return self.body(node)

    def body(self, node: Expression) -> Text:
        """What a node is, written out."""
        if not node.operands:
            return self._leaf(node)
        match node.operation:
            case "multiply":
                return self._product(node)
            case "divide":
                return self.notation.fraction(*map(self.piece, node.operands))
            case "negate":
                text, minus = self._unsigned(node.operands[0])
                return Text(text, PRODUCT) if minus else Text(f"-{text}", SUM)
            case "add" | "subtract":
                return self._sum(node)
            case "scale":
                matrix, scale = node.operands
                texts = self._at(scale, PRODUCT), self._at(matrix, PRODUCT)
                return Text(self.notation.multiply(*texts, scalar=True), PRODUCT)
        if node.operation in self.notation.infix:
            sign, level = self.notation.infix[node.operation]
            left, right = node.operands
            tighter = level if node.operation in ("matrix_add", "matrix_product") else level + 1
            return Text(f"{self._at(left, level)}{sign}{self._at(right, tighter)}", level)
        return self._function(node)

    def _function(self, node: Expression) -> Text:
        texts = [self.piece(operand).text for operand in node.operands]
        written = self.notation.functions[node.operation]
        if node.operation == "block_diagonal":
            return Text(texts[0], ATOM)
        if node.operation in ("transpose", "not"):
            texts = [self._at(node.operands[0], ATOM)]
        return Text(written(*texts), ATOM)

    def _leaf(self, node: Expression) -> Text:
        match node.operation:
            case "number":
                value = node.attributes[0]
                return Text(self.notation.number(value), ATOM if value >= 0 else SUM)
            case "parameter":
                return Text(self.notation.weight(*node.attributes), ATOM)
            case "input":
                return Text(self.notation.value(node.name, "t"), ATOM)
            case "state":
                return Text(self.notation.value(node.name, "t-1"), ATOM)
        return Text(self.notation.constant(node.name), ATOM)

    def _sum(self, node: Expression) -> Text:
        left, right = node.operands
        minus = node.operation == "subtract"
        text, negative = self._unsigned(right)
        if not negative:
            text = self._at(right, PRODUCT if minus else SUM)
        return Text(f"{self._at(left, SUM)} {'-' if minus != negative else '+'} {text}", SUM)

    def _product(self, node: Expression) -> Text:
        base, exponent = self._power(node)
        if exponent > 1:
            return Text(self.notation.power(self._at(base, ATOM), exponent), APPLIED)
        left, right = node.operands
        scalars = [self._is_scalar(operand) for operand in node.operands]
        if scalars == [False, True] and right not in self.symbols:
            left, right = right, left
        (first, minus), (second, other) = self._unsigned(left), self._unsigned(right)
        if left.operation == "divide" and self.piece(left).level == PRODUCT:
            first = self.notation.brackets(first)  # a / b·c looks like a / (b·c)
        text = self.notation.multiply(first, second, scalar=any(scalars))
        return Text(f"-{text}", SUM) if minus != other else Text(text, PRODUCT)

    def _unsigned(self, node: Expression) -> tuple[str, bool]:
        """What stands in a product, and whether a minus was taken from before it."""
        text = self.piece(node)
        if text.level == SUM and node.operation in ("number", "negate", "multiply"):
            return text.text[1:], True
        return self._at(node, PRODUCT), False

    def _power(self, node: Expression) -> tuple[Expression, int]:
        """What a product of equal factors is a power of."""
        if node.operation != "multiply":
            return node, 1
        (a, m), (c, n) = (
            (factor, 1) if factor in self.symbols else self._power(factor)
            for factor in node.operands
        )
        return (a, m + n) if a is c else (node, 1)

    def _is_scalar(self, node: Expression) -> bool:
        return self.graph.sizes.values.get(node) == 1

    def _at(self, node: Expression, level: int) -> str:
        text = self.piece(node)
        return text.text if text.level >= level else self.notation.brackets(text.text)


def _needs_line(node: Expression, uses: int, length: int) -> bool:
    """Whether an unnamed expression gets a line of its own."""
    if node.operation == "layer_norm" and len(node.operands) > 1:
        return True
    return uses > 1 and length >= LONG and node.operation != "detach"


def _first_part(node: Expression, nodes: Iterable[Expression]) -> Expression:
    """The first among `nodes` that comes from the same layer norm; else the node itself."""
    if node.operation != "layer_norm":
        return node
    return next(k for k in nodes if k.operation == "layer_norm" and k.operands == node.operands)
