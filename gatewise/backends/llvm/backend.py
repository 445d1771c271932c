"""The `llvm` backend: kernels compiled for the host from a cell's graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor, is_legacy_batchedtensor  # type: ignore[import-not-found]
from torch.autograd import forward_ad

from gatewise.backends.recurrence import PAST, Operands, Recurrence, Result
from gatewise.backends.reference import ReferenceBackend, evaluate_steps
from gatewise.equations.expression import Expression

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel

ELEMENTS = {torch.float32: ("float", 4), torch.float64: ("double", 8)}


class LlvmBackend:
    """Runs any cell on the CPU in float32 and float64."""

    name = "llvm"

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why it cannot run this; None where it can."""
        if torch.compiler.is_compiling():
            return "torch.compile and torch.export trace the reference"
        tensors = _tensors(operands)
        dtype = operands.dtype
        for tensor in tensors:
            if tensor.device.type != "cpu":
                return f"kernels run on the CPU, not on {tensor.device}"
            if tensor.dtype != dtype:
                return f"kernels need one dtype, not {dtype} and {tensor.dtype}"
        if dtype not in ELEMENTS:
            return f"kernels are float32 and float64, not {dtype}"
        if any(map(is_functorch_wrapped_tensor, tensors)):
            return "torch.func transforms run on the reference"
        return None

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        """Vectors, tiles, threads, and what compiling took."""
        training = torch.is_grad_enabled() and any(t.requires_grad for t in _tensors(operands))
        wanted = tuple(n for n, x in operands.inputs.items() if training and x.requires_grad)
        return kernel_for(recurrence, operands.dtype, training, wanted).describe()

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps.

        The reference does where there are none, and for forward-mode derivatives.
        """
        if 0 in operands.x.shape[:2] or forward_ad._current_level >= 0:
            return ReferenceBackend().run(recurrence, operands, keep)
        training = torch.is_grad_enabled() and any(t.requires_grad for t in _tensors(operands))
        wanted = tuple(n for n, x in operands.inputs.items() if training and x.requires_grad)
        made = kernel_for(recurrence, operands.dtype, training, wanted, bool(keep))
        values = made.evaluate(operands.parameters, operands.x, recurrence.graph.constants)
        call = _Call(
            made,
            recurrence,
            tuple(operands.inputs),
            tuple(operands.states),
            tuple(operands.givens),
            tuple(operands.parameters),
            bool(keep),
        )
        flat = [*operands.inputs.values(), *operands.states.values(), *operands.givens.values()]
        if not training:
            y, last, _ = call.forward(flat, values)
            return Result(y, last, call.named_values(operands, keep))
        learned = [values[node] for node in made.learned]
        others = {n: v.detach() for n, v in values.items() if n not in made.learned_set}
        parameters = list(operands.parameters.values())
        y, *last = _Run.apply(call, others, len(flat), len(learned), *flat, *learned, *parameters)
        named = call.named_values(operands, keep)
        return Result(y, dict(zip(operands.states, last, strict=True)), named)


def _is_batched(gradient: Tensor) -> bool:
    """Whether vmap or ``is_grads_batched`` hands over several gradients as one."""
    return is_functorch_wrapped_tensor(gradient) or is_legacy_batchedtensor(gradient)


def _tensors(operands: Operands) -> list[Tensor]:
    return [
        *operands.states.values(),
        *operands.inputs.values(),
        *operands.parameters.values(),
        *operands.givens.values(),
    ]


def kernel_for(
    recurrence: Recurrence,
    dtype: torch.dtype,
    training: bool,
    wanted: tuple[str, ...],
    past: bool = False,
) -> Kernel:
    """The compiled kernel for a recurrence on this machine.

    Args:
        recurrence: graph, sizes and direction.
        dtype: of every tensor.
        training: whether a backward pass may follow.
        wanted: the inputs whose gradient is wanted.
        past: whether the states of all steps are to be read after the forward pass.
    """
    # the compiler is imported with the first kernel, not with the package
    from gatewise.backends.llvm.code import Element
    from gatewise.backends.llvm.kernel import kernel
    from gatewise.backends.llvm.program import Specification
    from gatewise.backends.llvm.target import host

    target = host()
    name, size = ELEMENTS[dtype]
    element = Element(name, size, target.lanes(size))
    specification = Specification(
        recurrence.graph, recurrence.sizes, recurrence.reverse, element, training, wanted, past
    )
    return kernel(specification, target)


@dataclass
class _Call:
    """A kernel and the names of the tensors that it is given.

    Attributes:
        past: after the forward pass, the states before each step, where they are to be read.
    """

    made: Kernel
    recurrence: Recurrence
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    givens: tuple[str, ...]
    parameters: tuple[str, ...]
    keeps: bool = False
    past: dict[str, Tensor] = field(default_factory=dict)

    def named(self, flat: Sequence[Tensor]) -> tuple[dict, dict, dict]:
        """A flat list of tensors as inputs, states and givens by name."""
        i, s = len(self.inputs), len(self.inputs) + len(self.states)
        return (
            dict(zip(self.inputs, flat[:i], strict=True)),
            dict(zip(self.states, flat[i:s], strict=True)),
            dict(zip(self.givens, flat[s:], strict=True)),
        )

    def forward(
        self, flat: Sequence[Tensor], weights: dict[Expression, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Run the forward kernel."""
        from gatewise.backends.llvm.execution import Execution

        inputs, states, givens = self.named(flat)
        T, B = flat[0].shape[:2]
        givens = {name: value.expand(B, -1) for name, value in givens.items()}
        execution = Execution(self.made, inputs, T, B)
        y, last, kept = execution.forward(states, givens, weights)
        if self.keeps:
            self.past = execution.past(states, y, kept)
        return y, last, kept

    def named_values(self, operands: Operands, keep: Sequence[str]) -> dict[str, Tensor]:
        """What `keep` names: pasts of states as the kernel left them, the rest computed from them.

        The states of all steps are known, so one pass over all steps is enough.
        """
        named = [name for name in keep if not name.startswith(PAST)]
        found = {PAST + name: value for name, value in self.past.items()}
        if named:
            nodes = [self.recurrence.graph.values[name] for name in named]
            with torch.no_grad():
                values = evaluate_steps(self.recurrence, operands, self.past, nodes)
            found |= zip(named, values, strict=True)
        return {name: found[name] for name in keep}


