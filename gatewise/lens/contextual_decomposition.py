"""Contextual decomposition: what a span of the input contributed, in its context.

Every value is split into a part β that comes from the span (and from it together with biases), and
a part γ that comes from everything else or from both together: Murdoch, Liu & Yu (2018),
arXiv:1801.05453, section 3. It tells "not" in "not bad" from "not" in "not good", which no
score for single steps can.

The paper gives the LSTM. The same rules follow for any equations made of sums, products with
weights, gates and functions: each expression has three parts, span β, rest γ and constant δ (from
biases and numbers).

- Sums and products with weights act on each part.
- A function f gives β the share ½[f(β+δ) − f(δ) + f(β+γ+δ) − f(γ+δ)]: the mean over both orders
  in which β and γ may come, a Shapley value.
- A product of two values gives β the terms β₁β₂ + β₁δ₂ + δ₁β₂; every term with a γ goes to γ.
- When an additive state is complete, and when any state is handed to the next step, its δ goes to
  β at a step of the span, else to γ.
- Gates that read out a state which adds up over time (o of h = o ⊙ tanh(c)) are taken as whole
  numbers, as in the paper.

β + γ is the value itself, exactly, for every cell of which this is defined. It is refused where a
cell divides by something that depends on its input (sLSTM, minLSTM, layer norm), or takes a root or
a logarithm of it: a part alone may be zero or negative there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gatewise.backends.evaluation import Plan, constants, run
from gatewise.equations import EquationError, Graph
from gatewise.equations.additive import additive_states
from gatewise.equations.expression import Condition, Matrix
from gatewise.equations.symbol import Expression, topological
from gatewise.lens.recorded import Recorded, evaluate, in_running_order, state_sizes

LINEAR = ("add", "subtract", "negate", "detach", "row_sum")
REFUSED = ("log", "sqrt", "divide", "layer_norm")
CONSTANT = ("parameter", "number", "constant", "given")


class Parts(NamedTuple):
    """A value as a sum.

    Attributes:
        span: what the span contributed.
        rest: what came from elsewhere, or from both together.
        constant: what came from biases and numbers alone.
    """

    span: Tensor
    rest: Tensor
    constant: Tensor

    @property
    def total(self) -> Tensor:
        """The value itself."""
        return self.span + self.rest + self.constant


@dataclass(frozen=True)
class Decomposition:
    """What a span contributed to the output and the states of every step.

    Attributes:
        span: the steps of the span, in the order of the input.
        relevant: ``(T, B, size)``, the span's part of the output; times the weights of a linear
            head it is the span's part of a logit.
        rest: ``(T, B, size)``, everything else; both together are the output.
        states: by name, the span's part of each state, ``(T, B, size)``.
        error: the largest difference between output and sum of its parts: rounding alone.
    """

    span: range
    relevant: Tensor
    rest: Tensor
    states: Mapping[str, Tensor]
    error: float

    def __str__(self) -> str:
        ours, theirs = (float(part[-1].norm()) for part in (self.relevant, self.rest))
        return (
            f"steps {self.span.start} to {self.span.stop - 1}: ‖β‖ = {ours:.3g} of the output at "
            f"the last step, ‖γ‖ = {theirs:.3g}"
        )


@torch.no_grad()
def contextual_decomposition(
    recorded: Recorded, span: slice | range, whole: Collection[str] | None = None
) -> Decomposition:
    """Split the output and the states into what a span of steps contributed, and the rest.

    Args:
        recorded: one layer and direction of a trace. Of stacked layers, take the first:
            the span of a higher layer's input is not the span of the words.
        span: steps in the order of the input, such as ``slice(2, 5)``.
        whole: names of gates that are not split; where left out those that read out an additive
            state (``o`` of an LSTM; none of a GRU).

    Raises:
        EquationError: the cell does something of which the parts make no sense; says what.
        IndexError: the span has no step.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.LSTM(3, 5)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(7, 2, 3))
        >>> found = contextual_decomposition(t.only, slice(2, 5))
        >>> found.relevant.shape, bool(found.relevant[:2].eq(0).all()), found.error < 1e-6
        (torch.Size([7, 2, 5]), True, True)
    """
    recurrence, operands = recorded.recurrence, recorded.operands
    T, B = operands.x.shape[:2]
    steps = range(T)[span] if isinstance(span, slice) else span
    if not steps or steps.step != 1 or steps.start < 0 or steps.stop > T:
        raise IndexError(f"span {span}: one step or more in a row, of the {T} there are.")
    graph = recurrence.graph
    step = _Step(recorded, readout_gates(graph) if whole is None else whole)
    sizes = state_sizes(recurrence)
    states = {name: _all_rest(value) for name, value in operands.states.items()}
    kept: list[tuple[Parts, dict[str, Parts]]] = []
    for t in range(T - 1, -1, -1) if recurrence.reverse else range(T):
        inputs = {name: value[t] for name, value in operands.inputs.items()}
        output, states = step.run(inputs, states, t in steps)
        states = {name: _expanded(parts, B, sizes[name]) for name, parts in states.items()}
        kept.append((_expanded(output, B, recurrence.output_size), states))
    relevant, rest = (
        in_running_order(torch.stack([output[part] for output, _ in kept]), recurrence)
        for part in (0, 1)
    )
    (output,) = evaluate(recorded, [graph.output])
    return Decomposition(
        steps,
        relevant,
        rest,
        {
            name: in_running_order(torch.stack([row[name].span for _, row in kept]), recurrence)
            for name in states
        },
        float((relevant + rest - output).abs().amax()),
    )


def readout_gates(graph: Graph) -> tuple[str, ...]:
    """Sigmoids that multiply what is read out of an additive state: o of ``h = o * tanh(c)``."""
    added: set[Expression] = {graph.new_states[name] for name in additive_states(graph)}
    named: dict[Expression, str] = {graph.values[name]: name for name in graph.gates}
    found: dict[str, None] = {}
    stack: list[Expression] = [graph.output, *graph.new_states.values()]
    seen = set(added)
    while stack:
        node = stack.pop()
        if node in seen or node.operation == "sigmoid":
            continue
        seen.add(node)
        if node.operation == "multiply":
            for gate, other in (node.operands, node.operands[::-1]):
                if (
                    gate in named
                    and gate.operation == "sigmoid"
                    and added & {*topological([other])}
                ):
                    found[named[gate]] = None
        stack.extend(node.operands)
    return tuple(name for name in graph.gates if name in found)


def _all_rest(value: Tensor) -> Parts:
    zero = torch.zeros_like(value)
    return Parts(zero, value, zero)


def _expanded(parts: Parts, batch: int, size: int) -> Parts:
    return Parts(*(part.expand(batch, size) for part in parts))


class _Step:
    """One step of a graph on parts instead of numbers."""

    def __init__(self, recorded: Recorded, whole: Collection[str]):
        graph, operands = recorded.recurrence.graph, recorded.operands
        unknown = [name for name in whole if name not in graph.values]
        if unknown:
            raise EquationError(
                f"cell {graph.name!r} has no value {', '.join(unknown)}; it has "
                f"{', '.join(graph.values)}."
            )
        self.graph = graph
        self.whole = {graph.values[name] for name in whole}
        added = additive_states(graph)
        self.complete = {
            graph.output,
            *(values[name] for values in (graph.values, graph.new_states) for name in added),
        }
        self.weights = _weights(graph, operands.parameters, next(iter(operands.states.values())))
        self.givens = operands.givens

    def run(
        self, inputs: Mapping[str, Tensor], states: Mapping[str, Parts], within: bool
    ) -> tuple[Parts, dict[str, Parts]]:
        """The parts of the output and of the new states; `within`: the step is of the span."""
        values: dict[Expression, Parts | Tensor] = {}
        for node in self.graph.order:
            value = self._value(node, values, inputs, states, within)
            if node in self.whole:
                assert isinstance(value, Parts)
                zero = torch.zeros_like(value.total)
                value = Parts(zero, zero, value.total)
            elif node in self.complete:
                assert isinstance(value, Parts)
                value = _settled(value, within)
            values[node] = value
        output, *new = (values[n] for n in (self.graph.output, *self.graph.new_states.values()))
        settled = [_settled(value, within) for value in (output, *new) if isinstance(value, Parts)]
        return settled[0], dict(zip(self.graph.new_states, settled[1:], strict=True))

    def _value(
        self,
        node: Expression,
        values: Mapping[Expression, Parts | Tensor],
        inputs: Mapping[str, Tensor],
        states: Mapping[str, Parts],
        within: bool,
    ) -> Parts | Tensor:
        match node.operation:
            case "state":
                return states[node.name]
            case "input":
                value, zero = inputs[node.name], torch.zeros_like(inputs[node.name])
                return Parts(value, zero, zero) if within else Parts(zero, value, zero)
            case operation if operation in CONSTANT or isinstance(node, Matrix):
                value = self.givens[node.name] if operation == "given" else self.weights[node]
                zero = torch.zeros_like(value)
                return value if isinstance(node, Matrix) else Parts(zero, zero, value)
        operands = [values[operand] for operand in node.operands]
        if isinstance(node, Condition):
            totals = [part.total if isinstance(part, Parts) else part for part in operands]
            return _apply(node, totals)
        if node.operation == "product":
            matrix, vector = operands
            assert isinstance(vector, Parts)
            return Parts(*(_apply(node, [matrix, torch.atleast_1d(p)]) for p in vector))  # type: ignore[list-item]
        if node.operation == "unit_count":
            counted = _apply(node, [part.total for part in operands])  # type: ignore[union-attr]
            return Parts(torch.zeros_like(counted), torch.zeros_like(counted), counted)
        if node.operation == "where":
            chosen, first, second = operands
            return Parts(*(torch.where(chosen, a, c) for a, c in zip(first, second, strict=True)))  # type: ignore[arg-type]
        return self._combined(node, operands)  # type: ignore[arg-type]

    def _combined(self, node: Expression, operands: Sequence[Parts]) -> Parts:
        if node.operation in LINEAR:
            return Parts(*(_apply(node, parts) for parts in zip(*operands, strict=True)))
        if node.operation == "multiply":
            return _product(*operands)
        if node.operation in REFUSED:
            read = operands if node.operation == "layer_norm" else operands[-1:]
            if any(bool(part.any()) for parts in read for part in parts[:2]):
                self._refuse(node)
            if node.operation == "divide":
                return Parts(*(part / operands[1].constant for part in operands[0]))
        return _shared(lambda parts: _apply(node, parts), operands)

    def _refuse(self, node: Expression) -> None:
        within = node.operands[-1]
        name = next((n for n, value in self.graph.values.items() if value is within), f"`{within}`")
        does = {"divide": "divides by", "layer_norm": "divides by the deviation of"}
        what = does.get(node.operation, f"takes the {node.operation} of")
        raise EquationError(
            f"cell {self.graph.name!r} {what} "
            f"{name}, which depends on the input: a part of it alone may be zero or negative, so "
            "the value cannot be split."
        )


def _settled(value: Parts, within: bool) -> Parts:
    """A complete state: its constant goes to the span at the span's steps, else to the rest."""
    zero = torch.zeros_like(value.constant)
    if within:
        return Parts(value.span + value.constant, value.rest, zero)
    return Parts(value.span, value.rest + value.constant, zero)


