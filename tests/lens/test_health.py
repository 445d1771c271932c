"""The health report finds what was put there, and nothing where all is well."""

import pytest
import torch

import gatewise as gw
from gatewise.lens.health import check_health
from tests.recorded_runs import random_run, record_layer


def found(report, subject):
    (finding,) = (each for each in report.findings if each.subject.startswith(subject))
    return finding


def healthy_lstm():
    """Gates that move with the input, and a memory of tens of steps."""
    layer = gw.LSTM(4, 16, forget_bias=4.0)
    with torch.no_grad():
        layer.weight_hh_l0.mul_(0.5)
    return layer


def test_a_healthy_layer_has_no_trouble():
    report = check_health(record_layer(healthy_lstm(), torch.randn(60, 4, 4)), clipped=0.02)
    assert report.troubles == ()
    assert [finding.subject for finding in report.findings] == [
        *("gate i", "gate f", "candidate g", "gate o", "output units", "memory of c"),
        *("spectral radius of ∂s_t/∂s_{t−1}", "gradient clipped"),
    ]
    assert all(line.startswith("ok  ") for line in str(report).splitlines())


def test_stuck_gates_are_found():
    layer = healthy_lstm()
    with torch.no_grad():
        layer.bias_ih_l0[:16] = -20  # input gates shut
    finding = found(check_health(record_layer(layer, torch.randn(30, 2, 4))), "gate i")
    assert "16 of 16 units always at one" in finding.measured
    assert "stuck" in finding.meaning
    assert "Try: scale the input" in str(finding)


def test_a_gate_that_keeps_is_told_from_one_that_is_stuck():
    kept, lost = (
        found(
            check_health(record_layer(gw.LSTM(4, 16, forget_bias=bias), torch.randn(30, 2, 4))),
            "gate f",
        )
        for bias in (20.0, -20.0)
    )
    assert "keeps nearly all of c" in kept.meaning
    assert kept.remedy is None
    assert "stuck" in lost.meaning


def test_a_short_memory_is_measured_against_the_data():
    run = record_layer(gw.LSTM(4, 16, forget_bias=-2.0), torch.randn(30, 2, 4))
    assert found(check_health(run, length=500), "memory of c").remedy.startswith("chrono=500")
    assert found(check_health(run, length=3), "memory of c").remedy is None


def test_dead_units_are_found():
    layer = gw.RNN(4, 16, nonlinearity="relu")
    with torch.no_grad():
        layer.bias_ih_l0[:4] = -100
    report = check_health(record_layer(layer, torch.randn(30, 2, 4)))
    assert found(report, "output units").measured.startswith("4 of 16 vary")
    assert found(report, "output units").remedy is not None


@pytest.mark.parametrize(("factor", "word"), [(1.5, "explode"), (0.2, "loses"), (0.9, "last")])
def test_the_spectral_radius_is_that_of_the_weights(factor, word):
    layer = gw.RNN(4, 4, nonlinearity="relu", bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(4))
        layer.weight_hh_l0.copy_(factor * torch.eye(4))
    report = check_health(record_layer(layer, torch.rand(20, 2, 4) + 0.1))
    finding = found(report, "spectral radius")
    assert finding.measured.startswith(f"{factor:.3g} in the middle")
    assert word in finding.meaning


@pytest.mark.parametrize(("factor", "word"), [(1.5, "explodes"), (0.5, "vanishes"), (0.97, "back")])
def test_the_gradient_over_time(factor, word):
    layer = gw.RNN(4, 4, nonlinearity="relu", bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(4))
        layer.weight_hh_l0.copy_(factor * torch.eye(4))
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(torch.rand(20, 2, 4) + 0.1)
        y[-1].sum().backward()
    finding = found(check_health(t.only, gradient=t.only.gradient("h")), "gradient over time")
    assert word in finding.meaning
    assert finding.measured.startswith(f"‖∂L/∂h‖ 19 steps back is {factor**19:.2g}")


def test_a_gradient_that_is_not_there():
    run = record_layer(gw.RNN(4, 4), torch.rand(5, 2, 4))
    finding = found(check_health(run, gradient=torch.zeros(5, 2, 4)), "gradient over time")
    assert "zero or not finite" in finding.measured


@pytest.mark.parametrize("reverse", [False, True])
def test_lag_counts_from_where_the_loss_looks(reverse):
    """Sequences padded without lengths: their losses stand at steps 19 and 9."""
    layer = gw.RNN(4, 4, nonlinearity="relu", bias=False, bidirectional=reverse)
    suffix = "_l0_reverse" if reverse else "_l0"
    with torch.no_grad():
        getattr(layer, "weight_ih" + suffix).copy_(torch.eye(4))
        getattr(layer, "weight_hh" + suffix).copy_(0.5 * torch.eye(4))
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(torch.rand(20, 2, 4) + 0.1)
        ends = torch.tensor([0, 10]) if reverse else torch.tensor([19, 9])
        y[ends, torch.arange(2), -1].sum().backward()
    record = t.records[int(reverse)]
    finding = found(check_health(record, gradient=record.gradient("h")), "gradient over time")
    assert finding.measured.startswith(f"‖∂L/∂h‖ 19 steps back is {0.5**19:.2g}")


def test_clipping_most_of_the_time():
    run = record_layer(healthy_lstm(), torch.randn(30, 2, 4))
    assert found(check_health(run, clipped=0.8), "gradient clipped").remedy is not None
    with pytest.raises(ValueError, match="clipped=80"):
        check_health(run, clipped=80)


def test_an_overflow_ends_the_report():
    layer = gw.LSTM(4, 8)
    x = torch.randn(10, 2, 4)
    x[3, 1] = torch.nan
    report = check_health(record_layer(layer, x))
    assert [finding.subject for finding in report.findings] == ["state h", "state c"]
    assert "from step 4 on" in report.findings[0].measured  # the state before the step after it


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell_in_both_directions(name):
    for reverse in (False, True):
        run = random_run(gw.cells.get(name).graph, reverse, torch.float32)
        report = check_health(run)
        subjects = [finding.subject for finding in report.findings]
        assert "output units" in subjects
        assert len(set(subjects)) == len(subjects)


def test_a_changed_layer_is_looked_over_as_it_ran():
    layer, x = gw.LSTM(4, 8), torch.randn(20, 2, 4)
    shut = gw.clamp("", gate="f", value=0.0)
    with gw.intervene(layer, shut), gw.trace(layer) as t:
        layer(x)
    assert "stuck" in found(check_health(t.only), "gate f").meaning
    assert found(check_health(t.only), "memory of c").remedy is not None


def test_large_layers_are_sampled():
    layer = gw.LSTM(8, 128)
    report = check_health(record_layer(layer, torch.randn(50, 8, 8)))
    assert "(of 32 steps sampled)" in found(report, "spectral radius").measured


def test_no_cell_is_advised_what_its_layer_refuses():
    """`forget_bias` is for layers whose cell has a forget gate with a bias."""
    for cell, advised in (("rnn", False), ("gru", True)):
        layer = gw.Recurrent(cell, 4, 8, initial={"U": 0.0})
        run = record_layer(layer, torch.randn(30, 2, 4))
        findings = check_health(run, length=500).findings
        remedies = " ".join(entry.remedy or "" for entry in findings)
        assert ("forget_bias" in remedies) == advised, cell
