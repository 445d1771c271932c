"""The `llvm` backend: kernels compiled for the host from a cell's graph."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[import-not-found]
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from gatewise.backends.llvm.library import run_operator
from gatewise.backends.recurrence import Operands, Recurrence, Result, Stacked
from gatewise.backends.reference import ReferenceBackend

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel

ELEMENTS = {torch.float32: ("float", 4), torch.float64: ("double", 8)}


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
        training = torch.is_grad_enabled() and any(t.requires_grad for t in _tensors(operands))
        wanted = tuple(n for n, x in operands.inputs.items() if training and x.requires_grad)
        return kernel_for(recurrence, operands.dtype, training, wanted).describe(
            operands.x.shape[1]
        )

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps.

        The reference does where there are none, and for forward-mode derivatives.
        """
        if torch.compiler.is_compiling():
            if keep:
                return ReferenceBackend().run(recurrence, operands, keep)
            training = torch.is_grad_enabled()
            return Result(*run_operator(recurrence, operands, training), {})
        if 0 in operands.x.shape[:2] or forward_ad._current_level >= 0:
            return ReferenceBackend().run(recurrence, operands, keep)
        training = torch.is_grad_enabled() and any(t.requires_grad for t in _tensors(operands))
        wanted = tuple(n for n, x in operands.inputs.items() if training and x.requires_grad)
        made = kernel_for(recurrence, operands.dtype, training, wanted, bool(keep))
        if made.mistrusted:
            return ReferenceBackend().run(recurrence, operands, keep)
        from gatewise.backends.llvm.operation import run_kernel

        return Result(*run_kernel(made, recurrence, operands, training, keep))


def _tensors(operands: Operands) -> list[Tensor]:
    parameters = operands.parameters
    return [
        *operands.states.values(),
        *operands.inputs.values(),
        *(parameters.tensors if isinstance(parameters, Stacked) else parameters.values()),
        *operands.givens.values(),
    ]


@lru_cache(maxsize=512)
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
    made = kernel(specification, target)
    if made.is_new and not made.mistrusted:
        from gatewise.backends.llvm.trial import mistrust

        made.mistrusted = mistrust(made, recurrence, dtype)
        made.is_new = False
        if made.mistrusted is not None:
            made.forget()
            message = f"{made.mistrusted}. The reference runs instead, slowly."
            warnings.warn(message, RuntimeWarning, stacklevel=2)
    return made
