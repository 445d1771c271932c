"""Our layer and torch's side by side: same weights, same calls, results and gradients compared."""

from __future__ import annotations

import itertools
import warnings

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import gatewise as gw
from gatewise.backends import use_backend

T, B, I, H = 5, 4, 3, 4
KINDS = ["LSTM", "GRU", "RNN", "RNN relu"]
BACKENDS = ["default", "reference"]


def on(backend: str):
    """The backend of that name; what a person gets who asks for none."""
    return use_backend("reference") if backend == "reference" else warnings.catch_warnings()


def pair(kind: str, **options):
    """Our layer and torch's, with the same weights."""
    name, _, nonlinearity = kind.partition(" ")
    if nonlinearity:
        options["nonlinearity"] = nonlinearity
    options.setdefault("dtype", torch.float64)
    sizes = options.pop("sizes", (I, H))
    theirs = getattr(nn, name)(*sizes, **options)
    ours = getattr(gw, name)(*sizes, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def random_state(layer, batch: int | None):
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    middle = () if batch is None else (batch,)
    h = torch.randn(rows, *middle, layer.proj_size or layer.hidden_size, dtype=torch.float64)
    if layer.mode != "LSTM":
        return h
    return h, torch.randn(rows, *middle, layer.hidden_size, dtype=torch.float64)


def tensors(value) -> list[torch.Tensor]:
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, torch.Tensor) else [t for v in value for t in tensors(v)]


def require_gradients(value):
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data.clone().requires_grad_())
    if isinstance(value, torch.Tensor):
        return value.clone().requires_grad_()
    return None if value is None else tuple(require_gradients(part) for part in value)


def results_and_gradients(layer, x, hx):
    """Outputs, last states, and the gradient of everything that has one."""
    x, hx = require_gradients(x), require_gradients(hx)
    y, last = layer(x, hx) if hx is not None else layer(x)
    results = [*tensors(y), *tensors(last)]
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (torch.randn(r.shape, generator=generator, dtype=r.dtype) * r).sum() for r in results
    )
    leaves = [*layer.parameters(), *tensors(x), *(tensors(hx) if hx is not None else [])]
    return y, [*results, *torch.autograd.grad(total, leaves)]


def assert_equal(ours, theirs, x, hx=None):
    y, found = results_and_gradients(ours, x, hx)
    wanted_y, expected = results_and_gradients(theirs, x, hx)
    assert type(y) is type(wanted_y)
    if isinstance(y, PackedSequence):
        for mine, torchs in zip(y[1:], wanted_y[1:], strict=True):
            assert (mine is None) == (torchs is None)
            assert mine is None or torch.equal(mine, torchs)
    assert len(found) == len(expected)
    for k, (mine, torchs) in enumerate(zip(found, expected, strict=True)):
        assert mine.shape == torchs.shape
        torch.testing.assert_close(mine, torchs, rtol=1e-10, atol=1e-10, msg=f"number {k}")


def packed(lengths, sort):
    x = torch.randn(T, len(lengths), I, dtype=torch.float64)
    return pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=not sort)


FORMS = {
    "batched": lambda: torch.randn(T, B, I, dtype=torch.float64),
    "unbatched": lambda: torch.randn(T, I, dtype=torch.float64),
    "packed": lambda: packed([5, 4, 4, 1], sort=False),
    "packed unsorted": lambda: packed([2, 5, 1, 3], sort=True),
}
SHAPES = [
    dict(),
    dict(bidirectional=True),
    dict(bias=False),
    dict(num_layers=2, bidirectional=True),
    dict(num_layers=3),
    dict(num_layers=2, bidirectional=True, bias=False),
    dict(batch_first=True, num_layers=2),
]
PROJECTED = [
    dict(proj_size=2),
    dict(proj_size=2, num_layers=2, bidirectional=True),
    dict(proj_size=3, num_layers=3, bias=False),
]
CASES = [
    *itertools.product(KINDS, SHAPES),
    *itertools.product(["LSTM"], PROJECTED),
]