def _product(first: Parts, second: Parts) -> Parts:
    (b1, _, d1), (b2, _, d2) = first, second
    span, constant = b1 * b2 + b1 * d2 + d1 * b2, d1 * d2
    return Parts(span, first.total * second.total - span - constant, constant)


def _shared(function: Callable[[Sequence[Tensor]], Tensor], operands: Sequence[Parts]) -> Parts:
    """A function's value, shared out between span and rest by the mean of both orders."""
    constant = function([parts.constant for parts in operands])
    with_span = function([parts.span + parts.constant for parts in operands])
    with_rest = function([parts.rest + parts.constant for parts in operands])
    total = function([parts.total for parts in operands])
    span = (with_span - constant + total - with_rest) / 2
    return Parts(span, total - constant - span, constant)


def _apply(node: Expression, operands: Sequence[Tensor]) -> Tensor:
    """One operation on tensors."""
    plan = Plan()
    values_at = [plan.slot(operand) for operand in node.operands]
    instructions = plan.instructions([node], ())
    plan.slot(node)
    values = plan.values()
    for slot, value in zip(values_at, operands, strict=True):
        values[slot] = value
    run(instructions, values)
    return values[plan.slots[node]]


def _weights(
    graph: Graph, parameters: Mapping[str, Tensor], like: Tensor
) -> dict[Expression, Tensor]:
    """Every weight, number, and expression of matrices alone, computed once."""
    matrices = [node for node in graph.order if isinstance(node, Matrix)]
    leaves = [node for node in graph.order if node.operation in ("parameter", "number", "constant")]
    plan = Plan()
    instructions = plan.instructions(matrices, ())
    for node in (*leaves, *matrices):
        plan.slot(node)
    values = plan.values()
    known = constants(leaves, graph.constants, like)
    for node in leaves:
        values[plan.slots[node]] = known[node] if node in known else parameters[node.name]
    run(instructions, values)
    return {node: values[plan.slots[node]] for node in (*leaves, *matrices)}
