"""What a diagram shows of a cell: layers with weights, operations unit by unit, states, inputs.

The graph's many nodes become few blocks, as in the figures of articles: one box for an activation
with all the weights inside it, one circle for each operation unit by unit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from gatewise.equations.derivative import weight_expressions
from gatewise.equations.expression import Expression, number_of
from gatewise.equations.formula import Formula
from gatewise.equations.graph import ACTIVATIONS, Graph
from gatewise.equations.plain import Plain

Kind = Literal["source", "join", "layer", "function", "operator", "sink"]
OPERATORS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷"}
FUNCTIONS = {
    **{"sigmoid": "σ", "relu": "ReLU", "absolute": "|·|", "sqrt": "√", "negate": "−"},
    **{"maximum": "max", "minimum": "min", "layer_norm": "LN", "where": "if", "not": "not"},
    **{"row_sum": "Σ", "unit_count": "dim"},
    **{"less": "<", "less_equal": "≤"},
}


@dataclass(eq=False)
class Entry:
    """A value that enters a block.

    Attributes:
        block: where it comes from.
        weighted: whether the block multiplies it by its weights.
        mark: ``−`` or ``÷`` where the value is subtracted, or divides.
    """

    block: Block
    weighted: bool = False
    mark: str = ""


@dataclass(eq=False)
class Block:
    """One thing that a diagram shows.

    Attributes:
        kind: what it is.
        label: what is written in it.
        entries: what enters it.
        names: the values of the cell that it computes; empty where it has none.
        state: of a source or sink, the state's name; else empty.
        value: the expression that it shows; None for parts that have none of their own.
    """

    kind: Kind
    label: str
    entries: list[Entry] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    state: str = ""
    value: Expression | None = None

    @property
    def is_layer(self) -> bool:
        """Whether it holds weights."""
        return self.kind == "layer"


@dataclass(frozen=True)
class Blocks:
    """A cell as blocks.

    Attributes:
        order: all blocks, each after those that enter it.
        sinks: by state, where it leaves; the output's under an empty name where it is no state.
    """

    order: tuple[Block, ...]
    sinks: dict[str, Block]


def blocks_of(graph: Graph) -> Blocks:
    """The blocks of a graph, with lines that enter several layers together joined."""
    return _Builder(graph).build()


class _Builder:
    def __init__(self, graph: Graph):
        self.graph, self.formula = graph, Formula(graph, Plain())
        self.weights = weight_expressions(graph.order)
        self.uses = Counter(
            operand
            for node in graph.order
            for operand in set(node.operands)
            if node.operation != "layer_norm" or node.attributes[0] == 0  # one use, many parts
        )
        self.names: dict[Expression, list[str]] = {}
        for name, value in graph.values.items():
            self.names.setdefault(_seen(value), []).append(name)
        self.blocks: dict[Expression, Block] = {}
        self.unnamed: list[Block] = []  # parts of an expression that have no node of their own

    def build(self) -> Blocks:
        """Blocks of everything that the cell hands on, and of named values besides."""
        sinks = {}
        for name, value in self.graph.new_states.items():
            sinks[name] = Block("sink", f"{name}", [Entry(self.block(value))], state=name)
        for value in self.graph.roots:
            self.block(value)
        if self.graph.output not in self.graph.new_states.values():
            source = self.block(self.graph.output)
            sinks[""] = Block("sink", (source.names or ["output"])[0], [Entry(source)])
        made = [*self.blocks.values(), *self.unnamed]
        join_lines([block for block in made if block.is_layer])
        return Blocks(tuple(_in_order([*sinks.values(), *made])), sinks)

    def block(self, node: Expression) -> Block:
        """The block of a value that depends on an input or a state."""
        node = _seen(node)
        if node.operation == "layer_norm":  # all its parts are one block
            node = Expression("layer_norm", node.operands, (0, *node.attributes[1:]))
        if node not in self.blocks:
            made = self._make(node)
            made.names += [n for n in self.names.get(node, ()) if n not in made.names]
            made.value = node
            self.blocks[node] = made
        return self.blocks[node]

    def _make(self, node: Expression) -> Block:
        if node.operation in ("input", "state", "given"):
            state = node.name if node.operation == "state" else ""
            return Block("source", node.name, state=state)
        if not node.operands or node in self.weights:
            return Block("function", self._weight_label(node))
        if node.operation in ACTIVATIONS:
            return self._activation(node)
        if node.operation == "layer_norm":
            return Block("function", "LN", [Entry(block) for block in self._normed(node)])
        learned, others = self._split(node)
        if learned and any(part.operation == "product" for part in learned):
            return self._sum(node, learned, others)
        return self._operation(node)

    def _activation(self, node: Expression) -> Block:
        label = FUNCTIONS.get(node.operation, node.operation)
        argument = _seen(node.operands[0])
        if self._absorbed(argument):
            learned, others = self._split(argument)
            vectors = self._vectors(learned)
            if vectors and len(others) <= 1:
                entries = [Entry(self.block(vector), weighted=True) for vector in vectors]
                entries += [
                    Entry(self.block(other), mark="−" if sign < 0 else "") for sign, other in others
                ]
                return Block("layer", label, entries)
        return Block("function", label, [Entry(self.block(argument))])

    def _normed(self, node: Expression) -> list[Block]:
        """What a layer norm reads: products of one vector are one product with more rows."""
        groups: dict[Expression, list[Expression]] = {}
        for operand in node.operands:
            together = operand.operation == "product" and self._absorbed(operand)
            groups.setdefault(operand.operands[1] if together else operand, []).append(operand)
        blocks = []
        for vector, group in groups.items():
            if len(group) == 1:
                blocks.append(self.block(group[0]))
                continue
            label = group[0].operands[0].name.partition(".")[0]
            blocks.append(Block("layer", label, [Entry(self.block(vector), weighted=True)]))
            self.unnamed.append(blocks[-1])
        return blocks

    def _sum(
        self, node: Expression, learned: list[Expression], others: list[tuple[int, Expression]]
    ) -> Block:
        """A sum with products in it: a layer without an activation, and what is added to it."""
        entries = [Entry(self.block(vector), weighted=True) for vector in self._vectors(learned)]
        block = Block("layer", self._layer_label(learned), entries)
        for k, (sign, other) in enumerate(others):
            last = k == len(others) - 1
            marked = Entry(self.block(other), mark="−" if sign < 0 else "")
            block = Block("operator", "+" if sign > 0 else "−", [Entry(block), marked])
            if not last:
                self.unnamed.append(block)
        return block

    def _operation(self, node: Expression) -> Block:
        operands = [_seen(operand) for operand in node.operands]
        fixed = [k for k, operand in enumerate(operands) if operand in self.weights]
        if len(operands) == 2 and len(fixed) == 1:
            moving = operands[1 - fixed[0]]
            return Block("function", self._with_fixed(node, fixed[0]), [Entry(self.block(moving))])
        if node.operation == "multiply" and operands[0] is operands[1]:
            return Block("function", "x²", [Entry(self.block(operands[0]))])
        label = OPERATORS.get(node.operation)
        entries = [Entry(self.block(k)) for k in operands if k not in self.weights]
        if label is None:
            return Block("function", FUNCTIONS.get(node.operation, node.operation), entries)
        if node.operation in ("subtract", "divide"):
            entries[1].mark = label
        return Block("operator", label, entries)

    def _with_fixed(self, node: Expression, fixed: int) -> str:
        """What an operation with a number or a weight does to the other operand."""
        text = self._weight_label(node.operands[fixed])
        match node.operation, fixed:
            case "multiply", _:
                return f"×{text}"
            case ("add", _):
                value = number_of(node.operands[fixed])
                return f"−{-value:g}" if value is not None and value < 0 else f"+{text}"
            case ("subtract" | "divide", 0):
                return f"{text}{OPERATORS[node.operation]}"
            case ("subtract" | "divide", 1):
                return f"{OPERATORS[node.operation]}{text}"
            case ("less" | "less_equal", 0):
                return f">{text}" if node.operation == "less" else f"≥{text}"
            case ("less" | "less_equal", 1):
                return f"{FUNCTIONS[node.operation]}{text}"
        return f"{FUNCTIONS.get(node.operation, node.operation)} {text}"

    def _weight_label(self, node: Expression) -> str:
        text = self.formula.factor(node)
        return text if len(text) <= 16 else "…"  # the formula has it

    def _layer_label(self, learned: list[Expression]) -> str:
        """The matrix where there is one, else a word."""
        products = [part for part in learned if part.operation == "product"]
        if len(products) == 1 and products[0].operands[0].operation in (
            *("parameter", "block_diagonal"),
        ):
            return self.formula.text(products[0].operands[0])
        return "linear"

    def _absorbed(self, node: Expression) -> bool:
        """Whether a value has no name and one use, so that it need not be shown by itself."""
        return node not in self.names and self.uses[node] <= 1

    def _split(self, node: Expression) -> tuple[list[Expression], list[tuple[int, Expression]]]:
        """The terms of a sum: those that weights make, and the others with their signs."""
        learned: list[Expression] = []
        others: list[tuple[int, Expression]] = []
        for sign, term in self._terms(node, 1, top=True):
            # a product that is subtracted is shown by itself, so that its sign is seen
            if term in self.weights or (sign > 0 and self._is_learned(term, term is node)):
                learned.append(term)
            else:
                others.append((sign, term))
        return learned, others

    def _terms(
        self, node: Expression, sign: int, top: bool = False
    ) -> Iterator[tuple[int, Expression]]:
        node = _seen(node)
        if top or self._absorbed(node):
            match node.operation:
                case "add" | "subtract":
                    yield from self._terms(node.operands[0], sign)
                    right = sign if node.operation == "add" else -sign
                    yield from self._terms(node.operands[1], right)
                    return
                case "negate":
                    yield from self._terms(node.operands[0], -sign)
                    return
        yield sign, node

    def _is_learned(self, term: Expression, alone: bool) -> bool:
        if term.operation == "product":
            return alone or term not in self.names
        return self._scaled(term) is not None

    def _scaled(self, term: Expression) -> list[Expression] | None:
        """The vectors that a term weighs, where it is weights times something."""
        if term.operation not in ("multiply", "divide") or term in self.names:
            return None
        fixed = [k for k in term.operands if k in self.weights]
        moving = [k for k in term.operands if k not in self.weights]
        if len(fixed) != 1 or (term.operation == "divide" and term.operands[1] not in self.weights):
            return None
        inside, others = self._split(moving[0])
        if not others and self._absorbed(moving[0]):
            return self._vectors(inside)
        learns = any(k.operation == "parameter" for k in fixed)
        return [_seen(moving[0])] if learns else None

    def _vectors(self, learned: Iterable[Expression]) -> list[Expression]:
        """What the terms weigh, once each."""
        found: list[Expression] = []
        for term in learned:
            if term.operation == "product":
                found.append(_seen(term.operands[1]))
            else:
                found += self._scaled(term) or []
        return [k for k in dict.fromkeys(found) if k not in self.weights]


def _seen(node: Expression) -> Expression:
    """A value without the `detach` around it, which changes gradients only."""
    while node.operation == "detach":
        node = node.operands[0]
    return node


def join_lines(layers: list[Block]) -> None:
    """Let states and inputs that enter the same layers together run there as one line.

    The two that meet most often are joined; the others keep lines of their own.
    """
    pairs: Counter[tuple[Block, ...]] = Counter()
    for layer in layers:
        sources = [e.block for e in layer.entries if e.weighted and e.block.kind == "source"]
        pairs.update(
            (a, c)
            for k, a in enumerate(sources)
            for c in sources[k + 1 :]
            if not (a.state and c.state)
        )
    if not pairs:
        return
    pair = max(pairs, key=pairs.__getitem__)
    join = Block("join", "", [Entry(block) for block in pair])
    for layer in layers:
        weighted = {entry.block for entry in layer.entries if entry.weighted}
        if weighted.issuperset(pair):
            layer.entries = [Entry(join, weighted=True)] + [
                entry for entry in layer.entries if entry.block not in pair or not entry.weighted
            ]


def _in_order(blocks: Iterable[Block]) -> list[Block]:
    """All that the blocks need and they themselves, each after what enters it."""
    order: list[Block] = []
    seen: set[Block] = set()

    def visit(block: Block) -> None:
        if block not in seen:
            seen.add(block)
            for entry in block.entries:
                visit(entry.block)
            order.append(block)

    for block in blocks:
        visit(block)
    return order


def carried_lines(blocks: Blocks) -> list[list[Block]]:
    """The states that a step carries on, unit by unit: each one's way from last value to new."""
    used: set[Block] = set()
    lines = []
    for state, sink in blocks.sinks.items():
        source = next((b for b in blocks.order if b.kind == "source" and b.state == state), None)
        line = _way(blocks, source, sink, used) if source and state else []
        if len(line) > 2:
            lines.append(line)
            used.update(line)
    return lines


def _way(blocks: Blocks, source: Block, sink: Block, used: set[Block]) -> list[Block]:
    """The shortest way that no layer interrupts."""
    came: dict[Block, Block] = {}
    pending = deque([sink])
    while pending:
        block = pending.popleft()
        if block is source:
            line = [source]
            while line[-1] in came:
                line.append(came[line[-1]])
            return line
        for entry in block.entries:
            free = entry.block not in came and entry.block not in used
            pointwise = entry.block.kind in ("operator", "function")
            if free and ((pointwise and len(entry.block.entries) <= 2) or entry.block is source):
                came[entry.block] = block
                pending.append(entry.block)
    return []
