"""Traces of every cell on kernels."""

import pytest
import torch

import gatewise as gw
from gatewise.backends import Operands
from gatewise.backends.reference import ReferenceBackend
from gatewise.lens import inner_gradients
from gatewise.lens.record import Record

T, B, I, H = 9, 3, 8, 16


def inputs_of(layer):
    """What a cell reads at every step besides x."""
    return {
        name: torch.rand(T, B, layer.input_size if size == "I" else 1) + 0.5
        for name, size in layer.graph.inputs.items()
        if name != "x"
    }


def exact_values(record, rounding=0.0):
    """Every named value by the reference in float64; from operands that are rounded, if asked."""
    operands = record.operands
    groups = (operands.inputs, operands.states, operands.parameters, operands.givens)

    def exact(value):
        value = value.double()
        return value * (1 + rounding * (2 * torch.rand_like(value) - 1))

    given = Operands(*({name: exact(value) for name, value in g.items()} for g in groups))
    return ReferenceBackend().run(record.recurrence, given, record.names).values


def off(found, value):
    """The largest difference."""
    return float((found.double() - value).abs().max())


@pytest.mark.slow
@pytest.mark.kernels
@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell_on_kernels(name):
    """Values to 1e-6 of the reference's, gradients inside likewise, outputs untouched."""
    size = H if gw.cells.get(name).graph.sizes.equal else I
    layer = gw.Recurrent(name, size, H, bidirectional=name in ("lstm", "gru"))
    x, extra = torch.randn(T, B, size), inputs_of(layer)
    expected, _ = layer(x, **extra)
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(x, **extra)
        y.pow(2).mean().backward()
    # a zero is added to states, so that the kernel is another one
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-6)
    with gw.trace(layer) as plain:
        kept, _ = layer(x, **extra)  # what its backward pass would read is seen, not computed
    assert torch.equal(kept, expected)
    with gw.use_backend("reference"):
        inner = inner_gradients(lambda: layer(x, **extra)[0].pow(2).mean())
    eps = torch.finfo(torch.float32).eps
    for record, other, gradients in zip(t, plain, inner, strict=True):
        rounded = exact_values(other, eps)
        for key, value in exact_values(other).items():
            # a layer norm magnifies rounding: allow a few times what one rounding of operands does
            allowed = max(1e-6 * max(1.0, float(value.abs().max())), 8 * off(rounded[key], value))
            assert off(record[key], value) <= allowed, f"{key} of {record}, with gradients"
            assert off(other[key], value) <= allowed, f"{key} of {other}"
        for key in record.grad:
            torch.testing.assert_close(
                record.gradient(key), gradients.values[key], rtol=1e-4, atol=1e-6
            )


@pytest.mark.kernels
class TestWhatTheBackwardPassReads:
    """Gates that training saves are read where they are, as long as they are there."""

    @pytest.fixture
    def no_computing(self, monkeypatch):
        def compute(record, family):
            raise AssertionError("a value was computed")

        monkeypatch.setattr(Record, "_evaluate", compute)

    @pytest.mark.parametrize("options", [{}, {"units": (0, 3)}, {"every": 2}])
    @pytest.mark.parametrize("lengths", [None, [T, 4, 0]])
    def test_is_not_computed_again(self, options, lengths, no_computing, monkeypatch):
        layer = gw.LSTM(I, H, bidirectional=True)
        x = torch.randn(T, B, I)
        with gw.trace(layer, **options) as t:
            _kept, _ = layer(x, lengths=lengths)
        gates = [{name: record[name] for name in ("i", "f", "g", "o")} for record in t]
        monkeypatch.undo()
        with gw.use_backend("reference"), gw.trace(layer, **options) as expected:
            layer(x, lengths=lengths)
        for record, other in zip(gates, expected, strict=True):
            for name, value in record.items():
                torch.testing.assert_close(value, other[name], equal_nan=True)

    def test_is_computed_once_the_backward_pass_has_run(self):
        layer, x = gw.GRU(I, H), torch.randn(T, B, I)
        with gw.trace(layer) as t:
            y, _ = layer(x)
        seen = t.only.r.clone()
        y.sum().backward()
        assert t.only._saved["z"]() is None
        with gw.use_backend("reference"), gw.trace(layer) as expected:
            layer(x)
        torch.testing.assert_close(seen, expected.only.r)
        torch.testing.assert_close(t.only.z, expected.only.z)

    def test_a_trace_keeps_none_of_it(self):
        layer, x = gw.GRU(I, H), torch.randn(T, B, I)
        with gw.trace(layer) as t:
            layer(x)
        assert t.only._saved["z"]() is None
        assert t.only.z.isfinite().all()

    def test_weights_may_change_before_it_is_read(self, no_computing):
        layer, x = gw.LSTM(I, H), torch.randn(T, B, I)
        with gw.trace(layer) as t:
            _kept, _ = layer(x)
        with torch.no_grad():
            layer.weight_hh_l0.zero_()
        assert t.only.f.isfinite().all()  # the gate as it was
