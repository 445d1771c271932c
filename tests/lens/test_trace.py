"""A trace against the cell's equations run step by step, for every cell, layout and layer."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import gatewise as gw
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import cell
from gatewise.lens import TraceError

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")

T, B, I, H = 6, 3, 4, 5
CLOSE = dict(rtol=0, atol=1e-6)


def by_steps(record):
    """Every named value by the reference, one step after the other."""
    names = tuple(record.graph.values)
    with torch.no_grad():
        return ReferenceBackend().run(record.recurrence, record.operands, names).values


def inputs_of(layer):
    """What a cell reads at every step besides x."""
    generator = torch.Generator().manual_seed(2)
    extra = {}
    for name, size in layer.graph.inputs.items():
        if name != "x":
            units = {"I": layer.input_size, 1: 1}.get(size, size)
            extra[name] = torch.rand(T, B, units, generator=generator) + 0.5
    return extra


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell_equals_the_reference(name):
    size = H if any("I" in pair for pair in gw.cells.get(name).graph.sizes.equal) else I
    layer = gw.Recurrent(name, size, H, bidirectional=True)
    x, extra = torch.randn(T, B, size), inputs_of(layer)
    expected, _ = layer(x, **extra)
    with gw.trace(layer) as t:
        y, _ = layer(x, **extra)
    assert torch.equal(y, expected)
    for record in t:
        values = by_steps(record)
        assert set(values) == set(record.names)
        for key, value in values.items():
            torch.testing.assert_close(record[key], value, **CLOSE, msg=f"{key} of {record}")
    outputs = [next(r[n] for n in r.names if r.graph.values[n] is r.graph.output) for r in t]
    torch.testing.assert_close(torch.cat(outputs, -1), y.detach(), **CLOSE)


TORCH = {
    "LSTM": nn.LSTM(I, H),
    "GRU": nn.GRU(I, H),
    "RNN": nn.RNN(I, H),
    "relu": nn.RNN(I, H, nonlinearity="relu"),
    "stacked": nn.LSTM(I, H, 3),
    "both ways": nn.GRU(I, H, 2, bidirectional=True),
    "projected": nn.LSTM(I, H, 2, proj_size=3, bidirectional=True),
    "no bias": nn.GRU(I, H, bias=False),
    "dropout": nn.LSTM(I, H, 2, dropout=0.5).eval(),
    "double": nn.LSTM(I, H, 2).double(),
    "ours": gw.LSTM(I, H, 2, bidirectional=True),
    "ours, relu": gw.RNN(I, H, nonlinearity="relu"),
}


def top(t, directions):
    """The output of the last layer, as a trace tells it."""
    return torch.cat([record.h for record in t.records[-directions:]], -1)


@pytest.mark.parametrize("layer", TORCH.values(), ids=TORCH)
@pytest.mark.parametrize("batch_first", [False, True])
def test_torch_layers_are_traced_as_they_are(layer, batch_first):
    layer = copy.deepcopy(layer)
    layer.batch_first = batch_first
    x = torch.randn(B, T, I) if batch_first else torch.randn(T, B, I)
    x = x.to(next(layer.parameters()).dtype)
    expected, last = layer(x)
    with gw.trace(layer) as t:
        y, _ = layer(x)
    assert torch.equal(y, expected)
    directions = 2 if layer.bidirectional else 1
    assert len(t) == layer.num_layers * directions
    torch.testing.assert_close(top(t, directions), y.detach(), **CLOSE)
    c = last[1] if isinstance(last, tuple) else None
    for k, record in enumerate(t):
        assert record.dims == (("B", "T", "H") if batch_first else ("T", "B", "H"))
        for name, value in by_steps(record).items():
            torch.testing.assert_close(record.series(name), value, **CLOSE)
        if c is not None:
            end = 0 if record.direction == "reverse" else -1
            torch.testing.assert_close(record.series("c")[end], c[k].detach(), **CLOSE)


@pytest.mark.parametrize("layer", TORCH.values(), ids=TORCH)
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packed_sequences_come_in_the_callers_order(layer, enforce_sorted):
    lengths = torch.tensor([6, 4, 1] if enforce_sorted else [4, 6, 1])
    x = torch.randn(T, B, I, dtype=next(layer.parameters()).dtype)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
    expected, _ = layer(packed)
    with gw.trace(layer) as t:
        y, _ = layer(packed)
    assert torch.equal(y.data, expected.data)
    padded, _ = pad_packed_sequence(y)
    alive = torch.arange(T)[:, None] < lengths
    found = top(t, 2 if layer.bidirectional else 1)
    assert found[~alive].isnan().all()
    torch.testing.assert_close(found[alive], padded[alive].detach(), **CLOSE)
    for record in t:
        assert torch.equal(record.alive, alive)


def test_lengths_and_resets_of_our_layers():
    layer = gw.Recurrent("lstm", I, H, bidirectional=True, batch_first=True)
    x = torch.randn(B, T, I)
    lengths, reset = torch.tensor([6, 2, 4]), torch.zeros(B, T, dtype=torch.bool)
    reset[0, 3] = True
    with gw.trace(layer) as t:
        y, state = layer(x, lengths=lengths, reset=reset)
    found = top(t, 2)
    alive = torch.arange(T) < lengths[:, None]
    assert found[~alive].isnan().all()
    torch.testing.assert_close(found[alive], y[alive].detach(), **CLOSE)
    for record in t:
        for name, value in by_steps(record).items():
            right = record.alive[..., None].expand_as(value)
            torch.testing.assert_close(record.series(name)[right], value[right], **CLOSE)
    torch.testing.assert_close(t["", 0, "forward"].c[1, 1], state.c[0, 1].detach(), **CLOSE)


def test_unbatched_input_has_no_batch():
    layer = nn.GRU(I, H, batch_first=True)
    with gw.trace(layer) as t:
        y, _ = layer(torch.randn(T, I))
    assert t.only.dims == ("T", "H")
    torch.testing.assert_close(t.only.h, y.detach(), **CLOSE)


@pytest.mark.parametrize(
    "cell", [nn.LSTMCell(I, H), nn.GRUCell(I, H), nn.RNNCell(I, H, bias=False), gw.GRUCell(I, H)]
)
def test_cells_of_torch_are_a_call_a_step(cell):
    x = torch.randn(T, B, I)
    state, outputs = None, []
    with gw.trace(cell) as t:
        for step in x:
            state = cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
    assert len(t[""].calls) == T
    assert torch.equal(t[""].join("h"), torch.cat([record.h for record in t[""].calls]))
    torch.testing.assert_close(t[""].join("h"), torch.stack(outputs).detach(), **CLOSE)


def test_a_step_goes_by_its_own_name():
    model = nn.ModuleDict({"decoder": gw.Step("peephole", I, H)})
    with gw.trace(model) as t:
        y, state = model["decoder"](torch.randn(B, I))
    torch.testing.assert_close(t["decoder"].h[0], y.detach(), **CLOSE)
    torch.testing.assert_close(t["decoder"].c[0], state.c.detach(), **CLOSE)


class Tagger(nn.Module):
    """A model with three recurrent layers, one of them called twice."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(I, H)})
        self.upper = gw.Recurrent("gru", H, H, 2)
        self.head = nn.RNN(H, 2)

    def forward(self, x):
        h, _ = self.encoder["lstm"](x)
        h, _ = self.upper(h)
        h, _ = self.upper(h)
        return self.head(h)[0]


