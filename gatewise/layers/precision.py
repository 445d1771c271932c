"""Mixed precision: under `torch.autocast` a layer carries states in the precision of its weights.

Products, which autocast is about, may be of rounded numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from gatewise.backends.choose import TORCH, asked_backend

Found = TypeVar("Found")


def in_own_precision(forward: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Let a layer's forward keep its precision under autocast.

    Whatever floating tensors the call brings are converted to the dtype of the weights. The output
    is rounded to autocast's dtype, as an operator that autocast knows returns it; states, which
    add up what many steps bring, stay as they are.
    """

    @wraps(forward)
    def run(layer: Any, x: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        data = x.data if isinstance(x, PackedSequence) else x
        if not isinstance(data, Tensor) or not _applies(layer, data.device.type):
            return forward(layer, x, *arguments, **options)
        device, own = data.device.type, next(layer.parameters(), data).dtype
        arguments, options = pytree.tree_map(lambda leaf: _to(leaf, own), (arguments, options))
        y, state = forward(layer, _to(x, own), *arguments, **options)
        # double precision is asked for on purpose: autocast leaves it alone
        return y if own == torch.float64 else _to(y, torch.get_autocast_dtype(device)), state

    return run


def without_autocast(layer: Any, device: str, run: Callable[[], Found]) -> Found:
    """Run something with autocast off, where the layer keeps its own precision.

    Args:
        layer: the layer.
        device: its kind, such as ``"cpu"``.
        run: what to run.
    """
    if not _applies(layer, device):
        return run()
    with torch.autocast(device, enabled=False):
        return run()


def rounded_products(layer: Any, device: str) -> str:
    """What a call may round the factors of products to: autocast's dtype; empty for nothing."""
    if not _applies(layer, device) or torch.get_autocast_dtype(device) != torch.bfloat16:
        return ""
    return "bfloat16"


def _applies(layer: Any, device: str) -> bool:
    """Whether autocast is on, and the call is not handed to torch's operator with rules of its own.

    That is so where no kernel is (on a GPU), and where torch's operator was asked for.
    """
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return False
    return not isinstance(layer, nn.RNNBase) or (device == "cpu" and asked_backend() != TORCH)


def _to(leaf: Any, dtype: torch.dtype) -> Any:
    if isinstance(leaf, PackedSequence):
        return leaf.to(dtype)
    return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
