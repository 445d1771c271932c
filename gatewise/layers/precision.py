"""Mixed precision: under `torch.autocast` a layer computes in the precision of its weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from gatewise.backends.choose import TORCH, asked_backend


def in_own_precision(forward: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Let a layer's forward keep its precision under autocast.

    Whatever floating tensors the call brings are converted to the dtype of the weights, and
    autocast is off inside. The output is then rounded to autocast's dtype, as an operator that
    autocast knows returns it; states, which add up what many steps bring, stay as they are.
    """

    @wraps(forward)
    def run(layer: Any, x: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        data = x.data if isinstance(x, PackedSequence) else x
        if not isinstance(data, Tensor) or not _applies(layer, data.device.type):
            return forward(layer, x, *arguments, **options)
        device, own = data.device.type, next(layer.parameters(), data).dtype
        arguments, options = pytree.tree_map(lambda leaf: _to(leaf, own), (arguments, options))
        with torch.autocast(device, enabled=False):
            y, state = forward(layer, _to(x, own), *arguments, **options)
        # double precision is asked for on purpose: autocast leaves it alone
        return y if own == torch.float64 else _to(y, torch.get_autocast_dtype(device)), state

    return run


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
