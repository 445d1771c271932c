"""Long sequences in segments: what the backward pass needs is computed again instead of kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[import-not-found]
from torch.utils.checkpoint import checkpoint

from gatewise.backends import (
    Backend,
    Explanation,
    Operands,
    Recurrence,
    Result,
    Stacked,
    choose,
    run,
    use_backend,
)
from gatewise.backends.explanation import explain, explaining, is_explaining

ROWS = 512
"""Steps times sequences of a segment, at least: fewer, and kernels spend their time on packing."""


def segment_steps(T: int, B: int, recompute: bool | int) -> int:
    """How many steps a segment has.

    Args:
        T: steps of the sequence.
        B: sequences side by side.
        recompute: a number of steps; or True for about √T, the fewest states and shortest segment
            together (Chen et al. 2016), but at least `ROWS` rows.
    """
    if recompute is not True:
        return int(recompute)
    return max(math.isqrt(T), -(-ROWS // max(1, B)))


def run_in_segments(recurrence: Recurrence, operands: Operands, steps: int) -> Result:
    """Run a recurrence; where there are gradients, keep the states every so many steps alone.

    The result and its gradients, of any order, are those of `run`. The forward pass of a segment
    runs again in the backward pass, on the same backend.

    Args:
        recurrence: what to run.
        operands: on what.
        steps: of a segment.
    """
    T = operands.x.shape[0]
    if steps >= T or not _has_gradient(operands):
        return run(recurrence, operands)
    choice = choose(recurrence, operands)
    pieces = {name: value.split(steps) for name, value in operands.inputs.items()}
    count = -(-T // steps)
    outputs: list[Tensor] = [operands.x] * count
    states = dict(operands.states)
    found: list[Explanation] = []
    with explaining() if is_explaining() else nullcontext(found) as found:
        for k in reversed(range(count)) if recurrence.reverse else range(count):
            inputs = {name: parts[k] for name, parts in pieces.items()}
            part = replace(operands, inputs=inputs, states=states)
            outputs[k], states = _checkpointed(recurrence, part, choice.backend)
    if found:
        again = f"{count} segments of {steps} steps, each computed again in the backward pass"
        what = found[0].what.replace(f"{steps} steps", f"{T} steps")
        details = f"{again}; {found[0].details}"
        explain(Explanation(what, choice.backend.name, choice.reason, details))
    return Result(torch.cat(outputs), states, {})


def _checkpointed(
    recurrence: Recurrence, operands: Operands, backend: Backend
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output and the last states of a segment, which keeps no more than what it is given."""
    kinds = (operands.inputs, operands.states, operands.parameters, operands.givens)

    def segment(*tensors: Tensor) -> tuple[Tensor, ...]:
        given = iter(tensors)
        with use_backend(backend):  # the backward pass may come when another one is asked for
            result = run(recurrence, Operands(*(_filled(kind, given) for kind in kinds)))
        return result.output, *result.states.values()

    tensors = [tensor for kind in kinds for tensor in _tensors(kind)]
    # masks are drawn before: there is no random state to keep
    output, *states = checkpoint(segment, *tensors, use_reentrant=False, preserve_rng_state=False)
    return output, dict(zip(operands.states, states, strict=True))


def _tensors(named: Mapping[str, Tensor]) -> Iterable[Tensor]:
    return named.tensors if isinstance(named, Stacked) else named.values()


def _filled(like: Mapping[str, Tensor], given: Iterator[Tensor]) -> Mapping[str, Tensor]:
    """The next tensors under the same names."""
    if isinstance(like, Stacked):
        return Stacked([next(given) for _ in like.tensors], like.stacking)
    return {name: next(given) for name in like}


def _has_gradient(operands: Operands) -> bool:
    """Whether anything is kept for a backward pass that this module may keep less of."""
    kinds = (operands.inputs, operands.states, operands.parameters, operands.givens)
    tensors = [tensor for kind in kinds for tensor in _tensors(kind)]
    if torch.compiler.is_compiling() or any(map(is_functorch_wrapped_tensor, tensors)):
        return False  # torch.func knows no checkpoints, and a compiler decides itself what it keeps
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
