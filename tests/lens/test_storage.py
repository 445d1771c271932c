"""Traces in files, as tables and as labelled arrays."""

import numpy as np
import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.lens import Trace, TraceError

T, B, I, H = 4, 2, 3, 5


def traced(layer, *arguments, **options):
    with gw.trace(layer, **options) as t:
        y, _ = layer(*arguments)
        if options.get("grads"):
            y.pow(2).sum().backward()
    return t


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", ["lstm", "gru_d", "slstm", "rhn"])
def test_a_trace_comes_back_whole(name, dtype, tmp_path):
    layer = gw.Recurrent(name, I, H, 1, bidirectional=True).to(dtype)
    x = torch.randn(T, B, I, dtype=dtype)
    extra = {
        key: torch.rand(T, B, I if size == "I" else 1, dtype=dtype)
        for key, size in layer.graph.inputs.items()
        if key != "x"
    }
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(x, lengths=[4, 2], **extra)
        y.sum().backward()
    t.save(tmp_path / "trace.npz")
    again = Trace.load(tmp_path / "trace.npz")
    assert [r.place for r in again] == [r.place for r in t]
    for found, record in zip(again, t, strict=True):
        assert torch.equal(found.alive, record.alive)
        for key in (*record.names, "pre." + next(iter(record.pre)), next(iter(record.products))):
            close = (
                dict(rtol=0, atol=1e-6) if dtype != torch.bfloat16 else dict(rtol=0.05, atol=0.05)
            )
            torch.testing.assert_close(found[key], record[key], equal_nan=True, **close)
        for key in record.grad:
            assert torch.equal(found.grad[key], record.grad[key])


def test_held_values_come_back(tmp_path):
    layer = nn.LSTM(I, H, batch_first=True)
    t = traced(layer, torch.randn(B, T, I), values=("f", "c"), units=[3, 0], every=2)
    t.save(tmp_path / "trace.npz")
    found, record = Trace.load(tmp_path / "trace.npz").only, t.only
    assert torch.equal(found.f, record.f)
    assert found.dims == ("B", "T", "H")
    assert (found.units, found.every) == ((3, 0), 2)
    with pytest.raises(TraceError, match="only f, c were kept"):
        _ = found.o


def test_what_is_no_trace_is_refused(tmp_path):
    path = tmp_path / "trace.npz"
    with pytest.raises(FileNotFoundError):
        Trace.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"trace\.npz"):
        Trace.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match="this is no trace, or a damaged one"):
        Trace.load(path)
    t = traced(nn.GRU(I, H), torch.randn(T, B, I))
    t.save(path)
    arrays = dict(np.load(path, allow_pickle=False))
    del arrays["0/parameters/U.r"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="damaged one"):
        Trace.load(path)


def test_a_lost_trace_leaves_no_file(tmp_path):
    layer = nn.GRU(I, H)
    t = traced(layer, torch.randn(T, B, I))
    with torch.no_grad():
        layer.weight_hh_l0.add_(1)
    with pytest.raises(TraceError, match="changed in place"):
        t.save(tmp_path / "trace.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_labelled_arrays():
    pytest.importorskip("xarray", reason="pip install xarray")
    layer = nn.LSTM(I, H, proj_size=2, batch_first=True)
    record = traced(layer, torch.randn(B, T, I), units=[4, 1], every=3).only
    found = record.to_xarray(["f", "c", "h", "pre.o"])
    assert found["f"].dims == ("step", "sequence", "unit")
    assert found["h"].dims == ("step", "sequence", "unit_h")
    assert list(found["f"].coords["unit"]) == [4, 1]
    assert list(found["f"].coords["step"]) == [0, 3]
    assert float(found["f"].sel(step=3, sequence=1, unit=4)) == float(record.f[1, 1, 0])
    assert found.attrs["cell"] == "lstm_projection"


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_tables(library):
    pytest.importorskip(library, reason=f"pip install {library}")
    model = nn.ModuleDict({"a": nn.LSTM(I, H, 2), "b": nn.RNN(H, 2)})
    with gw.trace(model) as t:
        y, _ = model["a"](torch.randn(T, B, I))
        model["b"](y)
    frame = t.to_frame(library=library)
    assert len(frame) == T * B * (H + H + 2)
    assert set(frame.columns) >= {"module", "layer", "direction", "step", "unit", "f", "c", "h"}
    row = ("a", 1, 3, 1, 4)
    if library == "polars":
        import polars as pl

        keys = ("module", "layer", "step", "sequence", "unit")
        one = frame.filter(*(pl.col(k) == v for k, v in zip(keys, row, strict=True)))
        missing = frame.filter(pl.col("module") == "b")["f"].null_count()
    else:
        one = frame.set_index(["module", "layer", "step", "sequence", "unit"]).loc[[row]]
        missing = frame[frame["module"] == "b"]["f"].isna().sum()
    assert float(next(iter(one["f"]))) == float(t["a", 1].f[3, 1, 4])
    assert missing == T * B * 2
    with pytest.raises(ValueError, match="library='arrow'"):
        t.to_frame(library="arrow")
