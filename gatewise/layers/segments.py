"""Long sequences in segments: what the backward pass needs is computed again instead of kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[import-not-found]
from torch.autograd import forward_ad

from gatewise.backends import (
    Backend,
    Explanation,
    Operands,
    Recurrence,
    Result,
    Stacked,
    Stacking,
    asks_for_more,
    choose,
    run,
    use_backend,
)
from gatewise.backends.explanation import explain, explaining, is_explaining
from gatewise.backends.llvm.execution.workspace import workspace
from gatewise.backends.llvm.selection import ELEMENTS

ROWS, KEPT, REPEATED = 512, 0.148, 0.25
"""The segment whose values are kept has so many rows (steps times sequences) and this part of all
steps, at least: less memory than that is little beside the output's own. Those that run again have
up to that part: each has costs of its own, such as packing weights."""


def segment_steps(T: int, B: int, recompute: bool | int) -> list[int]:
    """How many steps each segment has, in the order in which they run.

    Args:
        T: steps of the sequence.
        B: sequences side by side.
        recompute: a number of steps, at most; or True for about √T, with which the states kept and
            a segment's values are fewest together (Chen et al. 2016), but no less than `ROWS` and
            `KEPT` say for the last, and `REPEATED` for the others.
    """
    if recompute is True:
        last = max(1, math.isqrt(T), int(KEPT * T), -(-ROWS // max(1, B)))
        others = max(last, int(REPEATED * T))
    else:
        last = others = -(-T // max(1, -(-T // int(recompute))))
    rest = max(0, T - last)
    count = -(-rest // others) if rest else 0
    return [rest * (k + 1) // count - rest * k // count for k in range(count)] + [min(T, last)]


def run_in_segments(recurrence: Recurrence, operands: Operands, steps: Sequence[int]) -> Result:
    """Run a recurrence; where there are gradients, keep the states between segments alone.

    The result and its gradients, of any order, are those of `run`. A segment runs as if there were
    no gradients, and again in the backward pass, on the same backend. The last one that runs keeps
    all it needs: its backward pass comes first, and nothing else is there then.

    Args:
        recurrence: what to run.
        operands: on what.
        steps: of each segment, in the order in which they run.
    """
    if len(steps) < 2 or not _has_gradient(operands):
        return run(recurrence, operands)
    choice = choose(recurrence, operands)
    segments = _Segments(recurrence, operands, choice.backend, steps)
    found: list[Explanation] = []
    with explaining() if is_explaining() else nullcontext(found) as found:
        output, *last = _Run.apply(segments, *_tensors(operands))  # type: ignore[misc]
    if found:
        start, end = segments.spans[-1]
        what = found[-1].what.replace(f"{end - start} steps", f"{sum(steps)} steps", 1)
        again = f"{len(steps)} segments of up to {max(steps)} steps"
        details = f"{again}, each computed again in the backward pass; {found[-1].details}"
        explain(Explanation(what, choice.backend.name, choice.reason, details))
    return Result(output, dict(zip(operands.states, last, strict=True)), {})


_Form = tuple[str, ...] | Stacking
"""Names of tensors, or of the weights in tensors."""


class _Segments:
    """A recurrence cut into spans of time, in the order in which they run; it holds no tensors.

    Args:
        recurrence: what to run.
        operands: on what.
        backend: where.
        steps: of each span.
    """

    def __init__(
        self, recurrence: Recurrence, operands: Operands, backend: Backend, steps: Sequence[int]
    ):
        self.recurrence, self.backend = recurrence, backend
        ends = list(accumulate(steps, initial=0))
        self.spans = list(pairwise(ends))
        if recurrence.reverse:
            self.spans = [(ends[-1] - end, ends[-1] - start) for start, end in self.spans]
        self._forms: list[_Form] = [
            kind.stacking if isinstance(kind, Stacked) else tuple(kind) for kind in _kinds(operands)
        ]
        first = len(operands.inputs)
        self.inputs, self.states = slice(first), slice(first, first + len(operands.states))

    def operands(self, tensors: Sequence[Tensor]) -> Operands:
        """What a flat list of tensors means; see `_tensors`."""
        given = iter(tensors)
        return Operands(*(_filled(form, given) for form in self._forms))

    def piece(self, k: int, tensors: Sequence[Tensor], states: Sequence[Tensor]) -> list[Tensor]:
        """What the k-th span reads, when it starts from these states."""
        span = slice(*self.spans[k])
        inputs = [tensor[span] for tensor in tensors[self.inputs]]
        return [*inputs, *states, *tensors[self.states.stop :]]

    def run(self, tensors: Sequence[Tensor], output: Tensor | None = None) -> list[Tensor]:
        """The output and the last states.

        They come from the backend that was chosen: in a backward pass another may be asked for.

        Args:
            tensors: what is read.
            output: where the output may be written.
        """
        with use_backend(self.backend):
            result = run(self.recurrence, replace(self.operands(tensors), output=output))
        return [result.output, *result.states.values()]

    def traced(self, k: int, piece: Sequence[Tensor], needs: Sequence[bool]) -> _Traced:
        """Run the k-th span so that it has gradients, by itself."""
        leaves = [
            tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(piece, needs, strict=True)
        ]
        if k > 0:  # the span before wants them
            for state in leaves[self.states]:
                state.requires_grad_()
        with torch.enable_grad():
            return _Traced(leaves, self.run(leaves))


class _Traced(NamedTuple):
    """Tensors that were read, and what was computed from them with gradients."""

    leaves: list[Tensor]
    results: list[Tensor]

    def gradients(self, flows: Sequence[Tensor], again: bool = False) -> list[Tensor | None]:
        """Of each leaf.

        Args:
            flows: of the results.
            again: whether the gradients are to be differentiated.
        """
        wanted = [leaf for leaf in self.leaves if leaf.requires_grad]
        # a state that nothing differentiable leads to hands nothing on
        ends = [pair for pair in zip(self.results, flows, strict=True) if pair[0].requires_grad]
        found = torch.autograd.grad(
            [end for end, _ in ends],
            wanted,
            [flow for _, flow in ends],
            create_graph=again,
            allow_unused=True,
        )
        by_leaf = dict(zip(map(id, wanted), found, strict=True))
        return [by_leaf.get(id(leaf)) for leaf in self.leaves]


class _Run(torch.autograd.Function):
    """All segments with their derivative."""

    @staticmethod
    def forward(ctx: Any, segments: _Segments, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run every segment; keep the states that each starts from, and the last one's graph."""
        states: Sequence[Tensor] = tensors[segments.states]
        starts, y, last = [], None, len(segments.spans) - 1
        for k, span in enumerate(segments.spans):
            starts += states
            piece = segments.piece(k, tensors, states)
            if k < last:
                output, *states = segments.run(piece, None if y is None else y[slice(*span)])
            else:
                ctx.traced = segments.traced(k, piece, ctx.needs_input_grad[1:])
                output, *states = (result.detach() for result in ctx.traced.results)
            if y is None:
                y = _of_all_steps(output, len(tensors[0]))
            if output.data_ptr() != y[slice(*span)].data_ptr():
                y[slice(*span)] = output
        ctx.segments = segments
        ctx.save_for_backward(*tensors, *starts)
        assert y is not None
        return (y, *(state.clone() for state in states))

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *flows: Tensor) -> Any:  # type: ignore[override]
        """Run the segments again from the last to the first, each just before its gradients."""
        segments: _Segments = ctx.segments
        count, width = len(ctx.needs_input_grad) - 1, len(flows)
        tensors, starts = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if asks_for_more(dy, *flows):
            return (None, *_gradients_at_once(segments, tensors, (dy, *flows)))
        found: list[Tensor | None] = [None] * count
        sums = [_Sum() for _ in range(segments.states.stop, count)]
        for k in reversed(range(len(segments.spans))):
            if ctx.traced is None:  # all but the last segment; with retain_graph that too, later
                piece = segments.piece(k, tensors, starts[k * width : (k + 1) * width])
                ctx.traced = segments.traced(k, piece, ctx.needs_input_grad[1:])
            span = slice(*segments.spans[k])
            traced, ctx.traced = ctx.traced, None
            gradients = traced.gradients((dy[span], *flows))
            flows = _with_zeros(gradients[segments.states], traced.leaves[segments.states])
            del traced  # its memory serves the next
            for position, gradient in enumerate(gradients):
                if position < segments.states.start:
                    found[position] = _with_piece(found[position], gradient, span, len(dy))
                elif position >= segments.states.stop:
                    sums[position - segments.states.stop].add(gradient)
        found[segments.states] = flows
        found[segments.states.stop :] = [each.total for each in sums]
        return (None, *found)


