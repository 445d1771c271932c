"""The equations as kernels compute them whose products are of rounded numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class RoundedProducts(TorchFunctionMode):
    """Inside, the reference rounds both factors of every product to bfloat16, and adds up exactly.

    So it does in the derivatives of a product, which are products themselves. Inputs, states and
    weights stay in their own precision.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        """Replace products; leave all else alone."""
        if function is functional.linear:
            return _Product.apply(*args)
        return function(*args, **(kwargs or {}))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vector: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(vector, matrix)
        return functional.linear(_rounded(vector), _rounded(matrix))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        vector, matrix, gradient = map(_rounded, (*ctx.saved_tensors, gradient))
        return gradient @ matrix, gradient.flatten(0, -2).mT @ vector.flatten(0, -2)


def _rounded(value: Tensor) -> Tensor:
    return value.bfloat16().to(value.dtype)
