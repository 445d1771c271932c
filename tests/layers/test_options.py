"""What layers can do beyond torch's: learned initial states, norms; and that options survive."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.layers.options import Options
from tests.layers.recurrent_layers import B, H, I, T, close, copy_weights, layer_of, x_of

ALL = dict(
    residual=True,
    layer_norm=True,
    input_dropout=0.1,
    recurrent_dropout=0.2,
    weight_drop=0.3,
    zoneout={"h": 0.4},
    learn_initial=True,
    recompute=3,
    state_batch_first=True,
)
KINDS = {
    "LSTM": gw.LSTM,
    "GRU": gw.GRU,
    "RNN": gw.RNN,
    "Recurrent": lambda *a, **o: gw.Recurrent("mgu", *a, **o),
}


class TestLearnedInitialState:
    @pytest.mark.parametrize("kind", KINDS)
    def test_names_and_shapes(self, kind):
        layer = KINDS[kind](I, H, num_layers=2, bidirectional=True, learn_initial=True)
        states = ("h", "c") if kind == "LSTM" else ("h",)
        names = {
            f"initial_{state}_l{k}{direction}"
            for state in states
            for k in range(2)
            for direction in ("", "_reverse")
        }
        found = {n: v for n, v in layer.named_parameters() if n.startswith("initial")}
        assert set(found) == names
        assert all(value.shape == (H,) and not value.any() for value in found.values())

    def test_layers_of_different_sizes(self):
        layer = gw.Recurrent("lstm_projection", I, [5, 3], sizes={"P": 2}, learn_initial=True)
        shapes = {n: tuple(v.shape) for n, v in layer.named_parameters() if "initial" in n}
        assert shapes == {
            "initial_h_l0": (2,),
            "initial_c_l0": (5,),
            "initial_h_l1": (2,),
            "initial_c_l1": (3,),
        }

    def test_begins_where_the_cell_says(self):
        layer = layer_of("lstm", learn_initial=True, initial={"c": 0.5})
        assert (layer.initial_c_l0 == 0.5).all()
        with torch.no_grad():
            layer.initial_c_l0.fill_(9.0)
        layer.reset_parameters()
        assert (layer.initial_c_l0 == 0.5).all()
        drop_in = gw.LSTM(I, H, learn_initial=True)
        with torch.no_grad():
            drop_in.initial_c_l0.fill_(9.0)
        drop_in.reset_parameters()
        assert not drop_in.initial_c_l0.any()

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("backend", ["torch", "reference"])
    def test_is_where_a_call_starts(self, kind, backend):
        layer = KINDS[kind](I, H, 2, bidirectional=True, learn_initial=True)
        with torch.no_grad():
            for name, value in layer.named_parameters():
                value.uniform_(-1, 1) if name.startswith("initial") else None
        x = torch.randn(T, B, I)
        given = [
            torch.stack(
                [
                    layer.get_parameter(f"initial_{s}_l{k}{d}")
                    for k in (0, 1)
                    for d in ("", "_reverse")
                ]
            )
            .unsqueeze(1)
            .expand(-1, B, -1)
            .contiguous()
            for s in (("h", "c") if kind == "LSTM" else ("h",))
        ]
        with gw.use_backend(backend):
            y, _ = layer(x)
            torch.testing.assert_close(y, layer(x, given[0] if len(given) == 1 else given)[0])
            y.sum().backward()
            assert all(p.grad is not None and p.grad.any() for p in layer.parameters())

    def test_resets_return_to_it_and_not_to_the_given_state(self):
        layer = layer_of("lstm", learn_initial=True)
        with torch.no_grad():
            layer.initial_c_l0.uniform_(-1, 1)
        x = x_of(4, B)
        reset = torch.zeros(4, B)
        reset[2] = 1
        state = layer(x_of(3, B))[1]
        y, last = layer(x, state, reset=reset)
        expected, end = layer(x[2:])
        close(y[2:], expected)
        close(last.c, end.c)
        (gradient,) = torch.autograd.grad(y[2:].sum(), layer.initial_c_l0)
        (wanted,) = torch.autograd.grad(expected.sum(), layer.initial_c_l0)
        close(gradient, wanted)

    def test_other_weights_are_drawn_as_without(self):
        torch.manual_seed(0)
        layer = gw.LSTM(I, H, 2, learn_initial=True, layer_norm=True)
        torch.manual_seed(0)
        for name, value in nn.LSTM(I, H, 2).named_parameters():
            assert torch.equal(layer.get_parameter(name), value)


class TestLayerNorm:
    @pytest.mark.parametrize("residual", [False, True])
    def test_between_layers(self, residual):
        layer = layer_of("gru", 3, layer_norm=True, residual=residual)
        single = [layer_of("gru") for _ in range(3)]
        with torch.no_grad():
            for norm in layer.norms:
                norm.weight.uniform_(0.5, 2)
                norm.bias.uniform_(-1, 1)
        for k, one in enumerate(single):
            copy_weights(one, layer, k)
        x = x_of(T, B)
        y = single[0](x)[0]
        for one, norm in zip(single[1:], layer.norms, strict=True):
            y = one(norm(y))[0] + (y if residual else 0)
        close(layer(x)[0], y)

    def test_parameters(self):
        layer = gw.LSTM(I, H, 2, bidirectional=True, layer_norm=True)
        assert [norm.normalized_shape for norm in layer.norms] == [(2 * H,)]
        assert "norms.0.weight" in layer.state_dict()
        layer.norms[0].weight.data.fill_(5.0)
        layer.reset_parameters()
        assert (layer.norms[0].weight == 1).all()
        layer(torch.randn(T, B, I))[0].sum().backward()
        assert layer.norms[0].bias.grad.any()

    def test_dropout_leaves_the_residual_connection_whole(self):
        layer = layer_of("gru", 2, residual=True, dropout=1.0)
        x = x_of(T, B)
        upper, lower = layer_of("gru"), layer_of("gru")
        copy_weights(lower, layer, 0)
        copy_weights(upper, layer, 1)
        first = lower(x)[0]
        close(layer(x)[0], first + upper(torch.zeros_like(first))[0])

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("option", ["layer_norm", "residual"])
    def test_does_nothing_in_one_layer(self, kind, option):
        with pytest.warns(UserWarning, match=f"{option} acts between layers, but there is one"):
            KINDS[kind](I, H, **{option: True})


@pytest.mark.parametrize("kind", KINDS)
class TestSurvival:
    def layer(self, kind):
        return KINDS[kind](H, H, num_layers=2, bidirectional=False, **ALL)

    def test_copies(self, kind):
        layer, x = self.layer(kind), torch.randn(T, B, H)
        layer(x)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert other.options == layer.options
            assert repr(other) == repr(layer)
            assert set(other.state_dict()) == set(layer.state_dict())
            results = []
            for each in (layer, other):
                torch.manual_seed(0)
                results.append(each(x)[0])
            assert torch.equal(*results)

    def test_representation_names_them(self, kind):
        shown = repr(self.layer(kind))
        for name, value in ALL.items():
            assert f"{name}={value}" in shown

    def test_rebuilt_from_json_and_weights(self, kind, tmp_path):
        """What a model file keeps: options as JSON, parameters by name."""
        from gatewise.training.model_file import ModelFile, read_model_file, write_model_file

        layer = self.layer(kind).eval()
        config = {"layer": asdict(layer.options)}
        path = tmp_path / "model.safetensors"
        write_model_file(path, ModelFile("layer", config, {}, layer.state_dict()))
        found = read_model_file(path)
        again = KINDS[kind](H, H, num_layers=2, **found.config["layer"]).eval()
        again.load_state_dict(found.tensors)
        x = torch.randn(T, B, H)
        torch.testing.assert_close(again(x)[0], layer(x)[0])
        assert again.options == layer.options


def test_defaults_are_json_and_change_nothing():
    assert json.loads(json.dumps(asdict(Options()))) == asdict(Options())
    assert Options().changed() == {}
    assert repr(gw.LSTM(3, 4)) == "LSTM(3, 4)"


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_option(kind):
    with pytest.raises(TypeError, match="recurent_dropout"):
        KINDS[kind](I, H, recurent_dropout=0.5)


@pytest.mark.parametrize("name", ["layer_norm", "recompute", "state_batch_first"])
def test_options_of_sequences_are_refused_for_one_step(name):
    with pytest.raises(ValueError, match=f"{name} is for sequences"):
        gw.Step("lstm", I, H, **{name: True})


def test_step_with_learned_initial_state_and_noise():
    step = gw.Step("lstm", I, H, learn_initial=True, zoneout=0.5, recurrent_dropout=0.5)
    y, _ = step(torch.randn(B, I))
    y.sum().backward()
    assert step.recurrent.initial_h_l0.grad is not None