def test_layers_of_a_model_go_by_their_names():
    model = Tagger()
    x = torch.randn(T, B, I)
    with gw.trace(model) as t:
        y = model(x)
    torch.testing.assert_close(t["head"].h, y.detach(), **CLOSE)
    assert torch.equal(t["head"].operands.x, t["upper", 1].calls[1].h)
    assert torch.equal(t["upper"].calls[0][1].h, t["upper", 1].calls[0].h)
    with pytest.raises(AttributeError, match=r"t\['upper', 0, 'forward'\].*calls\[k\].*0 to 1"):
        _ = t["upper"].f
    with pytest.raises(KeyError, match=r"nothing .* 'lstm'; there is .'encoder.lstm', 0"):
        _ = t["lstm"]
    with pytest.raises(AttributeError, match="'lstm' has no value 'r'; it has i, f, g, o, c, h"):
        _ = t["encoder.lstm"].r
    with pytest.raises(TraceError, match="not just one record"):
        _ = t.only


@pytest.mark.parametrize("layer", [nn.LSTM(I, H), gw.Recurrent("lstm", I, H)])
def test_traces_in_traces(layer):
    with gw.trace(layer) as outer, gw.trace(layer, grads=("f",)) as inner:
        y, _ = layer(torch.randn(T, B, I))
        y.sum().backward()
    assert torch.equal(outer.only.f, inner.only.f)
    assert inner.only.grad.f[1:].ne(0).all()  # at first there is no cell state to keep
    assert not outer.only.grad


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("layer", [nn.LSTM(I, H), gw.LSTM(I, H)])
def test_copies_made_meanwhile_are_models_of_their_own(layer, copied):
    x = torch.randn(T, B, I)
    with gw.trace(layer) as t, gw.intervene(layer, gw.ablate("")):
        other = copied(layer)
        with torch.no_grad():
            other.weight_ih_l0.zero_()
        y, _ = other(x)
    assert not len(t)
    assert y.ne(0).any()
    assert not torch.equal(y, layer(x)[0])
    assert torch.equal(other(x)[0], y)


def test_nothing_ran():
    layer = nn.GRU(I, H)
    with gw.trace(layer) as t:
        pass
    with pytest.raises(KeyError, match="no layer ran inside"):
        _ = t["gru"]


