"""Pictures of traces: what they draw is what was traced."""

import math

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import gatewise as gw
from gatewise.equations import EquationError
from gatewise.lens import gradient_by_lag
from gatewise.lens.heat_maps import unit_order
from gatewise.lens.ledger import memory_ledger
from gatewise.lens.plots import plot_gradient_by_lag
from gatewise.lens.saturation import saturation

T, B, I, H = 8, 2, 3, 5
WORDS = ["I", "live", "in", "France", "and", "I", "speak", "fluent"]


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def t():
    layer = nn.LSTM(I, H)
    with torch.no_grad():
        layer.bias_hh_l0.normal_(std=2)
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(torch.randn(T, B, I))
        y[-1].pow(2).sum().backward()
    return t


def test_gradient_is_drawn_on_a_logarithmic_axis_without_zeros():
    ax = Figure().subplots()
    plot_gradient_by_lag(ax, [1.0, 0.1, 0.0, math.nan, 1e-30], color="red", label="rnn")
    (line,) = ax.get_lines()
    assert ax.get_yscale() == "log"
    assert list(line.get_xdata()) == [0, 1, 4]
    assert list(line.get_ydata()) == [1.0, 0.1, 1e-30]
    assert (line.get_color(), line.get_label()) == ("red", "rnn")


def test_gates_are_heat_maps_of_units_over_time(t):
    axes = t.plot.gates(labels=WORDS, sequence=1)
    for ax, name in zip(axes, ("i", "f", "g", "o"), strict=True):
        (image,) = ax.get_images()
        expected = t.only[name][:, 1].T
        np.testing.assert_allclose(image.get_array(), expected, atol=1e-7)
        assert ax.get_title() == name
        assert image.get_clim() == ((-1, 1) if name == "g" else (0, 1))
        assert image.get_cmap().name == ("RdBu" if name == "g" else "YlOrBr")
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == WORDS


def test_words_with_dollar_signs_are_no_formulas(t):
    words = ["$$", "a$_b_c$", *WORDS[2:]]
    for ax in (
        t.plot.gates(labels=words, sequence=1)[-1],
        t.plot.trajectory("c", labels=words),
        t.plot.unrolled(slice(0, 3), labels=words),
    ):
        ax.figure.canvas.draw()


def test_steps_are_whole_numbers():
    layer = gw.LSTM(2, 3)
    with gw.trace(layer) as trace:
        layer(torch.randn(20, 1, 2))
    for ax in (*trace.plot.gates(), trace.plot.ledger()):
        assert all(tick == int(tick) for tick in ax.get_xticks())


def test_states_have_a_scale_around_zero(t):
    for ax, name in zip(t.plot.states(), ("h", "c"), strict=True):
        low, high = ax.get_images()[0].get_clim()
        assert -low == high == pytest.approx(float(t.only[name][:, 0].abs().max()))


def test_axes_that_are_given_are_drawn_into(t):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert t.plot.gates(["f"], ax=left) == [left]
    assert t.plot.gates(["i", "o"], ax=[left, right]) == [left, right]
    for draw in (t.plot.ledger, t.plot.gradient_by_lag, t.plot.saturation, t.plot.trajectory):
        ax = Figure().subplots()
        assert draw(ax=ax) is ax
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match="4 values, i, f, g, o, but 1 axes"):
        t.plot.gates(ax=left)


def test_drawing_changes_no_global_style(t):
    before = dict(mpl.rcParams)
    t.plot.gates()
    t.plot.unrolled()
    t.plot.ledger()
    assert dict(mpl.rcParams) == before


def test_orders_of_units(t):
    record = t.only
    values = record.series("f")[:, 0].double()
    assert unit_order(record, values, None).tolist() == [0, 1, 2, 3, 4]
    by_mean = values.mean(0)[unit_order(record, values, "mean")]
    assert (by_mean.diff() <= 0).all()
    whole = record.f.clamp(min=1e-30).log().mean((0, 1))
    slow = whole[unit_order(record, values, "timescale")]
    assert (slow.diff() <= 1e-6).all()
    wave = torch.arange(20.0)
    patterns = torch.stack([wave.sin(), wave.cos(), wave.sin() * 1.01, wave.cos() * 0.99], 1)
    alike = unit_order(record, patterns, "similarity").tolist()
    assert abs(alike.index(0) - alike.index(2)) in (1, 3)
    assert abs(alike.index(1) - alike.index(3)) in (1, 3)
    with pytest.raises(ValueError, match="order='size': one of mean, timescale, similarity"):
        t.plot.gates(order="size")


