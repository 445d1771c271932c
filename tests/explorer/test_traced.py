"""Pages of traces: the layers as they ran, and clear words where they cannot be shown."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.equations import U, W, cell, sigmoid, tanh
from gatewise.explorer.traced import of_records


class Model(nn.Module):
    """Something before and after the recurrent layer, as models have."""

    def __init__(self, recurrent):
        super().__init__()
        self.before, self.recurrent, self.after = nn.Linear(2, 3), recurrent, nn.Linear(4, 1)

    def forward(self, x, **options):
        y, state = self.recurrent(self.before(x), **options)
        return self.after(y[..., :4]), state


@pytest.mark.parametrize(
    "recurrent",
    [
        nn.LSTM(3, 4, 2, bidirectional=True),
        gw.GRU(3, 4, 2),
        gw.Recurrent("peephole", 3, 4, bidirectional=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_page_computes_what_ran(recurrent, opened, tmp_path):
    model = Model(recurrent)
    with gw.trace(model) as t:
        model(torch.randn(6, 3, 2))
    page = opened(t.explore(tmp_path / "page.html", row=1))
    assert page.tell("store.network.difference(store.original)") < 2e-6
    assert page.tell("store.network.tracks.length") == len(t.records)
    assert "recurrent, 6 steps" in page.page.inner_text("h1")
    record = t.records[0]
    for name in record.names:
        found = page.tell("Array.from(store.run.tracks[0].values[a].data)", name)
        expected = record.series(name)[:, 1].detach()
        torch.testing.assert_close(
            torch.tensor(found, dtype=torch.float32).reshape(expected.shape),
            expected,
            atol=2e-6,
            rtol=0,
        )


@cell(states=dict(h="H", k=1))
def shared_gate(x, h, k):
    k = sigmoid(W.k @ x + U.k @ h + 0.5 * k)
    h = k * h + (1 - k) * tanh(W.h @ x + U.h @ (k * h))
    return dict(k=k, h=h)


def test_a_gate_that_all_units_share_is_told_of_each(opened, tmp_path):
    layer = gw.Recurrent(shared_gate, 3, 6)
    with torch.no_grad():
        for name in ("W.h", "U.h"):
            layer.weights()[name][:5] = 0  # the tour chooses the last unit
    with gw.trace(layer) as t:
        layer(torch.randn(7, 2, 3))
    page = opened(t.explore(tmp_path / "page.html"))
    assert page.tell("store.network.difference(store.original)") < 2e-6
    (told,) = [text for _, text in page.take_tour() if text.startswith("k decides")]
    found = re.search(r"In unit 5 it lies between (\S+) and \S+ after step (\d+)", told)
    assert found, told
    least = t.only.k.detach()[int(found[2]) + 1 :, 0].min()
    assert float(found[1]) == pytest.approx(float(least), abs=6e-4)


def test_padding_is_left_out_and_a_state_that_was_given_is_where_it_begins():
    layer = gw.LSTM(3, 4)
    state = torch.randn(1, 2, 4), torch.randn(1, 2, 4)
    with gw.trace(layer) as t, torch.no_grad():
        y, _ = layer(torch.randn(6, 2, 3), state, lengths=[6, 4])
    subject = of_records(t.records, 1)
    torch.testing.assert_close(subject.outputs, y[:4, 1])
    assert subject.input["numbers"]["rows"] == 4
    assert "alive" in subject.input["further"]


def traced(**options):
    layer = gw.LSTM(3, 4, num_layers=2, dropout=0.5)
    with gw.trace(layer, **options) as t:
        layer(torch.randn(5, 2, 3))
    return t


def test_what_cannot_be_shown_is_refused(tmp_path):
    path = tmp_path / "page.html"
    with pytest.raises(ValueError, match="explore one record"):
        traced().explore(path)
    with pytest.raises(ValueError, match="without every="):
        traced(every=2)["", 0].explore(path)
    clamped = gw.LSTM(3, 4)
    with gw.intervene(clamped, gw.clamp("", gate="f", value=1.0)), gw.trace(clamped) as t:
        clamped(torch.randn(5, 1, 3))
    with pytest.raises(ValueError, match=r"outside of gw\.intervene"):
        t.explore(path)
    with pytest.raises(IndexError, match="row=7"):
        traced()["", 0].explore(path, row=7)
    both = nn.ModuleList([gw.LSTM(3, 3), gw.LSTM(3, 3)])
    with gw.trace(both) as t:
        for layer in both:
            layer(torch.randn(5, 1, 3))
    with pytest.raises(ValueError, match="explore one of them"):
        t.explore(path)
    assert not path.exists()
    assert t["1"].explore(path).exists()
