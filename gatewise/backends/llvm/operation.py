"""A kernel's forward and backward code as one differentiable operation of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from gatewise.backends.differentiation import apply, asks_for_more
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.backward import (
    BackwardCall,
    BackwardOperands,
    Gradients,
    Needs,
)
from gatewise.backends.llvm.execution.division import useful_threads
from gatewise.backends.llvm.execution.forward import ForwardCall
from gatewise.backends.llvm.execution.sources import Places
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.recurrence import (
    ADDED,
    PAST,
    Operands,
    Recurrence,
    Result,
    Stacked,
    Stacking,
)
from gatewise.backends.reference import ReferenceBackend, evaluate_steps
from gatewise.equations.parameter import stored_shape


@dataclass
class Seen:
    """What is inside a run, for somebody who wants to see it.

    Attributes:
        past: the states before each step, ``(T, B, size)``.
        saved: read named values that are kept for the backward pass; see `Result`.
    """

    past: dict[str, Tensor] = field(default_factory=dict)
    saved: dict[str, Callable[[], Tensor | None]] = field(default_factory=dict)


class Call:
    """A kernel for T steps of B sequences, and what its flat list of tensors means.

    The tensors are the inputs, states and givens in the order of the graph, then the values of
    expressions of weights where the kernel reads such, then the parameters as they are stored.

    Args:
        kernel: the kernel.
        recurrence: what it computes.
        parameters: how they are stored.
        T: steps.
        B: sequences.
    """

    def __init__(
        self, kernel: Kernel, recurrence: Recurrence, parameters: Stacking, T: int, B: int
    ):
        self.kernel, self.recurrence, self.parameters = kernel, recurrence, parameters
        self.T, self.B = T, B
        graph = recurrence.graph
        _check_shapes(recurrence, parameters)
        self.stacking = parameters if kernel.plain else None
        self._useful = useful_threads(kernel.weights, T, B)
        self.sources = len(parameters.members) if kernel.plain else len(kernel.weight_expressions)
        self._ends = list(
            accumulate([len(graph.inputs), len(graph.states), len(graph.givens), self.sources])
        )
        self._no_flows: list[Tensor] | None = None  # nobody writes to them
        self.count = self._ends[3] + (0 if kernel.plain else len(parameters.members))

    @classmethod
    def of(
        cls, kernel: Kernel, recurrence: Recurrence, operands: Operands
    ) -> tuple[Call, list[Tensor]]:
        """A call, and its tensors."""
        graph, parameters = recurrence.graph, Stacked.of(operands.parameters)
        T, B = operands.x.shape[:2]
        tensors = [
            *(operands.inputs[name] for name in graph.inputs),
            *(operands.states[name] for name in graph.states),
            *(_whole(operands.givens[name], B) for name in graph.givens),
        ]
        if not kernel.plain:
            tensors += kernel.evaluate(parameters, operands.x, graph.constants).values()
        tensors += parameters.tensors
        parameters.check()
        return call_of(kernel, recurrence, parameters.stacking, T, B), tensors

    def split(self, tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], ...]:
        """The tensors by kind: inputs, states, givens, sources of weights, plain parameters."""
        a, b, c, d = self._ends
        sources = tensors[c:d]
        plain = sources if self.stacking is not None else tensors[d:]
        return tensors[:a], tensors[a:b], tensors[b:c], sources, plain

    def without_expressions(self, gradients: list[Tensor | None]) -> list[Tensor | None]:
        """Gradients of all tensors but the values of expressions of weights."""
        if self.stacking is not None:
            return gradients
        first, following = self._ends[2:]
        return [*gradients[:first], *gradients[following:]]

    def forward(
        self, tensors: Sequence[Tensor], output: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Run the forward kernel: the output, the last states and what the backward run reads.

        Args:
            tensors: see `Call`.
            output: where the output goes; a new tensor where left out.
        """
        return self.forward_call(self._team()).run(*self.split(tensors)[:4], output=output)

    def backward(
        self,
        tensors: Sequence[Tensor],
        y: Tensor,
        kept: Tensor,
        dy: Tensor,
        flows: Sequence[Tensor],
        needs: Sequence[bool] | None = None,
    ) -> list[Tensor | None]:
        """Run the backward kernel: a gradient for every tensor that has one.

        Args:
            tensors: as the forward run had them.
            y: the output of the forward run.
            kept: the memory that it left.
            dy: the gradient of the output.
            flows: of the last states.
            needs: for each tensor, whether its gradient is wanted; all where left out.
        """
        operands = self.backward_operands(tensors, y, kept, dy, flows)
        found = self.backward_call(self._team()).run(operands, self.needs(tensors, needs))
        return self.in_order(found, tensors)

    def backward_operands(
        self,
        tensors: Sequence[Tensor],
        y: Tensor,
        kept: Tensor,
        dy: Tensor,
        flows: Sequence[Tensor],
    ) -> BackwardOperands:
        """What the backward kernel reads; see `backward`."""
        inputs, states, givens, sources, _ = self.split(tensors)
        return BackwardOperands(inputs, states, givens, sources, (y, dy), kept, flows)

    def needs(self, tensors: Sequence[Tensor], needs: Sequence[bool] | None) -> Needs:
        """Whose gradients are wanted, of all but inputs; all where left out."""
        wanted = needs if needs is not None else [True] * len(tensors)
        a, b, c, d = self._ends
        return Needs(wanted[a:b], wanted[b:c], wanted[c:d])

    def in_order(self, found: Gradients, tensors: Sequence[Tensor]) -> list[Tensor | None]:
        """Gradients in the order of the tensors."""
        gradients = [*found.inputs, *found.states, *found.givens, *found.sources]
        return [*gradients, *[None] * (len(tensors) - len(gradients))]

    def materialized(
        self,
        tensors: Sequence[Tensor],
        y: Tensor,
        dy: Tensor | None,
        flows: Sequence[Tensor | None],
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients of the output and of the last states, zeros where there are none."""
        dy = torch.zeros_like(y) if dy is None else dy
        given = [flow for flow in flows if flow is not None]
        if len(given) == len(flows):
            return dy, given
        if self._no_flows is None:
            with torch.inference_mode(False):
                self._no_flows = [torch.zeros_like(state) for state in self.split(tensors)[1]]
        both = zip(flows, self._no_flows, strict=True)
        return dy, [zeros if flow is None else flow for flow, zeros in both]

    def see(self, seen: Seen, tensors: Sequence[Tensor], y: Tensor, kept: Tensor) -> None:
        """Show what the forward run left."""
        call = self.forward_call(self._team())
        seen.past = call.past(self.split(tensors)[1], y, kept)
        seen.saved = call.saved(kept)

    def forward_call(self, team: int) -> ForwardCall:
        """The forward run on so many threads."""
        return forward_call(self.kernel, self.T, self.B, team, self.stacking)

    def backward_call(self, team: int) -> BackwardCall:
        """The backward run on so many threads."""
        return backward_call(self.kernel, self.T, self.B, team, self.stacking)

    def _team(self) -> int:
        """How many threads: as many as torch uses, fewer where there is little to do."""
        return min(threads.available(), self._useful)

    def operands(self, tensors: Sequence[Tensor]) -> Operands:
        """The tensors by name, as the reference wants them."""
        graph = self.recurrence.graph
        inputs, states, givens, _, plain = self.split(tensors)
        return Operands(
            dict(zip(graph.inputs, inputs, strict=True)),
            dict(zip(graph.states, states, strict=True)),
            Stacked(plain, self.parameters),
            dict(zip(graph.givens, givens, strict=True)),
        )

    def named_values(
        self, operands: Operands, past: Mapping[str, Tensor], keep: Sequence[str]
    ) -> dict[str, Tensor]:
        """What `keep` names: pasts of states as the kernel left them, the rest computed from them.

        The states of all steps are known, so one pass over all steps is enough.
        """
        named = [name for name in keep if not name.startswith(PAST)]
        found = {PAST + name: value for name, value in past.items()}
        if named:
            nodes = [self.recurrence.graph.values[name] for name in named]
            with torch.no_grad():
                values = evaluate_steps(self.recurrence, operands, past, nodes)
            found |= zip(named, values, strict=True)
        return {name: found[name] for name in keep}


@lru_cache(maxsize=512)
def call_of(kernel: Kernel, recurrence: Recurrence, parameters: Stacking, T: int, B: int) -> Call:
    """The call of these sizes; it holds no tensors."""
    return Call(kernel, recurrence, parameters, T, B)


def _check_shapes(recurrence: Recurrence, parameters: Stacking) -> None:
    """A kernel reads as many numbers as its sizes say: weights of other shapes are refused."""
    graph = recurrence.graph
    for names, found in zip(parameters.members, parameters.shapes, strict=True):
        for name in names:
            own = name.removeprefix(ADDED)
            if own not in graph.parameters:
                continue
            wanted = stored_shape(graph.parameters[own], recurrence.sizes)
            if tuple(found) != wanted:
                shape = tuple(found)
                raise RuntimeError(f"{own} has shape {shape}, but {graph.name} needs {wanted}.")


def _whole(given: Tensor, B: int) -> Tensor:
    """A given value with a row for each sequence."""
    return given if given.dim() == 2 and given.shape[0] == B else given.expand(B, -1)


@lru_cache(maxsize=512)
def _places(kernel: Kernel, stacking: Stacking | None) -> Places:
    """Where a kernel's expressions of weights are; each is a tensor of its own if not stacked."""
    if stacking is None:
        return {node: [(k, 0)] for k, node in enumerate(kernel.weight_expressions)}
    places, added = stacking.places, stacking.added
    return {
        node: [places[node.name], *([added[node.name]] if node.name in added else [])]
        for node in kernel.weight_expressions
    }


@lru_cache(maxsize=256)
def forward_call(
    kernel: Kernel, T: int, B: int, team: int, stacking: Stacking | None
) -> ForwardCall:
    """What forward calls of these sizes share."""
    return ForwardCall(kernel, T, B, team, _places(kernel, stacking))


@lru_cache(maxsize=256)
def backward_call(
    kernel: Kernel, T: int, B: int, team: int, stacking: Stacking | None
) -> BackwardCall:
    """What backward calls of these sizes share."""
    places = _places(kernel, stacking)
    if stacking is not None:
        rows = [shape[0] if shape else 1 for shape in stacking.shapes]
    else:
        rows = [kernel.equations.units(node) for node in places]
    return BackwardCall(kernel, T, B, team, places, rows)


class Run(torch.autograd.Function):
    """A call with its derivative."""

    @staticmethod
    def forward(ctx: Any, call: Call, seen: Seen | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the kernel and keep what the backward pass reads.

        Args:
            ctx: torch's.
            call: what is run.
            seen: takes what is inside, where somebody wants to see it.
            *tensors: see `Call`.
        """
        y, last, kept = call.forward(tensors)
        if seen is not None:
            call.see(seen, tensors, y, kept)
        ctx.call = call
        ctx.save_for_backward(*tensors, y, kept)
        ctx.set_materialize_grads(False)
        return (y, *last)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *flow: Tensor | None) -> Any:  # type: ignore[override]
        """Run the backward kernel; under ``create_graph`` the reference, which has derivatives."""
        call: Call = ctx.call
        *tensors, y, kept = ctx.saved_tensors
        dy, flows = call.materialized(tensors, y, dy, flow)
        if asks_for_more(dy, *flows):
            return (None, None, *through_reference(call, tensors, dy, flows))
        needs = ctx.needs_input_grad[2:]
        return (None, None, *call.backward(tensors, y, kept, dy, flows, needs))


def through_reference(
    call: Call, tensors: Sequence[Tensor], dy: Tensor, flows: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again, by running the reference on the same tensors."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # views: a tensor that was computed from another is differentiated on its own
        aliases = [t.view_as(t) for t in tensors]
        result = ReferenceBackend().run(call.recurrence, call.operands(aliases))
    read = {id(t) for kind in _read_by_reference(call, aliases) for t in kind}
    wanted = [t for t in aliases if t.requires_grad and id(t) in read]
    ends = zip((result.output, *result.states.values()), (dy, *flows), strict=True)
    # a state that nothing differentiable leads to hands nothing on
    learned = [(value, gradient) for value, gradient in ends if value.requires_grad]
    found = torch.autograd.grad(
        [value for value, _ in learned],
        wanted,
        [gradient for _, gradient in learned],
        create_graph=again,
        allow_unused=True,
    )
    gradients = dict(zip(map(id, wanted), found, strict=True))
    return [gradients.get(id(t)) for t in aliases]


def _read_by_reference(call: Call, tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """All but the values of expressions of weights, which the reference computes by itself."""
    inputs, states, givens, _, plain = call.split(tensors)
    return [inputs, states, givens, plain]


def run_kernel(
    kernel: Kernel, recurrence: Recurrence, operands: Operands, training: bool, keep: Sequence[str]
) -> Result:
    """Run a kernel; the result has the values that `keep` names."""
    call, tensors = Call.of(kernel, recurrence, operands)
    seen = Seen()
    output = operands.output
    if output is not None and not output.is_contiguous():
        output = None
    y, *last = run_call(call, tensors, training, seen if keep else None, output)
    named = call.named_values(operands, seen.past, keep) if keep else {}
    return Result(y, dict(zip(recurrence.graph.states, last, strict=True)), named, seen.saved)


def run_call(
    call: Call,
    tensors: Sequence[Tensor],
    training: bool,
    seen: Seen | None = None,
    output: Tensor | None = None,
) -> Sequence[Tensor]:
    """The output and the last states.

    Args:
        call: what is run.
        tensors: see `Call`.
        training: whether a backward pass may follow.
        seen: takes what is inside, where somebody wants to see it.
        output: where the output goes, unless in training.
    """
    if training:
        return apply(Run, call, seen, *tensors)
    y, last, kept = call.forward(tensors, output)
    if seen is not None:
        call.see(seen, tensors, y, kept)
    return [y, *last]
