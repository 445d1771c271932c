"""One step of a cell worked with real numbers: every product, every sum, every activation.

Weights, inputs and states have two decimals, so that the numbers printed are the numbers computed
with; what is computed from them is shown with four.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends.evaluation import Plan, constants, run
from gatewise.equations import Cell, Graph
from gatewise.equations.expression import Expression
from gatewise.equations.formula import ATOM, SUM, Formula, Text
from gatewise.equations.plain import Plain
from gatewise.equations.size import size_number
from gatewise.layers import Step

LEAVES = ("input", "state", "parameter")


@dataclass(frozen=True)
class Numbers:
    """A cell with drawn weights, inputs and states, and the value of every expression.

    Attributes:
        cell: the cell.
        sizes: I and H.
        given: inputs and states by their symbols, ``(size,)``.
        values: of every expression of the step, ``(size,)`` or ``(rows, columns)``.
    """

    cell: Cell
    sizes: dict[str, int]
    given: dict[str, Tensor]
    values: dict[Expression, Tensor]


@torch.no_grad()
def draw(cell: Cell, seed: int) -> Numbers:
    """Draw weights and inputs, let the state grow for three steps, and compute one more.

    Args:
        cell: any cell.
        seed: equal seeds draw equal numbers.
    """
    graph = cell.graph
    heads = math.lcm(*(parameter.blocks for parameter in graph.parameters.values()), 1)
    H = heads * math.ceil(3 / heads)
    I = H if graph.sizes.equal else 4
    torch.manual_seed(seed)
    step = Step(cell, I, H, dtype=torch.float64)
    for parameter in step.parameters():
        parameter.copy_(_two_decimals(parameter))
    state = None
    for _ in range(3):
        x, *others = _inputs(graph, I, H).items()
        _, state = step(x[1], state, **dict(others))
    fields = dict(zip(graph.states, map(_two_decimals, state or ()), strict=True))
    inputs = _inputs(graph, I, H)
    values = _values(graph, {**inputs, **fields}, step.weights())
    notation = Plain()
    given = {notation.value(name, "t"): value for name, value in inputs.items()}
    given |= {notation.value(name, "t-1"): value for name, value in fields.items()}
    return Numbers(cell, {"I": I, "H": H}, given, values)


def _inputs(graph: Graph, I: int, H: int) -> dict[str, Tensor]:
    """X between -1 and 1; what else a cell reads, such as a time, between 0 and 1."""
    first = next(iter(graph.inputs))
    drawn = {}
    for name, size in graph.inputs.items():
        value = torch.rand(size_number(size, {"I": I, "H": H}), dtype=torch.float64)
        drawn[name] = _two_decimals(2 * value - 1 if name == first else value)
    return drawn


def _two_decimals(value: Tensor) -> Tensor:
    return value.mul(100).round().div(100)


def _values(
    graph: Graph, given: dict[str, Tensor], weights: dict[str, Tensor]
) -> dict[Expression, Tensor]:
    """Every expression, by the reference backend's own instructions."""
    plan = Plan()
    instructions = plan.instructions(graph.order, ())
    leaves = {node: plan.slot(node) for node in graph.order if not node.operands}
    store = plan.values()
    like = next(iter(given.values()))
    numbers = constants(graph.order, graph.constants, like)
    for node, slot in leaves.items():
        if node in numbers:
            store[slot] = numbers[node]
        else:
            store[slot] = weights[node.name] if node.operation == "parameter" else given[node.name]
    run(instructions, store)
    return {node: store[slot].detach() for node, slot in plan.slots.items()}


def lines_of(numbers: Numbers) -> Iterator[str]:
    """The worked step as lines of text."""
    yield from _Work(numbers).lines()


def number_text(value: float, decimals: int = 4) -> str:
    """A number with so many decimals, very large or small ones by their exponent.

    >>> number_text(-0.00001), number_text(0.25, 2), number_text(-1e9)
    ('0.0000', '0.25', '-1.0000e+09')
    """
    text = f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.4e}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


