"""The `llvm` backend: kernels compiled for the host from a cell's graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gatewise.backends.llvm.code import Element
from gatewise.backends.llvm.execution import Execution
from gatewise.backends.llvm.kernel import Kernel, kernel
from gatewise.backends.llvm.program import Specification
from gatewise.backends.llvm.target import host
from gatewise.backends.recurrence import Operands, Recurrence, Result
from gatewise.backends.reference import ReferenceBackend

ELEMENTS = {torch.float32: ("float", 4), torch.float64: ("double", 8)}


class LlvmBackend:
    """Runs any cell on the CPU in float32 and float64."""

    name = "llvm"

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why it cannot run this; None where it can."""
        tensors = [
            *operands.inputs.values(),
            *operands.states.values(),
            *operands.parameters.values(),
            *operands.givens.values(),
        ]
        if any(tensor.device.type != "cpu" for tensor in tensors):
            return "kernels run on the CPU"
        dtypes = {tensor.dtype for tensor in tensors}
        if len(dtypes) > 1:
            return f"kernels need one dtype, not {sorted(map(str, dtypes))}"
        if operands.dtype not in ELEMENTS:
            return f"kernels are float32 and float64, not {operands.dtype}"
        if 0 in operands.x.shape[:2]:
            return "there is no step to run"
        return None

    def run(
        self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()
    ) -> Result:
        """Run all steps; values that are to be kept come from the reference."""
        if keep:
            return ReferenceBackend().run(recurrence, operands, keep)
        names = (tuple(operands.inputs), tuple(operands.states), tuple(operands.givens))
        tensors = [
            *operands.inputs.values(),
            *operands.states.values(),
            *operands.givens.values(),
        ]
        learned = list(operands.parameters.values())
        training = torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, *learned))
        wanted = tuple(
            name for name, x in operands.inputs.items() if training and x.requires_grad
        )
        made = self._kernel(recurrence, operands.dtype, training, wanted)
        values = made.evaluate(operands.parameters, operands.x, recurrence.graph.constants)
        expressions = made.learned
        others = {n: v.detach() for n, v in values.items() if n not in set(expressions)}
        given = [values[node] for node in expressions]
        y, *last = _Run.apply(made, names, others, recurrence, operands, *tensors, *given)
        return Result(y, dict(zip(operands.states, last, strict=True)), {})

    def _kernel(
        self, recurrence: Recurrence, dtype: torch.dtype, training: bool, wanted: tuple[str, ...]
    ) -> Kernel:
        target = host()
        name, size = ELEMENTS[dtype]
        element = Element(name, size, target.lanes(size))
        sizes = {k: v for k, v in recurrence.sizes.items()}
        specification = Specification(
            recurrence.graph, sizes, recurrence.reverse, element, training, wanted
        )
        return kernel(specification, target)


class _Run(torch.autograd.Function):
    """A kernel's forward and backward code as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        made: Kernel,
        names: tuple[tuple[str, ...], ...],
        others: dict[Any, Tensor],
        recurrence: Recurrence,
        operands: Operands,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        inputs, states, givens, weights = _sorted(made, names, others, tensors)
        T, B = tensors[0].shape[:2]
        givens = {n: v.expand(B, -1) for n, v in givens.items()}
        execution = Execution(made, inputs, B, T)
        y, last, saved = execution.forward(states, givens, weights)
        if made.specification.training:
            ctx.made, ctx.names, ctx.others = made, names, others
            ctx.recurrence, ctx.operands = recurrence, operands
            ctx.states = tuple(saved.past)
            ctx.save_for_backward(*tensors, y, saved.values, *saved.past.values())
            ctx.count = len(tensors)
            ctx.set_materialize_grads(False)
        return (y, *last.values())

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *flow: Tensor | None) -> Any:  # type: ignore[override]
        if torch.is_grad_enabled():
            raise NotImplementedError
        made: Kernel = ctx.made
        everything = ctx.saved_tensors
        tensors, (y, values, *past) = everything[: ctx.count], everything[ctx.count :]
        inputs, states, givens, weights = _sorted(made, ctx.names, ctx.others, tensors)
        T, B = tensors[0].shape[:2]
        from gatewise.backends.llvm.execution import Saved

        saved = Saved(values, dict(zip(ctx.states, past, strict=True)), y)
        dy = torch.zeros_like(y) if dy is None else dy
        flows = {
            name: torch.zeros_like(state) if g is None else g
            for (name, state), g in zip(states.items(), flow, strict=True)
        }
        expanded = {n: v.expand(B, -1) for n, v in givens.items()}
        found = Execution(made, inputs, B, T).backward(
            states, expanded, weights, saved, dy, flows
        )
        gradients = [
            *(found.inputs.get(name) for name in inputs),
            *(found.states[name] for name in states),
            *(
                found.givens[name].sum_to_size(value.shape) if name in found.givens else None
                for name, value in givens.items()
            ),
            *(found.weights[node].reshape(weights[node].shape) for node in made.learned),
        ]
        return (None, None, None, None, None, *gradients)


def _sorted(
    made: Kernel,
    names: tuple[tuple[str, ...], ...],
    others: dict[Any, Tensor],
    tensors: tuple[Tensor, ...],
) -> tuple[dict, dict, dict, dict]:
    """A flat list of tensors as inputs, states, givens and weights."""
    rest = iter(tensors)
    kinds = [{name: next(rest) for name in group} for group in names]
    weights = {**others, **dict(zip(made.learned, rest, strict=True))}
    return kinds[0], kinds[1], kinds[2], weights