class _Run(torch.autograd.Function):
    """A kernel's forward and backward code as one differentiable operation.

    Its tensors are the inputs, states and givens, then the values of learned expressions, then the
    plain parameters: those are read only where gradients of gradients go through the reference.
    """

    @staticmethod
    def forward(
        ctx: Any, call: _Call, others: dict[Expression, Tensor], n: int, m: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Run the kernel and keep what the backward pass reads."""
        flat, learned = tensors[:n], tensors[n : n + m]
        weights = {**others, **dict(zip(call.made.learned, learned, strict=True))}
        y, last, kept = call.forward(flat, weights)
        ctx.call, ctx.others, ctx.n, ctx.m = call, others, n, m
        ctx.save_for_backward(*tensors, y, kept)
        ctx.set_materialize_grads(False)
        return (y, *last.values())

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *flow: Tensor | None) -> Any:  # type: ignore[override]
        """Run the backward kernel; under ``create_graph`` the reference, which has derivatives."""
        from gatewise.backends.llvm.execution import Execution

        call: _Call = ctx.call
        *tensors, y, kept = ctx.saved_tensors
        flat, learned, parameters = (
            tensors[: ctx.n],
            tensors[ctx.n : ctx.n + ctx.m],
            tensors[ctx.n + ctx.m :],
        )
        _, states, givens = call.named(flat)
        dy = torch.zeros_like(y) if dy is None else dy
        flows = {
            name: torch.zeros_like(state) if g is None else g
            for (name, state), g in zip(states.items(), flow, strict=True)
        }
        batched = any(map(_is_batched, (dy, *flows.values())))
        if torch.is_grad_enabled() or batched:
            gradients = _through_reference(ctx, call, flat, parameters, dy, flows)
            return (None,) * 4 + gradients[: ctx.n] + (None,) * ctx.m + gradients[ctx.n :]
        weights = {**ctx.others, **dict(zip(call.made.learned, learned, strict=True))}
        inputs = call.named(flat)[0]
        T, B = flat[0].shape[:2]
        expanded = {name: value.expand(B, -1) for name, value in givens.items()}
        found = Execution(call.made, inputs, T, B).backward(
            states, expanded, weights, y, kept, dy, flows
        )
        return (
            *(None, None, None, None),
            *(found.inputs.get(name) for name in inputs),
            *(found.states[name] for name in states),
            *(
                found.givens[name].sum_to_size(value.shape) if name in found.givens else None
                for name, value in givens.items()
            ),
            *(
                found.weights[node].reshape(value.shape)
                for node, value in zip(call.made.learned, learned, strict=True)
            ),
            *(None,) * len(parameters),
        )


def _through_reference(
    ctx: Any,
    call: _Call,
    flat: Sequence[Tensor],
    parameters: Sequence[Tensor],
    dy: Tensor,
    flows: dict[str, Tensor],
) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated again, by running the reference on the same tensors."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # views: a tensor that was computed from another is differentiated on its own
        aliases = [t.view_as(t) for t in (*flat, *parameters)]
        inputs, states, givens = call.named(aliases[: len(flat)])
        weights = dict(zip(call.parameters, aliases[len(flat) :], strict=True))
        result = ReferenceBackend().run(call.recurrence, Operands(inputs, states, weights, givens))
    wanted = [t for t in aliases if t.requires_grad]
    found = iter(
        torch.autograd.grad(
            [result.output, *result.states.values()],
            wanted,
            [dy, *(flows[name] for name in result.states)],
            create_graph=again,
            allow_unused=True,
        )
    )
    return tuple(next(found) if t.requires_grad else None for t in aliases)