class _Unit(Formula):
    """A formula with the numbers of one unit in the place of its symbols."""

    def __init__(self, graph: Graph, values: dict[Expression, Tensor], unit: int):
        super().__init__(graph, _Dots())
        self.values, self.unit = values, unit
        self.shown: dict[Expression, Text] = {}
        self.partial: dict[Expression, tuple[float, list[Expression]]] = {}

    def number(self, node: Expression) -> float:
        """A value of this unit; a scalar is the same for all."""
        value = self.values[node].reshape(-1)
        return float(value[self.unit if len(value) > 1 else 0])

    def piece(self, node: Expression) -> Text:
        """The number of what is given or was worked before; the rest is written out."""
        if node in self.shown:
            return self.shown[node]
        if node in self.symbols or node.operation in (*LEAVES, "constant"):
            decimals = 2 if node.operation in LEAVES else 4
            return self._signed(self.number(node), decimals)
        return self.body(node)

    def show(self, node: Expression, number: float) -> None:
        """Let an expression stand as its number from now on."""
        self.shown[node] = self._signed(number, 4)

    def body(self, node: Expression) -> Text:
        """The numbers of what a node is made of."""
        if node in self.shown:
            return self.shown[node]
        if node in self.partial:
            total, others = self.partial[node]
            texts = [number_text(total), *(self._at(other, SUM) for other in others)]
            return Text(" + ".join(texts).replace("+ -", "- "), SUM)
        if not node.operands and node.operation in (*LEAVES, "constant"):
            return self.piece(node)
        found = super().body(node)
        return Text(found.text.replace("+ -", "- "), found.level)

    @staticmethod
    def _signed(value: float, decimals: int) -> Text:
        text = number_text(value, decimals)
        return Text(text, SUM if text.startswith("-") else ATOM)


class _Dots(Plain):
    """Numbers of one unit are multiplied by a dot."""

    def multiply(self, left: str, right: str, scalar: bool) -> str:
        """A dot between numbers."""
        return f"{left}·{right}"


