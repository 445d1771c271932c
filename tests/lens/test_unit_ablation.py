"""Unit ablation: known where a head reads known units; the model is as it was."""

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.lens.unit_ablation import rank_units


class Reader(nn.Module):
    """A layer and a head that reads units 1 and 3 alone, three to one."""

    def __init__(self, layer):
        super().__init__()
        self.recurrent = layer
        self.head = nn.Linear(6, 1, bias=False)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.weight[0, 1], self.head.weight[0, 3] = 3.0, 1.0

    def forward(self, x):
        return self.head(self.recurrent(x)[0][-1]).sum()


@pytest.fixture
def x():
    return torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize("layer", [nn.LSTM(3, 6), gw.GRU(3, 6), gw.Recurrent("peephole", 3, 6)])
def test_every_layer_against_a_loop_by_hand(layer, x):
    """Zeros are written into the output at each step, one step of the layer after the other."""
    model = Reader(layer)
    ranking = rank_units(model, lambda: model(x), "recurrent", mode="zero")
    with torch.no_grad():
        assert ranking.metric == pytest.approx(float(model(x)), abs=1e-6)
        for unit in range(6):
            state = None
            for step in x:
                _, state = layer(step[None], state)
                h = (state if isinstance(state, torch.Tensor) else state[0]).clone()
                h[..., unit] = 0
                if hasattr(state, "_replace"):
                    state = state._replace(h=h)
                else:
                    state = h if isinstance(state, torch.Tensor) else (h, *state[1:])
            expected = float(model.head(h[0]).sum()) - ranking.metric
            assert ranking.change[unit] == pytest.approx(expected, abs=1e-5)


def test_exact_where_nothing_recurs(x):
    layer = gw.RNN(3, 6)
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    model = Reader(layer)
    h = model.recurrent(x)[0].detach()
    zero = rank_units(model, lambda: model(x), "recurrent", mode="zero")
    expected = torch.zeros(6)
    expected[1], expected[3] = -3 * h[-1, :, 1].sum(), -h[-1, :, 3].sum()
    torch.testing.assert_close(zero.change, expected, rtol=1e-4, atol=1e-5)
    mean = rank_units(model, lambda: model(x), "recurrent")
    expected += torch.tensor([0, 3.0, 0, 1.0, 0, 0]) * 4 * h.mean((0, 1))
    torch.testing.assert_close(mean.change, expected, rtol=1e-4, atol=1e-5)
    given = rank_units(model, lambda: model(x), "recurrent", mean=h.mean((0, 1)))
    torch.testing.assert_close(given.change, mean.change, rtol=1e-4, atol=1e-5)
    both = zero.together([1, 3])
    assert both == pytest.approx(float(zero.change[1] + zero.change[3]), rel=1e-4)
    assert set(zero.ranking()[:2].tolist()) == {1, 3}
    lines = zero.table(2).splitlines()
    assert {int(line.split()[0]) for line in lines[1:]} == {1, 3}


def test_chosen_units_and_values_of_one_direction(x):
    layer = gw.LSTM(3, 6, bidirectional=True)

    def metric():
        return layer(x)[0][..., 6:].sum()  # the reverse direction's units

    found = rank_units(layer, metric, units=[2, 4], mode="zero", value="c", direction="reverse")
    assert found.units.tolist() == [2, 4]
    assert found.change.ne(0).all()
    forward = rank_units(layer, metric, units=[2, 4], mode="zero", direction="forward")
    assert forward.change.eq(0).all()


def test_the_model_is_as_it_was(x):
    layer = gw.GRU(3, 6)
    before = layer(x)[0]
    rank_units(layer, lambda: layer(x)[0].sum())
    assert torch.equal(layer(x)[0], before)
    with pytest.raises(RuntimeError, match="stop"):
        rank_units(layer, lambda: (_ for _ in ()).throw(RuntimeError("stop")))
    assert torch.equal(layer(x)[0], before)


def test_errors_say_what_there_is(x):
    layer = gw.GRU(3, 6)
    with pytest.raises(ValueError, match="no recurrent layer 'lstm'"):
        rank_units(layer, lambda: 0.0, "lstm")
    with pytest.raises(ValueError, match="has no 'q'"):
        rank_units(layer, lambda: 0.0, value="q")
    with pytest.raises(ValueError, match="mode='median'"):
        rank_units(layer, lambda: 0.0, mode="median")
