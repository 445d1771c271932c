"""gw.LSTM as a module: copies, hooks, parametrizations, what torch users reach for."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import gatewise as gw
from tests.layers.torch_pairs import (
    BACKENDS,
    FORMS,
    H,
    I,
    on,
)


class TestAsModule:
    def layer(self):
        torch.manual_seed(1)
        return gw.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
    def test_copies(self, how, backend):
        layer, x = self.layer(), FORMS["batched"]()
        if how == "deepcopy":
            other = copy.deepcopy(layer)
        elif how == "pickle":
            other = pickle.loads(pickle.dumps(layer))
        else:
            buffer = io.BytesIO()
            torch.save(layer, buffer)
            buffer.seek(0)
            other = torch.load(buffer, weights_only=False)
        with on(backend):
            torch.testing.assert_close(other(x)[0], layer(x)[0])
            with torch.no_grad():
                other.weight_hh_l0.zero_()
            assert not torch.equal(other(x)[0], layer(x)[0])

    def test_state_dict_hooks_run(self):
        layer, seen = self.layer(), []
        layer.register_state_dict_pre_hook(lambda *_: seen.append("save"))
        layer.register_load_state_dict_post_hook(lambda *_: seen.append("load"))
        layer.load_state_dict(layer.state_dict())
        assert seen == ["save", "load"]

    def test_weights_of_another_shape_are_refused(self):
        with pytest.raises(RuntimeError, match="size mismatch"):
            self.layer().load_state_dict(nn.LSTM(I, H + 1, 2, bidirectional=True).state_dict())

    def test_what_torch_users_reach_for(self):
        layer, theirs = self.layer(), nn.LSTM(I, H, num_layers=2, bidirectional=True)
        layer.flatten_parameters()
        shapes = [[w.shape for w in row] for row in layer.all_weights]
        assert shapes == [[w.shape for w in row] for row in theirs.all_weights]
        assert isinstance(layer, nn.RNNBase)
        assert (layer.mode, layer.input_size, layer.hidden_size) == ("LSTM", I, H)
        names = ("num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
        assert [getattr(layer, n) for n in names] == [getattr(theirs, n) for n in names]
        replica = layer._replicate_for_data_parallel()
        assert isinstance(replica, gw.LSTM)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_parametrizations(self, backend):
        layer, x = self.layer(), FORMS["batched"]()
        torch.nn.utils.parametrizations.orthogonal(layer, "weight_hh_l0")
        torch.nn.utils.parametrizations.weight_norm(layer, "weight_ih_l1")
        with on(backend):
            y, _ = layer(x)
            y.sum().backward()
        parametrized = layer.parametrizations["weight_hh_l0"].original
        assert parametrized.grad is not None
        plain = nn.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
        plain.load_state_dict({name: getattr(layer, name).detach() for name in plain.state_dict()})
        torch.testing.assert_close(y, plain(x)[0])

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_functional_call(self, backend):
        layer, x = self.layer(), FORMS["batched"]()
        doubled = {name: 2 * value.detach() for name, value in layer.named_parameters()}
        plain = nn.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
        plain.load_state_dict(doubled)
        with on(backend):
            y, _ = torch.func.functional_call(layer, doubled, (x,))
        torch.testing.assert_close(y, plain(x)[0])

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_frozen_weights_get_no_gradient(self, backend):
        layer = self.layer()
        layer.weight_ih_l0.requires_grad_(False)
        with on(backend):
            layer(FORMS["batched"]())[0].sum().backward()
        assert layer.weight_ih_l0.grad is None
        assert layer.weight_hh_l0.grad is not None

    def test_positional_arguments_as_in_torch(self):
        arguments = (I, H, 2, True, True, 0.1, True)
        assert repr(gw.GRU(*arguments, "cpu", torch.float64)) == repr(nn.GRU(*arguments))
        assert gw.GRU(*arguments, "cpu", torch.float64).weight_hh_l0.dtype == torch.float64
        assert gw.LSTM(*arguments, 2, "cpu", torch.float64).proj_size == 2
        rnn = gw.RNN(I, H, 2, "relu", True, True, 0.1, True, "cpu", torch.float64)
        assert (rnn.nonlinearity, rnn.batch_first) == ("relu", True)
        assert rnn.weight_hh_l0.dtype == torch.float64


@pytest.mark.kernels
@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_few_steps_with_many_weights_are_left_to_torch(kind):
    """Packing takes longer than they do; kernels compute the same."""
    layer = getattr(gw, kind)(512, 512, batch_first=True)
    x, state = torch.randn(2, 4, 512), torch.randn(1, 2, 512)
    with torch.no_grad():
        found, last = layer(x, state)
        (told,) = layer.explain(x)
        assert told.reason == "so few steps need no packed weights"
        with gw.use_backend("llvm"):
            expected, ends = layer(x, state)
        assert layer.explain(x.repeat(1, 2, 1))[0].backend == "llvm"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, ends, rtol=1e-4, atol=1e-5)
    assert layer.explain(x)[0].backend == "llvm"  # torch's way back is longer
    assert layer.explain(x[:, :1])[0].backend == "torch"
