"""Which kernel runs a recurrence on this machine."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from gatewise.backends.recurrence import Recurrence, with_products

if TYPE_CHECKING:
    from gatewise.backends.llvm.kernel import Kernel

ROUNDED_NUMBERS, ROUNDED_ROWS = 128, 16
"""Products in bfloat16 were faster from so many numbers in the output of a step, all sequences
together, and from so many rows (steps times sequences) that share the rounding of weights."""

ELEMENTS = {torch.float32: ("float", 4), torch.float64: ("double", 8)}


def refused_products(recurrence: Recurrence, T: int, B: int, dtype: torch.dtype) -> str | None:
    """Why products that may be of bfloat16 are not; None where they are, or where none may be."""
    from gatewise.backends.llvm.target import host

    if not recurrence.products or dtype != torch.float32:
        return None
    if not host().may_multiply_tiles():
        return f"this processor has no matrix tiles for {recurrence.products} (AMX)"
    if B * recurrence.output_size < ROUNDED_NUMBERS or T * B < ROUNDED_ROWS:
        return f"there are too few numbers for {recurrence.products} to pay"
    return None


def fitted(recurrence: Recurrence, T: int, B: int, dtype: torch.dtype) -> Recurrence:
    """The recurrence with rounded products only where they are to be had and pay."""
    refusal = refused_products(recurrence, T, B, dtype)
    return recurrence if refusal is None else with_products(recurrence, "")


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
    from gatewise.backends.llvm.element import Element
    from gatewise.backends.llvm.kernel import kernel
    from gatewise.backends.llvm.plan.program import Specification
    from gatewise.backends.llvm.target import host

    target = host()
    name, size = ELEMENTS[dtype]
    element = Element(name, size, target.lanes(size))
    rounds = recurrence.products and dtype == torch.float32 and target.may_multiply_tiles()
    products = recurrence.products if rounds else ""
    specification = Specification(
        recurrence.graph,
        recurrence.sizes,
        recurrence.reverse,
        element,
        training,
        wanted,
        past,
        products,
    )
    made = kernel(specification, target)
    if made.is_new and not made.mistrusted:
        from gatewise.backends.llvm.trial import mistrust

        made.mistrusted = mistrust(made, recurrence, dtype)
        made.is_new = False
        if made.mistrusted is not None:
            made.forget()
            instead = "Products run in float32" if products else "The reference runs"
            message = f"{made.mistrusted}. {instead} instead, slowly."
            warnings.warn(message, RuntimeWarning, stacklevel=2)
    if made.mistrusted is not None and products:
        return kernel_for(with_products(recurrence, ""), dtype, training, wanted, past)
    return made
