"""What torch.compile and torch.export meet around a layer: options, loops, training, packing."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch.export import Dim, export
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import gatewise as gw
from gatewise.equations import cell, tanh
from tests.layers.torch_pairs import tensors

pytestmark = [
    pytest.mark.kernels,
    # the compiler looks at every attribute of every tensor
    pytest.mark.filterwarnings("ignore:.*grad attribute of a Tensor"),
]
T, B, I, H = 8, 3, 4, 5
OPTIONS = {
    "recurrent dropout": dict(recurrent_dropout=0.3),
    "zoneout": dict(zoneout={"h": 0.2}),
    "input dropout": dict(input_dropout=0.3),
    "weight drop": dict(weight_drop=0.3),
    "dropout": dict(num_layers=2, dropout=0.3),
    "layer norm and residual": dict(num_layers=2, layer_norm=True, residual=True),
    "learned initial state": dict(learn_initial=True),
    "recompute": dict(recompute=True),
    "batch first": dict(batch_first=True, state_batch_first=True),
}


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(function, backend="aot_eager", **options):
    return torch.compile(function, backend=backend, fullgraph=True, **options)


def training_step(function, layer, *arguments, **options):
    """Outputs, states and gradients, from one seed."""
    layer.zero_grad()
    torch.manual_seed(4)
    result = function(*arguments, **options)
    sum(value.sin().sum() for value in tensors(result)).backward()
    return [*tensors(result), *(value.grad for value in layer.parameters())]


def assert_same(found, expected):
    for mine, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "option", [pytest.param(o, marks=pytest.mark.slow) for o in OPTIONS] + ["all"]
)
def test_options_compile_whole(option):
    """Compiled first: nothing that an earlier call has left behind may be needed."""
    every = {name: value for each in OPTIONS.values() for name, value in each.items()}
    layer = gw.Recurrent("peephole", I, H, **OPTIONS.get(option, every))
    x = torch.randn(*((B, T) if layer.batch_first else (T, B)), I)
    found = training_step(compiled(layer), layer, x)
    with gw.use_backend("llvm"):
        assert_same(found, training_step(layer, layer, x))


@pytest.mark.slow
def test_a_state_goes_in_and_comes_out():
    layer, x = gw.LSTM(I, H, num_layers=2), torch.randn(T, B, I)
    program = compiled(layer)
    _, state = program(x)
    again, _ = program(x, state)
    torch.testing.assert_close(again, layer(x, layer(x)[1])[0])


def test_autocast():
    layer, x = gw.GRU(I, H), torch.randn(T, B, I)
    program = compiled(layer)
    with torch.autocast("cpu", torch.bfloat16):
        y, h = program(x)
    assert (y.dtype, h.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(h, layer(x)[1])


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["cfc", "gru_d"])
def test_further_inputs(cell):
    layer, x = gw.Recurrent(cell, I, H), torch.randn(T, B, I)
    more = {
        name: torch.rand(T, B, I if size == "I" else 1).round()
        for name, size in layer.graph.inputs.items()
        if name != "x"
    }
    found = training_step(compiled(layer), layer, x, **more)
    with gw.use_backend("llvm"):
        assert_same(found, training_step(layer, layer, x, **more))


def test_a_cell_without_weights():
    @cell
    def fading(x, h):
        return dict(h=0.9 * h + tanh(x))

    layer, x = gw.Recurrent(fading, I, I), torch.randn(T, B, I, requires_grad=True)
    with gw.use_backend("llvm"):
        (wanted,) = torch.autograd.grad(layer(x)[0].sin().sum(), x)
    (found,) = torch.autograd.grad(compiled(layer)(x)[0].sin().sum(), x)
    torch.testing.assert_close(found, wanted)


@pytest.mark.slow
def test_a_loop_of_steps():
    step, cell = gw.Step("peephole", I, H), gw.LSTMCell(I, H)

    def loop(x):
        state = hx = None
        for each in x.unbind():
            _, state = step(each, state)
            hx = cell(each, hx)
        return state.h + hx[0]

    x = torch.randn(3, B, I)
    torch.testing.assert_close(compiled(loop)(x), loop(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, I)
        self.lower, self.upper = gw.LSTM(I, H), gw.Recurrent("mgu", H, H)
        self.head = nn.Linear(H, 7)

    def forward(self, tokens, lengths):
        between, _ = self.lower(self.embedding(tokens), lengths=lengths)
        y, _ = self.upper(between, lengths=lengths)
        return nn.functional.cross_entropy(self.head(y).flatten(0, 1), tokens.flatten())


def test_a_model_trains_on_batches_of_every_size_in_two_programs():
    """One for the first sizes, one for all others."""
    torch.manual_seed(0)
    model = Model()
    twin = copy.deepcopy(model)
    program = compiled(model)
    optimizers = [torch.optim.Adam(m.parameters(), lr=1e-2) for m in (model, twin)]
    counters.clear()
    for steps, batch in ((5, 3), (6, 4), (7, 7)):
        tokens = torch.randint(7, (steps, batch))
        lengths = torch.randint(0, steps + 1, (batch,))
        losses = [m(tokens, lengths) for m in (program, twin)]
        torch.testing.assert_close(losses[0], losses[1])
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert counters["stats"]["unique_graphs"] <= 2


@pytest.mark.slow
def test_checkpoints_and_parametrizations_inside():
    layer, x = gw.GRU(I, H), torch.randn(T, B, I)
    nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")

    def run(x):
        return checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)

    assert_same(training_step(compiled(run), layer, x), training_step(run, layer, x))


@pytest.mark.slow
def test_a_compiled_module_and_its_copies():
    layer, x = gw.GRU(I, H), torch.randn(T, B, I)
    wanted = layer(x)[0]
    layer.compile(backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(layer(x)[0], wanted)
    torch.testing.assert_close(copy.deepcopy(layer)(x)[0], wanted)
    outside = torch.compile(gw.GRU(I, H), backend="aot_eager")
    outside(x)
    inside = pickle.loads(pickle.dumps(outside._orig_mod))  # what torch.compile wraps
    torch.testing.assert_close(inside(x)[0], outside(x)[0])


def test_packed_sequences_run_beside_the_program():
    layer, x = gw.GRU(I, H), torch.randn(T, B, I)

    def run(x, lengths):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return layer(packed)[0].data + 1

    lengths = torch.tensor([3, 8, 5])
    torch.testing.assert_close(torch.compile(run, backend="eager")(x, lengths), run(x, lengths))


@pytest.mark.parametrize(
    ("kind", "strict"),
    [
        ("GRU", False),
        pytest.param("GRU", True, marks=pytest.mark.slow),
        pytest.param("Recurrent", False, marks=pytest.mark.slow),
        pytest.param("Recurrent", True, marks=pytest.mark.slow),
    ],
)
def test_exports_with_lengths_for_any_size(kind, strict):
    layer = (gw.GRU if kind == "GRU" else lambda *s: gw.Recurrent("mgu", *s))(I, H).eval()
    steps, batch = Dim("T", min=1, max=4096), Dim("B", min=1, max=4096)
    program = export(
        layer,
        (torch.randn(T, B, I),),
        {"lengths": torch.tensor([2, 0, 8])},
        dynamic_shapes={
            "input" if kind == "GRU" else "x": {0: steps, 1: batch},
            "lengths": {0: batch},
        },
        strict=strict,
    ).module()
    for t, b in ((1, 1), (5, 5), (20, 7)):
        x, lengths = torch.randn(t, b, I), torch.randint(0, t + 1, (b,))
        torch.testing.assert_close(program(x, lengths=lengths)[0], layer(x, lengths=lengths)[0])


def test_exports_with_resets_in_both_directions_for_any_size():
    layer = gw.GRU(I, H, bidirectional=True).eval()
    steps, batch = Dim("T", min=1, max=4096), Dim("B", min=1, max=4096)
    program = export(
        layer,
        (torch.randn(T, B, I),),
        {"reset": torch.rand(T, B) < 0.3},
        dynamic_shapes={"input": {0: steps, 1: batch}, "reset": {0: steps, 1: batch}},
    ).module()
    for t, b in ((1, 1), (20, 7)):
        x, reset = torch.randn(t, b, I), torch.rand(t, b) < 0.3
        torch.testing.assert_close(program(x, reset=reset)[0], layer(x, reset=reset)[0])


@pytest.mark.parametrize("cell", ["lstm", "slstm", "antisymmetric"])
def test_derivatives_of_derivatives_of_a_traced_program(cell):
    """Where torch differentiates a program twice: one that it has only recorded."""
    layer, x = gw.Recurrent(cell, I, H, dtype=torch.float64), torch.randn(T, B, I).double()

    def penalty(function):
        start = x.clone().requires_grad_()
        y, _ = function(start)
        (slope,) = torch.autograd.grad(y.square().sum(), start, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [start, *layer.parameters()])

    found = penalty(compiled(layer, "eager"))
    with gw.use_backend("reference"):
        torch.testing.assert_close(found, penalty(layer))


@pytest.mark.parametrize("kind", ["GRU", "antisymmetric"])
def test_an_exported_program_learns(kind):
    """Its input may need a gradient, though that of the trace needed none."""
    layer = gw.GRU(I, H) if kind == "GRU" else gw.Recurrent(kind, I, H)
    program, x = export(layer, (torch.randn(T, B, I),)).module(), torch.randn(T, B, I)
    found = []
    for run, weights in ((layer, layer.parameters()), (program, program.parameters())):
        start = x.clone().requires_grad_()
        y, _ = run(start)
        found.append(torch.autograd.grad(y.sin().sum(), [start, *weights]))
    assert_same(found[1], found[0])


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "Recurrent"])
def test_inductor(kind, training):
    layer = gw.LSTM(I, H, 2) if kind == "LSTM" else gw.Recurrent("peephole", I, H, 2)
    x = torch.randn(T, B, I)
    program = compiled(layer, "inductor")
    if training:
        assert_same(training_step(program, layer, x), training_step(layer, layer, x))
    else:
        with torch.no_grad():
            torch.testing.assert_close(program(x)[0], layer(x)[0])
