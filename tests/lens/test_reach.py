"""How far back gradients reach: known for diagonal linear networks."""

import math

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError
from gatewise.lens.reach import compare_reach


def decaying(factor):
    layer = gw.RNN(2, 2, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(2))
        layer.weight_hh_l0.copy_(factor * torch.eye(2))
    return layer


@pytest.fixture
def x():
    return torch.rand(9, 3, 2, dtype=torch.float64) + 0.1


def test_shares_are_powers_of_the_factor(x):
    layers = {"slow": decaying(0.9), "fast": decaying(0.5), "growing": decaying(1.25)}
    found = compare_reach(
        {name: lambda layer=layer: layer(x)[0][-1].sum() for name, layer in layers.items()}
    )
    for name, factor in (("slow", 0.9), ("fast", 0.5), ("growing", 1.25)):
        torch.testing.assert_close(found.shares[name], factor ** torch.arange(9.0).double())
    assert found.lag("slow") == math.ceil(math.log(0.5) / math.log(0.9))
    assert found.lag("fast", 0.3) == 2
    assert found.lag("growing") is None
    lines = [line.split() for line in str(found).splitlines()]
    assert lines[0] == ["1", "back", "2", "back", "4", "back", "8", "back", "below", "half"]
    assert lines[3][-1] == "never"
    assert lines[1][1:3] == ["0.9", "0.81"]


def test_one_sequence_does_not_speak_for_all():
    """The median over sequences: two are shut off by their input after the first step."""
    layer = decaying(0.9)
    x = torch.rand(4, 3, 2, dtype=torch.float64) + 0.1
    x[2, :2] = -100.0  # relu is off at this step: no gradient passes
    found = compare_reach({"rnn": lambda: layer(x)[0][-1].sum()})
    assert found.shares["rnn"].tolist() == pytest.approx([1.0, 0.9, 0.0, 0.0])
    x[2, 1] = 1.0
    found = compare_reach({"rnn": lambda: layer(x)[0][-1].sum()})
    assert found.shares["rnn"].tolist() == pytest.approx([1.0, 0.9, 0.81, 0.729])


def test_other_values_and_ends(x):
    layer = gw.LSTM(2, 4).double()
    last = torch.tensor([8, 5, 2])

    def loss():
        return layer(x)[0][last, torch.arange(3)].sum()

    found = compare_reach({"lstm": loss}, "c", last)
    assert found.shares["lstm"].shape == (9,)
    assert found.shares["lstm"][0] == 1
    assert found.shares["lstm"].isfinite().all()


def test_a_cell_without_h(x):
    layer = gw.Recurrent("qrnn", 2, 4).double()
    found = compare_reach({"qrnn": lambda: layer(x)[0][-1].sum()})
    assert found.shares["qrnn"][0] == 1


def test_refusals(x):
    layer = gw.LSTM(2, 4, bidirectional=True).double()

    def loss():
        return layer(x)[0][-1].sum()

    with pytest.raises(ValueError, match="from the last step to the first"):
        compare_reach({"lstm": loss})
    assert compare_reach({"lstm": loss}, recurrence=0).shares["lstm"][0] == 1
    with pytest.raises(IndexError, match="lstm: no recurrence 2; 2 ran"):
        compare_reach({"lstm": loss}, recurrence=2)
    with pytest.raises(EquationError, match="has no value 'q'"):
        compare_reach({"lstm": loss}, "q", recurrence=0)
