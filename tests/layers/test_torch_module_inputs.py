"""What torch checks its own recurrent modules with, checked on ours, on every way to run them."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils.rnn import PackedSequence

import gatewise as gw
from tests.layers.torch_pairs import tensors
from tests.layers.torch_samples import Sample, refusals, samples

LAYERS = ["LSTM", "GRU", "RNN"]
CELLS = ["LSTMCell", "GRUCell", "RNNCell"]
ON_TORCH = [(kind, "torch") for kind in (*LAYERS, *CELLS)]
ON_EQUATIONS = [(kind, "reference") for kind in (*LAYERS, *CELLS)]
ON_KERNELS = [pytest.param(kind, "llvm", marks=pytest.mark.kernels) for kind in LAYERS]
EVERYWHERE = [*ON_TORCH, *ON_EQUATIONS, *ON_KERNELS]


def deep(sample: Sample) -> bool:
    """The samples that contain the others: two directions, with biases, and nothing rearranged."""
    plain = sample.options.get("bias", True) and not sample.options.get("batch_first", False)
    return plain and sample.options.get("bidirectional", True)


def deep_and_padded(sample: Sample) -> bool:
    """Likewise, packed sequences left out: packing is a gather before and after."""
    return deep(sample) and not isinstance(sample.call[0], PackedSequence)


def every_sample(
    kind: str,
    backend: str,
    check: Callable[[Sample], None],
    which: Callable[[Sample], bool] | None = None,
) -> None:
    """Run a check on samples on one backend; a failure tells which sample it was."""
    which = which or (deep if backend == "llvm" else lambda sample: True)
    used = list(filter(which, samples(kind)))
    assert used
    for sample in used:
        with gw.use_backend(backend):
            try:
                check(sample)
            except Exception as error:
                error.add_note(str(sample))
                raise


def assert_same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(tensors(found), tensors(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kind", "backend"), EVERYWHERE)
@pytest.mark.parametrize("training", [True, False])
def test_forward(kind, backend, training):
    def check(sample):
        ours, theirs = sample.layer(dtype=torch.float64), sample.torchs(dtype=torch.float64)
        ours.train(training), theirs.train(training)
        found = ours(*sample.call)
        assert_same(found, theirs(*sample.call))
        if sample.unbatched:
            assert_same(found, sample.unbatched(ours, *sample.call))

    every_sample(kind, backend, check)


def as_function(sample: Sample) -> tuple[Callable, tuple[torch.Tensor, ...]]:
    """The call as a function of tensors alone: inputs, states, then weights."""
    layer = sample.layer(dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    given = [t.detach().clone() for value in sample.call for t in tensors(value)]

    def run(*values):
        call = refilled(sample.call, iter(values))
        weights = dict(zip(names, values[len(given) :], strict=True))
        return tuple(tensors(torch.func.functional_call(layer, weights, call)))

    weights = [value.detach().clone() for value in layer.parameters()]
    return run, tuple(value.requires_grad_() for value in (*given, *weights))


def refilled(call: Any, values: Any) -> Any:
    """The same call with other tensors."""
    if isinstance(call, PackedSequence):
        return call._replace(data=next(values))
    if isinstance(call, torch.Tensor):
        return next(values)
    return tuple(refilled(part, values) for part in call)


def check_gradients(sample: Sample, second: bool) -> None:
    torch.manual_seed(0)
    run, values = as_function(sample)
    check = gradgradcheck if second else gradcheck
    assert check(run, values, fast_mode=True, check_batched_grad=False)


@pytest.mark.parametrize(("kind", "backend"), [*ON_EQUATIONS, *ON_KERNELS])
def test_gradients(kind, backend):
    every_sample(kind, backend, partial(check_gradients, second=False), deep)


@pytest.mark.parametrize(("kind", "backend"), [*ON_EQUATIONS, *ON_KERNELS])
def test_second_derivatives(kind, backend):
    every_sample(kind, backend, partial(check_gradients, second=True), deep_and_padded)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "backend"), EVERYWHERE)
@pytest.mark.parametrize("second", [False, True])
def test_gradients_of_every_sample(kind, backend, second):
    every_sample(kind, backend, partial(check_gradients, second=second), lambda sample: True)


@pytest.mark.parametrize(("kind", "backend"), [*ON_TORCH, *ON_EQUATIONS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_dtypes(kind, backend, dtype):
    def check(sample):
        layer = sample.layer(dtype=dtype)
        assert {value.dtype for value in layer.parameters()} == {dtype}
        found = tensors(layer(*converted(sample.call, dtype)))
        assert {value.dtype for value in found} == {dtype}
        wanted = tensors(sample.torchs(dtype=dtype)(*converted(sample.call, dtype)))
        torch.testing.assert_close(found, wanted)

    every_sample(kind, backend, check)


def converted(call: Any, dtype: torch.dtype) -> tuple[Any, ...]:
    return tuple(
        value.to(dtype) if hasattr(value, "to") else tuple(part.to(dtype) for part in value)
        for value in call
    )


def apart(value: torch.Tensor) -> torch.Tensor:
    """The same numbers, every second one in memory."""
    wide = value.new_full((*value.shape, 2), float("nan"))
    wide[..., 0] = value.detach()
    return wide[..., 0]


@pytest.mark.parametrize(("kind", "backend"), EVERYWHERE)
@pytest.mark.parametrize("where", ["call", "weights", "gradients"])
def test_numbers_that_lie_apart(kind, backend, where):
    def check(sample):
        if any(isinstance(value, PackedSequence) for value in sample.call):
            return  # torch keeps their data together itself
        layer = sample.layer(dtype=torch.float64)
        found = []
        for spread in (torch.clone, apart):
            inputs = [t.detach().clone() for value in sample.call for t in tensors(value)]
            inputs = [spread(value) if where == "call" else value for value in inputs]
            call = refilled(sample.call, (value.requires_grad_() for value in inputs))
            if where == "weights":
                for value in layer.parameters():
                    value.data = spread(value.data)
            out = tensors(layer(*call))
            torch.manual_seed(2)
            flow = [torch.randn_like(value) for value in out]
            flow = [spread(value) if where == "gradients" else value for value in flow]
            leaves = [*inputs, *layer.parameters()]
            found.append([*out, *torch.autograd.grad(out, leaves, flow)])
        torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)

    every_sample(kind, backend, check, deep)


@pytest.mark.parametrize(("kind", "backend"), EVERYWHERE)
@pytest.mark.parametrize("how", ["deepcopy", "pickle", "save", "state_dict"])
def test_copies_of_used_modules(kind, backend, how):
    def check(sample):
        layer = sample.layer(dtype=torch.float64)
        wanted = layer(*sample.call)
        sum(value.sum() for value in tensors(wanted)).backward()
        other = copied(layer, sample, how)
        assert_same(other(*sample.call), wanted)
        with torch.no_grad():
            for value in other.parameters():
                value.zero_()
        assert_same(layer(*sample.call), wanted)

    every_sample(kind, backend, check, deep)


def copied(layer: torch.nn.Module, sample: Sample, how: str) -> torch.nn.Module:
    if how == "deepcopy":
        return copy.deepcopy(layer)
    if how == "pickle":
        return pickle.loads(pickle.dumps(layer))
    buffer = io.BytesIO()
    torch.save(layer if how == "save" else layer.state_dict(), buffer)
    buffer.seek(0)
    read = torch.load(buffer, weights_only=how == "state_dict")
    if how == "save":
        return read
    other = sample.layer(dtype=torch.float64)
    other.load_state_dict(read)
    return other


@pytest.mark.parametrize("kind", [*LAYERS, *CELLS])
def test_moves_to_another_device_and_dtype(kind):
    def check(sample):
        layer = sample.layer(dtype=torch.float64)
        shapes = [value.shape for value in tensors(layer(*sample.call))]
        wanted = tensors(layer(*sample.call))
        assert layer.float().to(torch.float64) is layer
        moved = layer.to("meta")
        on_meta = refilled(sample.call, (t.to("meta") for v in sample.call for t in tensors(v)))
        if not isinstance(on_meta[0], PackedSequence):
            found = tensors(moved(*on_meta))
            assert [value.shape for value in found] == shapes
            assert all(value.is_meta for value in found)
        back = moved.to_empty(device="cpu")
        back.load_state_dict(sample.layer(dtype=torch.float64).state_dict())
        assert_same(back(*sample.call), wanted)

    every_sample(kind, "torch", check)


@pytest.mark.parametrize("kind", [*LAYERS, *CELLS])
def test_made_on_a_device(kind):
    for sample in samples(kind):
        layer = sample.layer(device="meta", dtype=torch.float64)
        assert all(value.is_meta for value in layer.parameters())
        with torch.device("meta"):
            assert all(value.is_meta for value in sample.layer().parameters())
        assert repr(layer).removeprefix("gatewise.") == repr(sample.torchs(dtype=torch.float64))


@pytest.mark.parametrize(("kind", "backend"), EVERYWHERE)
def test_what_torch_refuses(kind, backend):
    for refusal in refusals(kind):
        with gw.use_backend(backend):
            if refusal.in_call:
                layer = refusal.sample.layer()
                with pytest.raises(refusal.error, match=refusal.message):
                    layer(*refusal.sample.call)
            else:
                with pytest.raises(refusal.error, match=refusal.message):
                    refusal.sample.layer()
