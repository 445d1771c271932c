"""Two calls side by side, such as a layer's two directions: each has half of the threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.backends.differentiation import apply, asks_for_more
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.arrangement import Started
from gatewise.backends.llvm.execution.backward import BackwardOperands
from gatewise.backends.llvm.execution.division import useful_threads
from gatewise.backends.llvm.execution.forward import Forwarded
from gatewise.backends.llvm.ir.job import shares
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.llvm.operation import Call, through_reference

Pair = tuple[Call, Call]


class End(NamedTuple):
    """What the backward pass of one call begins with; see `Call.backward`."""

    y: Tensor
    kept: Tensor
    dy: Tensor
    flows: list[Tensor]


def pairs_well(kernels: Sequence[Kernel], T: int, B: int) -> bool:
    """Whether two calls are faster side by side than one after the other."""
    team = _team(kernels, T, B)
    return all(kernel.pairs_well(T, B, team) for kernel in kernels)


def _team(kernels: Sequence[Kernel], T: int, B: int) -> int:
    """The threads of both: as many as torch uses, fewer where there is little to do."""
    return min(threads.available(), useful_threads(sum(kernel.weights for kernel in kernels), T, B))


def _team_of(calls: Pair) -> int:
    return _team([call.kernel for call in calls], calls[0].T, calls[0].B)


def describe_pair(kernels: Sequence[Kernel], T: int, B: int) -> list[str]:
    """How each of two calls runs, in words."""
    team = _team(kernels, T, B)
    return [
        f"both directions side by side; {kernel.describe(T, B, share)}"
        for kernel, share in zip(kernels, shares(team), strict=True)
    ]


def run_pair(
    calls: Pair, tensors: Sequence[Sequence[Tensor]], training: bool
) -> list[Sequence[Tensor]]:
    """The output and the last states of two calls.

    Args:
        calls: what is run.
        tensors: of each; see `Call`.
        training: whether a backward pass may follow.
    """
    if not training:
        return [[y, *last] for y, last, _ in _forward(calls, tensors)]
    found = apply(RunPair, calls, *tensors[0], *tensors[1])
    first = 1 + len(calls[0].recurrence.graph.states)
    return [found[:first], found[first:]]


def _forward(calls: Pair, tensors: Sequence[Sequence[Tensor]]) -> list[Forwarded]:
    team = _team_of(calls)
    runs = [call.forward_call(share) for call, share in zip(calls, shares(team), strict=True)]
    started = [
        run.start(*call.split(own)[:4]) for run, call, own in zip(runs, calls, tensors, strict=True)
    ]
    _run(started, team)
    return [run.finish(own) for run, own in zip(runs, started, strict=True)]


def _backward(
    calls: Pair,
    tensors: Sequence[Sequence[Tensor]],
    operands: Sequence[BackwardOperands],
    needs: Sequence[Sequence[bool]],
) -> list[list[Tensor | None]]:
    team = _team_of(calls)
    runs = [call.backward_call(share) for call, share in zip(calls, shares(team), strict=True)]
    wanted = [calls[k].needs(tensors[k], needs[k]) for k in range(len(calls))]
    started = [runs[k].start(operands[k], wanted[k]) for k in range(len(calls))]
    for parts in zip(*(own for own, _ in started), strict=True):
        _run(parts, team)
    gradients = []
    for k, (call, run) in enumerate(zip(calls, runs, strict=True)):
        found = run.finish(*started[k], operands[k].sources, wanted[k])
        gradients.append(call.in_order(found, tensors[k]))
    return gradients


def _run(started: Sequence[Started], team: int) -> None:
    first, second = (each.frame for each in started)
    first.run_beside(second, team)


class RunPair(torch.autograd.Function):
    """Two calls with their derivatives."""

    @staticmethod
    def forward(ctx: Any, calls: Pair, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run both kernels and keep what the backward pass reads."""
        ctx.calls = calls
        own = _halves(calls, tensors)
        (y, last, kept), (z, final, left) = _forward(calls, own)
        ctx.save_for_backward(*tensors, y, kept, z, left)
        ctx.set_materialize_grads(False)
        return (y, *last, z, *final)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # type: ignore[override]
        """Run both backward kernels, or the one that gradients came to."""
        calls: Pair = ctx.calls
        *tensors, y, kept, z, left = ctx.saved_tensors
        own = _halves(calls, tensors)
        needs = _halves(calls, ctx.needs_input_grad[1:])
        split = 1 + len(calls[0].recurrence.graph.states)
        given = gradients[:split], gradients[split:]
        ends = []
        for k, (result, memory) in enumerate(((y, kept), (z, left))):
            dy, *flows = given[k]
            dy, flows = calls[k].materialized(own[k], result, dy, flows)
            ends.append(End(result, memory, dy, flows))
        if asks_for_more(*(t for end in ends for t in (end.dy, *end.flows))):
            found = [
                through_reference(call, each, end.dy, end.flows)
                for call, each, end in zip(calls, own, ends, strict=True)
            ]
        elif all(any(g is not None for g in each) for each in given):
            operands = [
                call.backward_operands(each, *end)
                for call, each, end in zip(calls, own, ends, strict=True)
            ]
            found = _backward(calls, own, operands, needs)
        else:
            found = [
                call.backward(each, end.y, end.kept, end.dy, end.flows, wanted)
                if any(g is not None for g in arrived)
                else [None] * len(each)
                for call, each, end, wanted, arrived in zip(
                    calls, own, ends, needs, given, strict=True
                )
            ]
        return (None, *found[0], *found[1])


def _halves(calls: Pair, items: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """What belongs to the tensors of each call."""
    first = calls[0].count
    return items[:first], items[first:]