def test_the_model_is_as_before_after_an_exception():
    model = Tagger()
    before = {name: dict(vars(module)) for name, module in model.named_modules()}

    def fail(*_):
        raise RuntimeError("halfway")

    hook = model.head.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="halfway"), gw.trace(model) as t:
        model(torch.randn(T, B, I))
    hook.remove()
    assert t["encoder.lstm"].f.shape == (T, B, H)
    assert {name: dict(vars(module)) for name, module in model.named_modules()} == before
    model(torch.randn(T, B, I))
    assert len(t) == 6


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", [nn.LSTM(I, H, 2), gw.Recurrent("lstm", I, H, 2)])
def test_without_gradients(mode, layer):
    layer.eval()
    with mode(), gw.trace(layer) as t:
        y, _ = layer(torch.randn(T, B, I))
    torch.testing.assert_close(t["", 1].h, y, **CLOSE)
    assert not t["", 0].f.requires_grad


@pytest.mark.parametrize("kind", [nn.LSTM, gw.LSTM])
def test_dropout_between_layers_in_training_is_seen(kind):
    layer, x = kind(I, H, 2, dropout=0.5), torch.randn(T, B, I)
    with gw.trace(layer) as t:
        y, _ = layer(x)
    below, above = t["", 0], t["", 1]
    torch.testing.assert_close(above.h, y.detach(), **CLOSE)
    dropped = above.operands.x
    assert dropped.eq(0).any()
    torch.testing.assert_close(dropped[dropped != 0], 2 * below.h[dropped != 0], **CLOSE)


OPTIONS = [
    dict(input_dropout=0.4),
    dict(recurrent_dropout=0.4),
    dict(weight_drop=0.4),
    dict(zoneout=0.3),
    dict(learn_initial=True),
    dict(recompute=2),
    dict(layer_norm=True, num_layers=2, dropout=0.3),
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: next(iter(each)))
@pytest.mark.parametrize("training", [True, False])
def test_what_regularizes_a_layer_is_seen(options, training):
    layer = gw.Recurrent("lstm", I, H, bidirectional=True, **options).train(training)
    x = torch.randn(T, B, I)
    with gw.trace(layer, grads=True) as t:
        y, state = layer(x, lengths=[6, 2, 5])
        y.pow(2).sum().backward()
    alive = t.records[0].alive
    torch.testing.assert_close(top(t, 2)[alive], y[alive].detach(), **CLOSE)
    assert len(t) == 2 * layer.num_layers
    for record in t:
        for name, value in by_steps(record).items():
            torch.testing.assert_close(record.series(name)[alive], value[alive], **CLOSE)
        assert record.gradient("c")[alive].ne(0).any()
    forward = t["", layer.num_layers - 1, "forward"]
    last = torch.tensor([5, 1, 4]), torch.arange(B)
    torch.testing.assert_close(forward.series("h")[last], state.h[-2].detach(), **CLOSE)


class Own(nn.LSTM):
    """A subclass with a call of its own."""

    def forward(self, batch):
        return super().forward(batch["x"] * 2)[0]


def test_subclasses_of_torch_layers():
    model = Own(I, H)
    with gw.trace(model) as t:
        y = model({"x": torch.randn(T, B, I)})
    torch.testing.assert_close(t.only.h, y.detach(), **CLOSE)


def test_estimate_tells_what_a_trace_takes():
    model = Tagger()
    t = gw.trace(model)
    estimate = t.estimate(steps=T, batch=B)
    with t:
        model(torch.randn(T, B, I))
    record = t["encoder.lstm"]
    held = record.operands.x.nbytes + sum(record.before(n).nbytes for n in record.states)
    assert estimate.held["encoder.lstm"] == held
    read = sum(record[name].nbytes for name in record.names)
    assert estimate.read["encoder.lstm"] == held + read
    assert "encoder.lstm: 1008 B, 3.1 KiB when all is read" in str(estimate)

    @cell
    def fading(x, h):
        return dict(h=0.9 * h + x)  # no weights tell its type

    assert gw.trace(gw.Recurrent(fading, 3, 3)).estimate(T, B).held[""] == 2 * T * B * 3 * 4
    chosen = gw.trace(model, values=("f",), units=[0], every=2).estimate(T, B)
    assert chosen.held["encoder.lstm"] == 3 * B * 4


def test_compiled_models_run_uncompiled_meanwhile():
    layer = nn.GRU(I, H)
    model = torch.compile(nn.Sequential(layer), backend="eager")
    with gw.trace(model) as t:
        y, _ = model(torch.randn(T, B, I))
    torch.testing.assert_close(t["0"].h, y.detach(), **CLOSE)


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("gradients", [False, True])
def test_kernels_compute_the_same_with_and_without_a_trace(name, gradients):
    layer, x = gw.Recurrent(name, 16, 16, bidirectional=True), torch.randn(9, 2, 16)
    with torch.set_grad_enabled(gradients):
        expected, _ = layer(x)
        with gw.trace(layer) as t:
            y, _ = layer(x)
    assert torch.equal(y, expected)
    for record in t:
        for key, value in by_steps(record).items():
            torch.testing.assert_close(record[key], value, **CLOSE)
