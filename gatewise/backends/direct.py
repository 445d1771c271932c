"""The short way to a kernel, for calls that nobody stands in the way of.

What `choose` asks of every call is here asked once for all calls of a kind.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch._C import (
    _get_tracing_state,  # type: ignore[attr-defined]
    _len_torch_dispatch_stack,  # type: ignore[attr-defined]
    _len_torch_function_stack,  # type: ignore[attr-defined]
)
from torch._C._functorch import maybe_current_level  # type: ignore[import-not-found]
from torch.autograd import forward_ad

from gatewise.backends.choose import BACKENDS
from gatewise.backends.disturbance import is_disturbed
from gatewise.backends.llvm.backend import LlvmBackend
from gatewise.backends.llvm.selection import kernel_for
from gatewise.backends.recurrence import Recurrence, Stacking

if TYPE_CHECKING:
    from gatewise.backends.llvm.operation import Call


def is_undisturbed() -> bool:
    """Whether kernels may run at once: nobody traces, transforms, watches, or asks for another way.

    Autocast, which changes what layers are given, counts as a disturbance.
    """
    return (
        not torch.compiler.is_compiling()
        and not is_disturbed()
        and type(BACKENDS.get(LlvmBackend.name)) is LlvmBackend
        and not torch.is_autocast_enabled("cpu")
        and maybe_current_level() is None
        and forward_ad._current_level < 0
        and _get_tracing_state() is None
        and not _len_torch_dispatch_stack()
        and not _len_torch_function_stack()
    )


@lru_cache(maxsize=512)
def direct_call(
    recurrence: Recurrence,
    parameters: Stacking,
    dtype: torch.dtype,
    T: int,
    B: int,
    training: bool,
    wanted: bool,
) -> Call | None:
    """The kernel's call for T steps of B sequences on the CPU.

    None where the kernel cannot be trusted, or reads expressions of weights that must be evaluated.

    Args:
        recurrence: what is run; its one input is ``x``.
        parameters: how its weights are stored.
        dtype: of every tensor.
        T: steps, at least one.
        B: sequences, at least one.
        training: whether a backward pass may follow.
        wanted: whether the gradient of ``x`` is wanted.
    """
    from gatewise.backends.llvm.operation import call_of

    kernel = kernel_for(recurrence, dtype, training, tuple(recurrence.graph.inputs) * wanted)
    if kernel.mistrusted or not kernel.plain:
        return None
    return call_of(kernel, recurrence, parameters, T, B)
