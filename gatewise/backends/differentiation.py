"""What is asked of a backward pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor, is_legacy_batchedtensor  # type: ignore[import-not-found]


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
