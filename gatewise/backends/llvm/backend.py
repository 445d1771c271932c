"""The `llvm` backend: kernels compiled for the host from a cell's graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[import-not-found]
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from gatewise.backends.llvm.registration import run_operator
from gatewise.backends.llvm.selection import ELEMENTS, fitted, kernel_for, refused_products
from gatewise.backends.recurrence import (
    Job,
    Operands,
    Recurrence,
    Result,
    Stacked,
    with_products,
)
from gatewise.backends.reference import ReferenceBackend

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel


class LlvmBackend:
    """Runs any cell on the CPU in float32 and float64."""

    name = "llvm"

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why it cannot run this; None where it can."""
        tensors = _tensors(operands)
        dtype = operands.dtype
        for tensor in tensors:
            if tensor.device.type != "cpu":
                return f"kernels run on the CPU, not on {tensor.device}"
            if tensor.dtype != dtype:
                return f"kernels need one dtype, not {dtype} and {tensor.dtype}"
        if dtype not in ELEMENTS:
            return f"kernels are float32 and float64, not {dtype}"
        if torch.compiler.is_compiling():
            return None
        if any(map(is_functorch_wrapped_tensor, tensors)):
            return "torch.func transforms run on the reference"
        if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
            return "torch.jit.trace records the reference"
        if any(isinstance(tensor, FakeTensor) for tensor in tensors):
            return "tensors without memory have shapes alone"
        return None

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        """Vectors, tiles, threads, and what compiling took."""
        from gatewise.backends.llvm.execution import threads

        T, B = operands.x.shape[:2]
        found = _kernel_for(recurrence, operands).describe(T, B, threads.available())
        refusal = refused_products(recurrence, T, B, operands.dtype)
        return f"{found}; products in float32: {refusal}" if refusal else found

    def replaced(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why `run` leaves a recurrence to the reference; None where the kernel runs."""
        return _needs_none(operands) or _kernel_for(recurrence, operands).mistrusted

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps; the reference does where `replaced` says so."""
        if torch.compiler.is_compiling():
            if keep:
                return ReferenceBackend().run(recurrence, operands, keep)
            training = torch.is_grad_enabled()
            return Result(*run_operator(recurrence, operands, training), {})
        if _needs_none(operands):
            return ReferenceBackend().run(recurrence, operands, keep)
        training, wanted = _training(operands)
        # who looks inside sees values that follow from each other
        recurrence = with_products(recurrence, "") if keep else _fitted(recurrence, operands)
        made = kernel_for(recurrence, operands.dtype, training, wanted, bool(keep))
        if made.mistrusted:
            return ReferenceBackend().run(recurrence, operands, keep)
        from gatewise.backends.llvm.operation import run_kernel

        return run_kernel(made, recurrence, operands, training, keep)

    def run_pair(self, jobs: Sequence[Job]) -> tuple[list[Result], list[str]] | None:
        """Run two recurrences side by side, each on half of the threads.

        Args:
            jobs: two recurrences that do not need each other, such as a layer's directions, which
                `refusal` lets pass.

        Returns:
            Their results, and how each ran in words; None where they must run one after the other,
            or are faster so.
        """
        (_, operands), (_, others) = jobs
        T, B = operands.x.shape[:2]
        if torch.compiler.is_compiling() or _needs_none(operands):
            return None
        jobs = [(_fitted(recurrence, own), own) for recurrence, own in jobs]
        (training, _), (also, _) = found = [_training(own) for own in (operands, others)]
        if training != also or others.x.shape[:2] != (T, B):
            return None
        kernels = [
            kernel_for(recurrence, own.dtype, *each)
            for (recurrence, own), each in zip(jobs, found, strict=True)
        ]
        from gatewise.backends.llvm.operation import Call
        from gatewise.backends.llvm.pair import describe_pair, pairs_well, run_pair

        if any(kernel.mistrusted for kernel in kernels) or not pairs_well(kernels, T, B):
            return None
        (call, tensors), (other, further) = (
            Call.of(kernel, *job) for kernel, job in zip(kernels, jobs, strict=True)
        )
        found = run_pair((call, other), (tensors, further), training)
        results = [
            Result(y, dict(zip(recurrence.graph.states, last, strict=True)), {})
            for (recurrence, _), (y, *last) in zip(jobs, found, strict=True)
        ]
        return results, describe_pair(kernels, T, B)


def _fitted(recurrence: Recurrence, operands: Operands) -> Recurrence:
    """The recurrence with rounded products only where they are to be had and pay."""
    if not recurrence.products:
        return recurrence
    T, B = operands.x.shape[:2]
    return fitted(recurrence, T, B, operands.dtype)


def _needs_none(operands: Operands) -> str | None:
    """Why no kernel is needed, whatever the cell is."""
    if 0 in operands.x.shape[:2]:
        return "there are no steps to run"
    if forward_ad._current_level >= 0:
        return "derivatives in forward mode are those of the equations"
    return None


def _kernel_for(recurrence: Recurrence, operands: Operands) -> Kernel:
    return kernel_for(_fitted(recurrence, operands), operands.dtype, *_training(operands))


def _training(operands: Operands) -> tuple[bool, tuple[str, ...]]:
    """Whether a backward pass may follow, and the inputs whose gradient it is to find."""
    training = torch.is_grad_enabled() and any(t.requires_grad for t in _tensors(operands))
    return training, tuple(n for n, x in operands.inputs.items() if training and x.requires_grad)


def _tensors(operands: Operands) -> list[Tensor]:
    parameters = operands.parameters
    return [
        *operands.states.values(),
        *operands.inputs.values(),
        *(parameters.tensors if isinstance(parameters, Stacked) else parameters.values()),
        *operands.givens.values(),
    ]
