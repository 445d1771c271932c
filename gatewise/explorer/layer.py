"""What a page shows of a recurrent layer by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gatewise.explorer.chain import Chain, matrix, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers


def of_layer(module: nn.Module, given: Any) -> Subject:
    """A page about a recurrent layer by itself."""
    layer: Any = recurrent_layer(module)
    x, further = _inputs(given)
    x = _one_sequence(x, bool(getattr(layer, "batch_first", False)))
    like = next(layer.parameters(), x)
    x = x.to(like)
    rest = {name: _column(value, len(x)).to(like) for name, value in further.items()}
    training = layer.training
    layer.eval()
    try:
        with torch.no_grad():
            outputs = layer(x, **rest)[0]
    finally:
        layer.train(training)
    chain = Chain()
    chain.add_numbers([f"x{k}" for k in range(x.shape[1])])
    chain.add_recurrent(layer)
    found: dict[str, Any] = {"numbers": matrix(x)}
    if rest:
        found["further"] = {name: matrix(value) for name, value in rest.items()}
    return Subject(
        title=f"{type(module).__name__}, {len(x)} steps",
        about=f"A recurrent layer without a head: {describe_layers(chain)}",
        chain=chain,
        input=found,
        output={"kind": "none", "labels": []},
        outputs=outputs,
    )


def _inputs(given: Any) -> tuple[Tensor, dict[str, Tensor]]:
    if isinstance(given, Mapping):
        if "x" not in given:
            raise TypeError(f"the inputs are {', '.join(given)}; x is missing.")
        return torch.as_tensor(given["x"]), {
            name: torch.as_tensor(value) for name, value in given.items() if name != "x"
        }
    if isinstance(given, str):
        raise TypeError("a layer reads numbers (T, I), not a text; give a trained text model.")
    return torch.as_tensor(given), {}


def _one_sequence(x: Tensor, batch_first: bool) -> Tensor:
    if x.dim() == 3:
        batch = 0 if batch_first else 1
        if x.shape[batch] != 1:
            raise ValueError(
                f"the page shows one sequence, but x {tuple(x.shape)} holds {x.shape[batch]}; "
                f"choose one, as in x{'[0]' if batch_first else '[:, 0]'}."
            )
        x = x.squeeze(batch)
    if x.dim() != 2 or not len(x):
        raise ValueError(f"the input is (T, I) with at least one step, not {tuple(x.shape)}.")
    return x


def _column(value: Tensor, T: int) -> Tensor:
    value = value.reshape(T, -1)
    return value
