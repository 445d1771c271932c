"""Long sequences in segments: what the backward pass needs is computed again instead of kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

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

ROWS, SHARE = 512, 8
"""A segment has so many rows (steps times sequences) and this part of all steps, at least: less
memory than that is little beside the output's own, and kernels would spend their time on packing.
"""


def segment_steps(T: int, B: int, recompute: bool | int) -> int:
    """How many steps a segment has.

    Args:
        T: steps of the sequence.
        B: sequences side by side.
        recompute: a number of steps; or True for about √T, with which the states kept and a
            segment's values are fewest together (Chen et al. 2016), but no less than `ROWS` and
            `SHARE` say.
    """
    if recompute is not True:
        return int(recompute)
    return max(1, math.isqrt(T), -(-T // SHARE), -(-ROWS // max(1, B)))


def run_in_segments(recurrence: Recurrence, operands: Operands, steps: int) -> Result:
    """Run a recurrence; where there are gradients, keep the states every so many steps alone.

    The result and its gradients, of any order, are those of `run`. The forward pass of a segment
    runs again in the backward pass, on the same backend. The last one that runs keeps all it needs:
    its backward pass comes first, and nothing else is there then.

    Args:
        recurrence: what to run.
        operands: on what.
        steps: of a segment.
    """
    T = operands.x.shape[0]
    if steps >= T or not _has_gradient(operands):
        return run(recurrence, operands)
    choice = choose(recurrence, operands)
    count = -(-T // steps)
    steps = -(-T // count)
    pieces = {name: value.split(steps) for name, value in operands.inputs.items()}
    order = range(count - 1, -1, -1) if recurrence.reverse else range(count)
    outputs: list[Tensor] = [operands.x] * count
    states = operands.states
    found: list[Explanation] = []
    with explaining() if is_explaining() else nullcontext(found) as found:
        for k in order:
            inputs = {name: parts[k] for name, parts in pieces.items()}
            segment = _Segment(
                recurrence, replace(operands, inputs=inputs, states=states), choice.backend
            )
            outputs[k], states = segment.run() if k == order[-1] else segment.run_lightly()
    if found:
        again = f"{count} segments of {steps} steps, each computed again in the backward pass"
        first = pieces[next(iter(pieces))][order[0]].shape[0]
        what = found[0].what.replace(f"{first} steps", f"{T} steps", 1)
        details = f"{again}; {found[0].details}"
        explain(Explanation(what, choice.backend.name, choice.reason, details))
    return Result(torch.cat(outputs), dict(states), {})


@dataclass(frozen=True)
class _Segment:
    recurrence: Recurrence
    operands: Operands
    backend: Backend

    def run(self) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The output and the last states."""
        with use_backend(self.backend):  # the backward pass may come when another is asked for
            result = run(self.recurrence, self.operands)
        return result.output, result.states

    def run_lightly(self) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The same, keeping no more than the operands."""
        o = self.operands
        kinds = (o.inputs, o.states, o.parameters, o.givens)

        def again(*tensors: Tensor) -> tuple[Tensor, ...]:
            given = iter(tensors)
            operands = Operands(*(_filled(kind, given) for kind in kinds))
            output, states = replace(self, operands=operands).run()
            return output, *states.values()

        tensors = [tensor for kind in kinds for tensor in _tensors(kind)]
        # masks are drawn before: there is no random state to keep
        output, *last = checkpoint(again, *tensors, use_reentrant=False, preserve_rng_state=False)
        return output, dict(zip(o.states, last, strict=True))


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