def _gradients_at_once(
    segments: _Segments, tensors: Sequence[Tensor], flows: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients that may be differentiated again: of all steps in one piece."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # views: a tensor that was computed from another is differentiated on its own
        leaves = [tensor.view_as(tensor) for tensor in tensors]
        return _Traced(leaves, segments.run(leaves)).gradients(flows, again)


def _with_zeros(gradients: Sequence[Tensor | None], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of states, zeros where there are none."""
    return tuple(
        torch.zeros_like(state) if gradient is None else gradient
        for gradient, state in zip(gradients, like, strict=True)
    )


def _with_piece(
    whole: Tensor | None, piece: Tensor | None, span: slice, steps: int
) -> Tensor | None:
    """The gradient of an input at all steps, with that of a span in its place."""
    if piece is None:
        return whole
    if whole is None:
        whole = _of_all_steps(piece, steps).zero_()
    whole[span] = piece
    return whole


def _of_all_steps(piece: Tensor, steps: int) -> Tensor:
    """A tensor with room for what a span has a piece of, where kernels run in their memory."""
    shape = (steps, *piece.shape[1:])
    if piece.is_cpu and piece.dtype in ELEMENTS:
        return workspace.lease(shape, piece.dtype)
    return piece.new_empty(shape)


class _Sum:
    """The gradient of what every span reads; None while no span has one."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self._own = False

    def add(self, part: Tensor | None) -> None:
        """Add a span's; in place, unless the sum so far is somebody else's tensor."""
        if part is None:
            return
        if self.total is None:
            self.total = part
        elif self._own:
            self.total += part
        else:
            self.total, self._own = self.total + part, True


def _kinds(operands: Operands) -> tuple[Mapping[str, Tensor], ...]:
    return operands.inputs, operands.states, operands.parameters, operands.givens


def _tensors(operands: Operands) -> list[Tensor]:
    """All of them in a row: inputs, states, parameters as they are stored, givens."""
    return [
        tensor
        for kind in _kinds(operands)
        for tensor in (kind.tensors if isinstance(kind, Stacked) else kind.values())
    ]


def _filled(form: _Form, given: Iterator[Tensor]) -> Mapping[str, Tensor]:
    """The next tensors under their names."""
    if isinstance(form, Stacking):
        return Stacked([next(given) for _ in form.members], form)
    return {name: next(given) for name in form}


def _has_gradient(operands: Operands) -> bool:
    """Whether anything is kept for a backward pass that this module may keep less of."""
    tensors = _tensors(operands)
    if torch.compiler.is_compiling() or any(map(is_functorch_wrapped_tensor, tensors)):
        return False  # a compiler decides itself what it keeps; torch.func wants derivatives of all
    if forward_ad._current_level >= 0:
        return False
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
