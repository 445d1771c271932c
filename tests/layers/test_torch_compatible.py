"""gw.LSTM, GRU and RNN do what torch's layers of the same names do, on every path."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw
from gatewise.backends import use_backend
from tests.layers.torch_pairs import (
    BACKENDS,
    CASES,
    FORMS,
    KINDS,
    B,
    H,
    I,
    T,
    assert_equal,
    on,
    pair,
    random_state,
    tensors,
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("state", ["given", "absent"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_results_states_and_gradients(kind, options, form, state, backend):
    ours, theirs = pair(kind, **options)
    x = FORMS[form]()
    hx = None
    if state == "given":
        hx = random_state(theirs, None if form == "unbatched" else B)
    if form == "batched" and options.get("batch_first"):
        x = x.transpose(0, 1)
    with on(backend):
        assert_equal(ours, theirs, x, hx)


class TestWeights:
    @pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
    def test_same_names_order_and_values_under_the_same_seed(self, kind, options):
        name, _, nonlinearity = kind.partition(" ")
        options = {**options, **({"nonlinearity": nonlinearity} if nonlinearity else {})}
        torch.manual_seed(7)
        ours = getattr(gw, name)(I, H, **options)
        torch.manual_seed(7)
        theirs = getattr(nn, name)(I, H, **options)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for mine, torchs in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, torchs)
        assert repr(ours) == repr(theirs)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        torch.manual_seed(8)
        ours.reset_parameters()
        torch.manual_seed(8)
        theirs.reset_parameters()
        assert torch.equal(ours.weight_hh_l0, theirs.weight_hh_l0)

    def test_names_of_the_equations(self):
        layer = gw.LSTM(I, H, 2, bidirectional=True, proj_size=2)
        named = layer.weights(1, reverse=True)
        assert list(named) == [
            *(f"W.{k}" for k in "ifgo"),
            *(f"U.{k}" for k in "ifgo"),
            "R.h",
            *(f"b.{k}" for k in "ifgo"),
        ]
        assert torch.equal(named["U.f"], layer.weight_hh_l1_reverse[H : 2 * H])
        summed = layer.bias_ih_l1_reverse + layer.bias_hh_l1_reverse
        assert torch.equal(named["b.o"], summed[3 * H :])
        gru = gw.GRU(I, H)
        assert torch.equal(gru.weights()["b.nh"], gru.bias_hh_l0[2 * H :])
        assert torch.equal(gru.weights()["b.n"], gru.bias_ih_l0[2 * H :])

    @pytest.mark.parametrize(("layer", "reverse"), [(2, False), (-1, False), (0, True)])
    def test_no_such_layer(self, layer, reverse):
        with pytest.raises(IndexError, match="there are 2 layers in 1 direction"):
            gw.LSTM(I, H, 2).weights(layer, reverse)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_changed_weights_are_seen(self, backend):
        ours, theirs = pair("LSTM")
        x = FORMS["batched"]()
        with on(backend), torch.no_grad():
            ours(x)
            for layer in (ours, theirs):
                layer.weight_hh_l0.mul_(2)
            torch.testing.assert_close(ours(x)[0], theirs(x)[0])
            for layer in (ours, theirs):
                layer.weight_ih_l0 = nn.Parameter(layer.weight_ih_l0 * 0.5)
            torch.testing.assert_close(ours(x)[0], theirs(x)[0])


class TestDropout:
    @pytest.mark.parametrize("kind", KINDS)
    def test_same_random_numbers_in_training(self, kind):
        ours, theirs = pair(kind, num_layers=3, dropout=0.5)
        x = FORMS["batched"]()
        torch.manual_seed(3)
        mine = ours(x)[0]
        torch.manual_seed(3)
        torch.testing.assert_close(mine, theirs(x)[0], rtol=0, atol=0)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_none_in_evaluation(self, backend):
        ours, theirs = pair("LSTM", num_layers=2, dropout=0.9)
        ours.eval(), theirs.eval()
        with on(backend):
            assert_equal(ours, theirs, FORMS["batched"]())

    def test_reference_drops_at_the_same_rate_between_layers_alone(self):
        torch.manual_seed(0)
        layer = gw.LSTM(1, 200, num_layers=2, dropout=0.3)
        with torch.no_grad():
            for name, value in layer.named_parameters():
                value.zero_()
                if name == "bias_ih_l0":
                    value.fill_(1.0)  # every unit of the first layer is alike
                if name == "weight_ih_l1":
                    value[400:600] = torch.eye(200)
                if name == "bias_ih_l1":
                    value[:200], value[600:] = 50.0, 50.0  # gates open: h = tanh(tanh(dropped))
        with use_backend("reference"):
            y, _ = layer(torch.zeros(20, 1, 1))
            dropped = (y[0] == 0).double()
            assert abs(float(dropped.mean()) - 0.3) < 0.1
            assert not torch.equal(layer(torch.zeros(20, 1, 1))[0], y)

    def test_warns_where_it_cannot_act(self):
        with pytest.warns(UserWarning, match="dropout"):
            gw.LSTM(I, H, dropout=0.5)


@pytest.mark.parametrize("backend", BACKENDS)
class TestEdges:
    def test_batch_of_none(self, backend):
        ours, theirs = pair("GRU")
        x = torch.zeros(T, 0, I, dtype=torch.float64)
        with on(backend):
            y, h = ours(x)
        wanted_y, wanted_h = theirs(x)
        assert (y.shape, h.shape) == (wanted_y.shape, wanted_h.shape)

    def test_one_step(self, backend):
        ours, theirs = pair("LSTM", bidirectional=True)
        with on(backend):
            assert_equal(ours, theirs, torch.randn(1, 1, I, dtype=torch.float64))

    def test_gradients_are_those_of_finite_differences(self, backend):
        ours, _ = pair("LSTM", sizes=(2, 2), proj_size=1)
        x = torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True)
        with on(backend):
            assert torch.autograd.gradcheck(lambda x: ours(x)[0], (x,))

    def test_autocast(self, backend):
        ours, theirs = pair("LSTM", dtype=torch.float32)
        x = torch.randn(T, B, I)
        with on(backend), torch.autocast("cpu", dtype=torch.bfloat16):
            mine, torchs = ours(x)[0], theirs(x)[0]
        torch.testing.assert_close(mine.float(), torchs.float(), rtol=5e-2, atol=5e-2)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_moved_to_another_dtype(self, backend, dtype):
        ours, theirs = pair("GRU")
        ours.to(dtype), theirs.to(dtype)
        x = torch.randn(T, B, I, dtype=dtype)
        with on(backend):
            y, h = ours(x)
        assert y.dtype == h.dtype == dtype
        tolerance = 1e-5 if dtype == torch.float32 else 4e-2
        torch.testing.assert_close(y, theirs(x)[0], rtol=tolerance, atol=tolerance)

    def test_meta_device(self, backend):
        layer = gw.LSTM(I, H, device="meta")
        with on(backend):
            y, (h, _) = layer(torch.zeros(T, B, I, device="meta"))
        assert (y.shape, h.shape) == ((T, B, H), (1, B, H))
        assert y.is_meta


class TestMore:
    """What our layers take and torch's do not."""

    @pytest.mark.parametrize("bidirectional", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    def test_lengths_equal_packing(self, kind, bidirectional):
        ours, theirs = pair(kind, num_layers=2, bidirectional=bidirectional)
        x, lengths = FORMS["batched"](), torch.tensor([2, 5, 1, 3])
        hx = random_state(theirs, B)
        y, last = ours(x, hx, lengths=lengths)
        packed_y, packed_last = theirs(pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        wanted, _ = nn.utils.rnn.pad_packed_sequence(packed_y)
        torch.testing.assert_close(y, wanted)
        for mine, torchs in zip(tensors(last), tensors(packed_last), strict=True):
            torch.testing.assert_close(mine, torchs)

    @pytest.mark.parametrize("kind", KINDS)
    def test_reset_equals_starting_anew(self, kind):
        ours, _ = pair(kind)
        x, hx = FORMS["batched"](), random_state(ours, B)
        reset = torch.zeros(T, B, dtype=torch.bool)
        reset[2] = True
        y, last = ours(x, hx, reset=reset)
        first, second = ours(x[:2], hx)[0], ours(x[2:])
        torch.testing.assert_close(y, torch.cat([first, second[0]]))
        for mine, alone in zip(tensors(last), tensors(second[1]), strict=True):
            torch.testing.assert_close(mine, alone)

    def test_forget_bias(self):
        layer = gw.LSTM(I, H, num_layers=2, bidirectional=True, forget_bias=1.5)
        for k, reverse in itertools.product(range(2), (False, True)):
            assert (layer.weights(k, reverse)["b.f"] == 1.5).all()
        assert not (layer.weights()["b.i"] == 1.5).any()
        layer.reset_parameters()
        assert (layer.weights()["b.f"] == 1.5).all()
        gru = gw.GRU(I, H, forget_bias=2.0)
        assert (gru.weights()["b.z"] == 2.0).all()

    def test_chrono(self):
        layer = gw.LSTM(I, 400, chrono=100)
        forget, let_in = (layer.weights()[name].detach() for name in ("b.f", "b.i"))
        torch.testing.assert_close(forget, -let_in)
        assert float(forget.min()) >= 0.0
        assert float(forget.exp().max()) <= 99.0
        assert abs(float(forget.exp().mean()) - 50.0) < 6.0  # uniform in 1 ... 99

    @pytest.mark.parametrize(
        ("kind", "options", "says"),
        [
            ("RNN", dict(forget_bias=1.0), "no forget gate"),
            ("LSTM", dict(forget_bias=1.0, chrono=10), "not both"),
            ("LSTM", dict(chrono=2), "must exceed 2"),
            ("LSTM", dict(forget_bias=1.0, bias=False), "no forget gate with a bias"),
        ],
    )
    def test_options_that_do_not_fit(self, kind, options, says):
        with pytest.raises(ValueError, match=says):
            getattr(gw, kind)(I, H, **options)
