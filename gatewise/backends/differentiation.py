"""How a function with a derivative is applied, and what is asked of its backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor, is_legacy_batchedtensor  # type: ignore[import-not-found]


def apply(function: type[torch.autograd.Function], *arguments: Any) -> Sequence[Tensor]:
    """What `function.apply` returns, in less time, where no transform is at work.

    Args:
        function: with a forward and a backward pass, and nothing else.
        *arguments: of the forward pass; no keywords, no remains of transforms that are over.
    """
    return super(torch.autograd.Function, function).apply(*arguments)  # type: ignore[misc]


def asks_for_more(*gradients: Tensor) -> bool:
    """Whether more than one gradient of numbers is asked for.

    Gradients may be differentiated again (``create_graph``), or be several at once (vmap,
    ``is_grads_batched``).

    Args:
        *gradients: those that the backward pass starts from.
    """
    return torch.is_grad_enabled() or any(map(_is_batched, gradients))


def _is_batched(gradient: Tensor) -> bool:
    return is_functorch_wrapped_tensor(gradient) or is_legacy_batchedtensor(gradient)