def test_the_ledger_shows_shares_and_survival(t):
    ax = t.plot.ledger(labels=WORDS, step=5, sequence=1)
    ledger = memory_ledger(t.only, step=5)
    heights = [patch.get_height() for patch in ax.patches]
    np.testing.assert_allclose(heights, ledger.shares()[:, 1], atol=1e-6)
    (other,) = (each for each in ax.figure.axes if each is not ax)
    (line,) = other.get_lines()
    np.testing.assert_allclose(line.get_ydata(), ledger.survival[:6, 1].mean(1), atol=1e-6)
    assert "after step 5" in ax.get_title()
    layer = gw.RNN(I, H)
    with gw.trace(layer) as other:
        layer(torch.randn(T, B, I))
    with pytest.raises(EquationError, match="additive"):
        other.plot.ledger()


def test_the_gradient_by_lag_is_relative_to_the_last_step(t):
    ax = t.plot.gradient_by_lag(sequence=1)
    for line, name in zip(ax.get_lines(), ("h", "c"), strict=True):
        norms = gradient_by_lag(t.only.gradient(name))[:, 1].double()
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), norms / norms[0], rtol=1e-6)
    layer = nn.GRU(I, H)
    with gw.trace(layer, grads=True) as early:
        layer(torch.randn(T, B, I))[0][2].sum().backward()
    with pytest.raises(ValueError, match="need a loss that reads the last step"):
        early.plot.gradient_by_lag()
    with gw.trace(layer) as none:
        layer(torch.randn(T, B, I))
    with pytest.raises(ValueError, match=r"gw.trace\(model, grads=True\)"):
        none.plot.gradient_by_lag()


def test_saturation_is_a_point_for_each_unit(t):
    ax = t.plot.saturation()
    assert [each.get_label() for each in ax.collections] == ["i", "f", "o"]
    found = saturation(t.only.f)
    points = ax.collections[1].get_offsets()
    np.testing.assert_allclose(points, torch.stack([found.low, found.high], 1), atol=1e-7)


def test_trajectories(t):
    ax = t.plot.trajectory("c", sequences=(0, 1), labels=WORDS)
    assert len(ax.get_lines()) == 2
    assert all(len(dots.get_offsets()) == T for dots in ax.collections)
    assert ax.texts[0].get_text() == "I"
    assert "%" in ax.get_xlabel()


def test_unrolled_draws_a_box_for_each_step(t):
    from matplotlib.patches import FancyArrow, FancyBboxPatch, Rectangle

    ax = t.plot.unrolled(slice(2, 6), labels=WORDS, sequence=1)
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    bars = [p for p in ax.patches if isinstance(p, Rectangle)][1::2]  # each after its background
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrow)]
    assert (len(boxes), len(bars), len(arrows)) == (4, 12, 3)
    means = [float(t.only[name][step, 1].mean()) for step in range(2, 6) for name in "ifo"]
    np.testing.assert_allclose([bar.get_height() / 0.78 for bar in bars], means, atol=1e-6)
    texts = [text.get_text() for text in ax.texts]
    assert [word for word in texts if word in WORDS] == WORDS[2:6]
    kept = [f"{float(t.only.f[step, 1].mean()):.2f}" for step in range(3, 6)]
    assert [text for text in texts if text.startswith("0.")] == kept


@pytest.mark.parametrize("name", ["rnn", "gru", "peephole", "unicornn"])
def test_pictures_of_other_cells_lengths_and_directions(name):
    layer = gw.Recurrent(name, I, H, bidirectional=True, batch_first=True)
    with gw.trace(layer, every=1) as t:
        layer(torch.randn(B, T, I), lengths=[T, 4])
    for record in t:
        if record.gates:
            record.plot.gates(sequence=1, order="similarity")
        (ax, *_) = record.plot.states(sequence=1)
        assert np.ma.getmaskarray(ax.get_images()[0].get_array())[:, 4:].all()
        record.plot.trajectory()
        record.plot.unrolled(sequence=1)
        ax.figure.canvas.draw()


def test_mistakes_are_told(t):
    with pytest.raises(IndexError, match="sequence=2: there are 2"):
        t.plot.gates(sequence=2)
    with pytest.raises(ValueError, match="3 labels for 8 steps"):
        t.plot.states(labels=WORDS[:3])
    with pytest.raises(ValueError, match="there are 8"):
        t.plot.unrolled(slice(9, 12))
