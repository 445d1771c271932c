"""Torch's own fused operators: when one runs a drop-in layer, and how it is called."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import _VF, Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[import-not-found]
from torch.autograd import forward_ad

from gatewise.backends.choose import BACKENDS, TORCH, asked_backend
from gatewise.layers.sequence import Sequence

SPARSE = 10
"""A packed batch of which padding would make more than so many times as many steps stays packed."""


STEPS = {"GRU": _VF.gru, "RNN_TANH": _VF.rnn_tanh, "RNN_RELU": _VF.rnn_relu}
"""The operators that take few steps, by torch's name of the mode."""


def operator_reason(layer: Any, sequence: Sequence, marked: bool) -> str | None:
    """Why torch's own operator is the better one for a call; None where the equations are.

    Args:
        layer: an LSTM, GRU or RNN.
        sequence: its input.
        marked: whether the call asks for what the operator cannot do.
    """
    asked, x = asked_backend(), sequence.data
    if marked or asked not in (None, TORCH):
        return None
    if asked == TORCH:
        return f"use_backend({TORCH!r})"
    if _transformed(layer, x):
        return None  # torch's operators know neither vmap nor forward-mode derivatives
    if "llvm" not in BACKENDS or x.device.type != "cpu":
        return f"there is no kernel for {x.device.type}"
    if x.dtype not in (torch.float32, torch.float64):
        return "half precision goes to torch"
    if sequence.packed is not None:  # torch takes two to four times as long for a step that counts
        sparse = SPARSE * x.shape[0] < sequence.steps * sequence.batch
        return "padding these sequences would make too many steps" if sparse else None
    if torch.compiler.is_compiling():
        return None
    few = steps_on_torch(layer, sequence.steps, sequence.batch)
    return "so few steps need no packed weights" if few else None


FEW_STEPS, FEW_ROWS, MANY_WEIGHTS = 4, 8, 3 << 17
"""Without gradients, so few steps, and steps times sequences, take less time than packing weights
of which a layer has so many."""

STEP_WEIGHTS = 1 << 17
"""A single step with more weights takes torch's operator less time; one of an RNN always does."""


def steps_on_torch(layer: Any, T: int, B: int) -> bool:
    """Whether torch's operator, which reads weights where they are, takes steps in less time.

    Args:
        layer: an LSTM, GRU or RNN.
        T: steps.
        B: sequences.
    """
    if not layer.may_step_on_torch or asked_backend() is not None:
        return False  # torch packs the weights of an LSTM, too
    gates = len(layer.gates)
    weights = gates * layer.hidden_size * (layer.input_size + layer.hidden_size)
    if T == 1:
        return gates == 1 or weights > STEP_WEIGHTS
    few = T <= FEW_STEPS and T * B <= FEW_ROWS and not torch.is_grad_enabled()
    return few and weights >= MANY_WEIGHTS


def _transformed(layer: Any, x: Tensor) -> bool:
    """Whether a transform of `torch.func`, or forward mode, is at work."""
    if torch.compiler.is_compiling():
        return False
    weight = next(layer.parameters(), x)  # one of a parametrization is not computed for this
    wrapped = map(is_functorch_wrapped_tensor, (x, weight))
    return forward_ad._current_level >= 0 or any(wrapped)


def run_steps(layer: Any, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Run few steps of a GRU or RNN by torch's operator, with less ado than torch's layer.

    Args:
        layer: a GRU or RNN.
        x: ``(T, B, I)``.
        state: ``(layers · directions, B, H)``; zeros where left out.

    Returns:
        Output and state; None where the call is special.
    """
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    shape = (rows, x.shape[1], layer.hidden_size)
    weights = [layer._parameters.get(name) for name in layer._flat_weights_names]
    if state is None:
        state = _zeros(shape, x.dtype)
    if type(state) is not Tensor or tuple(state.shape) != shape:
        return None
    if any(t is None or not t.is_cpu or t.dtype is not x.dtype for t in (state, *weights)):
        return None
    options = (layer.bias, layer.num_layers, layer.dropout, layer.training, layer.bidirectional)
    y, last = STEPS[layer.mode](x, state, weights, *options, False)
    return y.transpose(0, 1) if layer.batch_first else y, last


@lru_cache(maxsize=64)
def _zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros that nothing changes; made for use in any mode."""
    with torch.inference_mode(False):
        return torch.zeros(shape, dtype=dtype)


def run_operator(
    layer: Any, sequence: Sequence, state: tuple[Tensor, ...]
) -> tuple[Any, tuple[Tensor, ...]]:
    """Run all layers and directions by torch's operator.

    Args:
        layer: an LSTM, GRU or RNN.
        sequence: its input.
        state: where to start, ``(layers · directions, B, size)`` each.
    """
    operator = getattr(_VF, layer.mode.lower())
    weights = [getattr(layer, name) for name in layer._flat_weights_names]
    hx = state[0] if len(state) == 1 else list(state)
    options = (layer.bias, layer.num_layers, layer.dropout, layer.training, layer.bidirectional)
    packed = sequence.packed
    if packed is None:
        if layer.kind == "LSTM" and torch.is_grad_enabled() and torch.compiler.is_compiling():
            # torch traces its oneDNN operator with gradients wrongly; this call runs untraced
            with torch.backends.mkldnn.flags(enabled=False):
                y, *last = operator(sequence.x, hx, weights, *options, False)
        else:
            y, *last = operator(sequence.x, hx, weights, *options, False)
        return sequence.restore(y), tuple(last)
    if packed.sorted_indices is not None:
        state = tuple(part.index_select(1, packed.sorted_indices) for part in state)
        hx = state[0] if len(state) == 1 else list(state)
    data, *last = operator(packed.data, packed.batch_sizes, hx, weights, *options)
    if packed.unsorted_indices is not None:
        last = [part.index_select(1, packed.unsorted_indices) for part in last]
    return packed._replace(data=data), tuple(last)