class _Work:
    def __init__(self, numbers: Numbers):
        self.numbers, self.values = numbers, numbers.values
        self.graph = numbers.cell.graph
        self.formula = Formula(self.graph, Plain())
        longest = max(value.numel() for value in self.values.values() if value.dim() < 2)
        self.units = [_Unit(self.graph, self.values, unit) for unit in range(longest)]
        self.worked: set[Expression] = set()

    def lines(self) -> Iterator[str]:
        """What is given, each equation in the order of computation, the new states."""
        sizes = ", ".join(f"{name} = {size}" for name, size in self.numbers.sizes.items())
        yield f"One step with numbers: {sizes}"
        yield ""
        for symbol, value in self.numbers.given.items():
            yield f"  {symbol} = {vector_text(value, 2)}   ({len(value)})"
        for name, value in self.graph.constants.items():
            yield f"  {Plain().constant(name)} = {Plain().number(value)}"
        named = [
            node for node in self.graph.order if node in self.formula.symbols and node.operands
        ]
        for node in named:
            yield ""
            yield from self._equation(node)
        yield ""
        yield "After the step:"
        for name, value in self.graph.new_states.items():
            size = self.units_of(value)
            yield f"  {Plain().value(name, 't')} = {vector_text(self.values[value])}   ({size})"

    def units_of(self, node: Expression) -> int:
        """How many units a value has."""
        return self.values[node].numel()

    def _equation(self, node: Expression) -> Iterator[str]:
        symbol = Plain().value(self.formula.symbols[node], "t")
        yield f"{symbol} = {self.formula.body(node).text}"
        yield from self._inside(node)
        yield from self._unit_lines(node, symbol)

    def _unit_lines(self, node: Expression, symbol: str) -> Iterator[str]:
        """An expression unit by unit: the numbers put in, and what comes out."""
        for k, unit in enumerate(self.units[: self.units_of(node)]):
            text, result = unit.body(node).text, number_text(unit.number(node))
            shown = f"{text} = {result}" if text != result else result
            yield f"  {symbol}[{k + 1}] = {shown}"

    def _inside(self, node: Expression) -> Iterator[str]:
        """Work what needs all units of something, products and norms, wherever it stands."""
        if node in self.worked:
            return
        self.worked.add(node)
        products = self._products(node)
        if products:
            yield from self._rows(node)
            for term in self._terms(node):
                if term not in products and term.operands and term not in self.formula.symbols:
                    yield from self._inside(term)
            return
        for operand in node.operands:
            if operand not in self.formula.symbols and operand.operation not in LEAVES:
                yield from self._inside(operand)
        if node.operation == "layer_norm":
            yield from self._norm(node)
        elif node.operation == "row_sum":
            yield from self._total(node)
        elif node.operation == "unit_count":
            for unit in self.units:
                unit.shown[node] = Text(f"{float(self.values[node]):g}", ATOM)

    def _terms(self, node: Expression) -> list[Expression]:
        """The terms of a sum, named values whole."""
        if node.operation != "add":
            return [node]
        return [
            term
            for operand in node.operands
            for term in ([operand] if operand in self.formula.symbols else self._terms(operand))
        ]

    def _products(self, node: Expression) -> list[Expression]:
        found = [term for term in self._terms(node) if term.operation == "product"]
        found = [term for term in found if term is node or term not in self.formula.symbols]
        # the last state first: [h, x], as articles write it
        return sorted(found, key=lambda term: term.operands[1].operation == "input")

    def _rows(self, node: Expression) -> Iterator[str]:
        """The products of a sum as one: matrices side by side, vectors on top of each other."""
        products = self._products(node)
        for product in products:
            vector = product.operands[1]
            known = vector in self.formula.symbols or vector.operation in LEAVES
            if not known and vector not in self.worked:
                yield from self._inside(vector)
                self.worked.add(vector)
                yield from self._unit_lines(vector, self.formula.text(vector))
        biases = [
            term
            for term in self._terms(node)
            if term.operation == "parameter" and term.attributes[0] == "b"
        ]
        matrices = [self.values[product.operands[0]] for product in products]
        vectors = [self.values[product.operands[1]].reshape(-1) for product in products]
        columns = sum(len(vector) for vector in vectors)
        names = " ".join(self.formula.factor(product.operands[0]) for product in products)
        of = ", ".join(self.formula.text(product.operands[1]) for product in products)
        plus = "".join(f" + {self.formula.text(bias)}" for bias in biases)
        rows = len(matrices[0])
        shown = f"[{names}] [{of}]" if len(products) > 1 else self.formula.text(products[0])
        yield f"  {shown}{plus}: {rows} × {columns} products"
        for k in range(rows):
            yield from self._row(k, products, matrices, vectors, biases)
        self._replace(node, [*products, *biases])

    def _row(
        self,
        k: int,
        products: list[Expression],
        matrices: list[Tensor],
        vectors: list[Tensor],
        biases: list[Expression],
    ) -> Iterator[str]:
        """One row: weight times number for every column, their products, the sum."""
        pairs = [
            (float(w), float(v), 2 if product.operands[1].operation in LEAVES else 4)
            for product, matrix, vector in zip(products, matrices, vectors, strict=True)
            for w, v in zip(matrix[k], vector, strict=True)
        ]
        added = [float(self.values[bias].reshape(-1)[k]) for bias in biases]
        factors = " + ".join(f"{number_text(w, 2)}·{_factor(v, d)}" for w, v, d in pairs)
        factors += "".join(f" + {number_text(value, 2)}" for value in added)
        terms = " + ".join(number_text(w * v) for w, v, _ in pairs)
        terms += "".join(f" + {number_text(value)}" for value in added)
        total = sum(float(self.values[product].reshape(-1)[k]) for product in products) + sum(added)
        head = f"    row {k + 1}: "
        yield head + factors.replace("+ -", "- ")
        yield " " * (len(head) - 2) + f"= {terms.replace('+ -', '- ')}"
        yield " " * (len(head) - 2) + f"= {number_text(total)}"

    def _replace(self, node: Expression, worked: list[Expression]) -> None:
        """From now on the worked part of a sum stands as one number."""
        terms = self._terms(node)
        others = [term for term in terms if term not in worked]
        for unit in self.units[: self.units_of(node)]:
            total = sum(unit.number(term) for term in worked)
            if not others:
                unit.show(node, total)
                continue
            unit.partial[node] = (total, others)

    def _total(self, node: Expression) -> Iterator[str]:
        """A sum over units: one term for every unit of every argument, and what they come to."""
        terms = [
            unit.piece(operand).text
            for operand in node.operands
            for unit in self.units[: self.units_of(operand)]
        ]
        total = float(self.values[node])
        shown = " + ".join(terms).replace("+ -", "- ")
        yield f"  {self.formula.text(node)} = {shown} = {number_text(total)}"
        for unit in self.units:
            unit.show(node, total)

    def _norm(self, node: Expression) -> Iterator[str]:
        """A layer norm: what it reads, its mean and deviation, what comes out."""
        joined = torch.cat([self.values[operand].reshape(-1) for operand in node.operands])
        deviation = joined.var(unbiased=False).add(node.attributes[1]).sqrt()
        part = self.values[node.operands[node.attributes[0]]]
        yield f"  {self.formula.text(node)}: of {len(joined)} numbers the mean is"
        yield (
            f"    {number_text(float(joined.mean()))} and the deviation "
            f"{number_text(float(deviation))}, so {vector_text(part)}"
        )
        yield f"    becomes {vector_text(self.values[node])}"
        for unit in self.units[: self.units_of(node)]:
            unit.show(node, unit.number(node))


def vector_text(value: Tensor, decimals: int = 4) -> str:
    """Numbers in square brackets."""
    return f"[{', '.join(number_text(float(v), decimals) for v in value.reshape(-1))}]"


def _factor(value: float, decimals: int) -> str:
    text = number_text(value, decimals)
    return f"({text})" if text.startswith("-") else text
