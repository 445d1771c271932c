"""gw.LSTM, GRU and RNN do what torch's layers of the same names do, on every path."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import gatewise as gw
from gatewise.backends import use_backend

T, B, I, H = 5, 4, 3, 4
KINDS = ["LSTM", "GRU", "RNN", "RNN relu"]
BACKENDS = ["default", "reference"]


def on(backend: str):
    """The backend of that name; what a person gets who asks for none."""
    return use_backend("reference") if backend == "reference" else warnings.catch_warnings()


def pair(kind: str, **options):
    """Our layer and torch's, with the same weights."""
    name, _, nonlinearity = kind.partition(" ")
    if nonlinearity:
        options["nonlinearity"] = nonlinearity
    options.setdefault("dtype", torch.float64)
    sizes = options.pop("sizes", (I, H))
    theirs = getattr(nn, name)(*sizes, **options)
    ours = getattr(gw, name)(*sizes, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def random_state(layer, batch: int | None):
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    middle = () if batch is None else (batch,)
    h = torch.randn(rows, *middle, layer.proj_size or layer.hidden_size, dtype=torch.float64)
    if layer.mode != "LSTM":
        return h
    return h, torch.randn(rows, *middle, layer.hidden_size, dtype=torch.float64)


def tensors(value) -> list[torch.Tensor]:
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, torch.Tensor) else [t for v in value for t in tensors(v)]


def require_gradients(value):
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data.clone().requires_grad_())
    if isinstance(value, torch.Tensor):
        return value.clone().requires_grad_()
    return None if value is None else tuple(require_gradients(part) for part in value)


def results_and_gradients(layer, x, hx):
    """Outputs, last states, and the gradient of everything that has one."""
    x, hx = require_gradients(x), require_gradients(hx)
    y, last = layer(x, hx) if hx is not None else layer(x)
    results = [*tensors(y), *tensors(last)]
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (torch.randn(r.shape, generator=generator, dtype=r.dtype) * r).sum() for r in results
    )
    leaves = [*layer.parameters(), *tensors(x), *(tensors(hx) if hx is not None else [])]
    return y, [*results, *torch.autograd.grad(total, leaves)]


def assert_equal(ours, theirs, x, hx=None):
    y, found = results_and_gradients(ours, x, hx)
    wanted_y, expected = results_and_gradients(theirs, x, hx)
    assert type(y) is type(wanted_y)
    if isinstance(y, PackedSequence):
        for mine, torchs in zip(y[1:], wanted_y[1:], strict=True):
            assert (mine is None) == (torchs is None)
            assert mine is None or torch.equal(mine, torchs)
    assert len(found) == len(expected)
    for k, (mine, torchs) in enumerate(zip(found, expected, strict=True)):
        assert mine.shape == torchs.shape
        torch.testing.assert_close(mine, torchs, rtol=1e-10, atol=1e-10, msg=f"number {k}")


def packed(lengths, sort):
    x = torch.randn(T, len(lengths), I, dtype=torch.float64)
    return pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=not sort)


FORMS = {
    "batched": lambda: torch.randn(T, B, I, dtype=torch.float64),
    "unbatched": lambda: torch.randn(T, I, dtype=torch.float64),
    "packed": lambda: packed([5, 4, 4, 1], sort=False),
    "packed unsorted": lambda: packed([2, 5, 1, 3], sort=True),
}
SHAPES = [
    dict(),
    dict(bidirectional=True),
    dict(bias=False),
    dict(num_layers=2, bidirectional=True),
    dict(num_layers=3),
    dict(num_layers=2, bidirectional=True, bias=False),
    dict(batch_first=True, num_layers=2),
]
PROJECTED = [
    dict(proj_size=2),
    dict(proj_size=2, num_layers=2, bidirectional=True),
    dict(proj_size=3, num_layers=3, bias=False),
]
CASES = [
    *itertools.product(KINDS, SHAPES),
    *itertools.product(["LSTM"], PROJECTED),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("state", ["given", "absent"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_results_states_and_gradients(kind, options, form, state, backend):
    ours, theirs = pair(kind, **options)
    x = FORMS[form]()
    hx = None
    if state == "given":
        hx = random_state(theirs, None if form == "unbatched" else B)
    if form == "batched" and options.get("batch_first"):
        x = x.transpose(0, 1)
    with on(backend):
        assert_equal(ours, theirs, x, hx)


class TestWeights:
    @pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
    def test_same_names_order_and_values_under_the_same_seed(self, kind, options):
        name, _, nonlinearity = kind.partition(" ")
        options = {**options, **({"nonlinearity": nonlinearity} if nonlinearity else {})}
        torch.manual_seed(7)
        ours = getattr(gw, name)(I, H, **options)
        torch.manual_seed(7)
        theirs = getattr(nn, name)(I, H, **options)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for mine, torchs in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, torchs)
        assert repr(ours) == repr(theirs)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        torch.manual_seed(8)
        ours.reset_parameters()
        torch.manual_seed(8)
        theirs.reset_parameters()
        assert torch.equal(ours.weight_hh_l0, theirs.weight_hh_l0)

    def test_names_of_the_equations(self):
        layer = gw.LSTM(I, H, 2, bidirectional=True, proj_size=2)
        named = layer.weights(1, reverse=True)
        assert list(named) == [
            *(f"W.{k}" for k in "ifgo"),
            *(f"U.{k}" for k in "ifgo"),
            "R.h",
            *(f"b.{k}" for k in "ifgo"),
        ]
        assert torch.equal(named["U.f"], layer.weight_hh_l1_reverse[H : 2 * H])
        summed = layer.bias_ih_l1_reverse + layer.bias_hh_l1_reverse
        assert torch.equal(named["b.o"], summed[3 * H :])
        gru = gw.GRU(I, H)
        assert torch.equal(gru.weights()["b.nh"], gru.bias_hh_l0[2 * H :])
        assert torch.equal(gru.weights()["b.n"], gru.bias_ih_l0[2 * H :])

    @pytest.mark.parametrize(("layer", "reverse"), [(2, False), (-1, False), (0, True)])
    def test_no_such_layer(self, layer, reverse):
        with pytest.raises(IndexError, match="there are 2 layers in 1 direction"):
            gw.LSTM(I, H, 2).weights(layer, reverse)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_changed_weights_are_seen(self, backend):
        ours, theirs = pair("LSTM")
        x = FORMS["batched"]()
        with on(backend), torch.no_grad():
            ours(x)
            for layer in (ours, theirs):
                layer.weight_hh_l0.mul_(2)
            torch.testing.assert_close(ours(x)[0], theirs(x)[0])
            for layer in (ours, theirs):
                layer.weight_ih_l0 = nn.Parameter(layer.weight_ih_l0 * 0.5)
            torch.testing.assert_close(ours(x)[0], theirs(x)[0])


class TestDropout:
    @pytest.mark.parametrize("kind", KINDS)
    def test_same_random_numbers_in_training(self, kind):
        ours, theirs = pair(kind, num_layers=3, dropout=0.5)
        x = FORMS["batched"]()
        torch.manual_seed(3)
        mine = ours(x)[0]
        torch.manual_seed(3)
        torch.testing.assert_close(mine, theirs(x)[0], rtol=0, atol=0)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_none_in_evaluation(self, backend):
        ours, theirs = pair("LSTM", num_layers=2, dropout=0.9)
        ours.eval(), theirs.eval()
        with on(backend):
            assert_equal(ours, theirs, FORMS["batched"]())

    def test_reference_drops_at_the_same_rate_between_layers_alone(self):
        torch.manual_seed(0)
        layer = gw.LSTM(1, 200, num_layers=2, dropout=0.3)
        with torch.no_grad():
            for name, value in layer.named_parameters():
                value.zero_()
                if name == "bias_ih_l0":
                    value.fill_(1.0)  # every unit of the first layer is alike
                if name == "weight_ih_l1":
                    value[400:600] = torch.eye(200)
                if name == "bias_ih_l1":
                    value[:200], value[600:] = 50.0, 50.0  # gates open: h = tanh(tanh(dropped))
        with use_backend("reference"):
            y, _ = layer(torch.zeros(20, 1, 1))
            dropped = (y[0] == 0).double()
            assert abs(float(dropped.mean()) - 0.3) < 0.1
            assert not torch.equal(layer(torch.zeros(20, 1, 1))[0], y)

    def test_warns_where_it_cannot_act(self):
        with pytest.warns(UserWarning, match="dropout"):
            gw.LSTM(I, H, dropout=0.5)


def wrong_inputs():
    """What is wrong, the layer's options, and how it is called."""
    x, h = torch.zeros(T, B, I), torch.zeros(1, B, H)
    sequence = pack_padded_sequence(x, torch.tensor([5, 3, 2, 1]))
    return {
        "one dimension": ({}, lambda f: f(torch.zeros(I))),
        "four dimensions": ({}, lambda f: f(torch.zeros(2, T, B, I))),
        "input size": ({}, lambda f: f(torch.zeros(T, B, I + 1))),
        "unbatched input size": ({}, lambda f: f(torch.zeros(T, I + 1))),
        "dtype": ({}, lambda f: f(x.double())),
        "whole numbers": ({}, lambda f: f(x.long())),
        "no steps": ({}, lambda f: f(x[:0])),
        "no steps unbatched": ({}, lambda f: f(torch.zeros(0, I))),
        "state of another batch": ({}, lambda f: f(x, torch.zeros(1, B + 1, H))),
        "state of another size": ({}, lambda f: f(x, torch.zeros(1, B, H + 1))),
        "state of too few layers": (dict(num_layers=2), lambda f: f(x, h)),
        "state of one direction": (dict(bidirectional=True), lambda f: f(x, h)),
        "state without batch": ({}, lambda f: f(x, torch.zeros(1, H))),
        "state with batch": ({}, lambda f: f(torch.zeros(T, I), h)),
        "state of another dtype": ({}, lambda f: f(x, h.double())),
        "batch first state": (dict(batch_first=True), lambda f: f(x, torch.zeros(1, B, H))),
        "packed of another size": (dict(sizes=(I + 1, H)), lambda f: f(sequence)),
        "packed dtype": ({}, lambda f: f(sequence.to(torch.float64))),
        "packed with a state of another batch": ({}, lambda f: f(sequence, torch.zeros(1, 2, H))),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("wrong", wrong_inputs())
def test_wrong_input_raises_the_kind_of_error_that_torch_raises(wrong, kind, backend):
    options, call = wrong_inputs()[wrong]
    ours, theirs = pair(kind, dtype=torch.float32, **options)

    def with_state(layer):
        def forward(x, h=None):
            return layer(x) if h is None else layer(x, (h, h) if kind == "LSTM" else h)

        return forward

    with pytest.raises(Exception) as expected:  # noqa: PT011  torch decides which
        call(with_state(theirs))
    kinds = type(expected.value)
    if (wrong, kind) == ("packed dtype", "LSTM"):  # torch checks it for GRU and RNN alone
        kinds = ValueError
    with on(backend), pytest.raises(kinds) as found:
        call(with_state(ours))
    assert str(found.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "options"),
    [
        ("LSTM", (I, 0), {}),
        ("LSTM", (I, -1), {}),
        ("LSTM", (I, 4.0), {}),
        ("LSTM", (0, H), {}),
        ("LSTM", ("3", H), {}),
        ("LSTM", (I, H), dict(num_layers=0)),
        ("LSTM", (I, H), dict(bias=1)),
        ("LSTM", (I, H), dict(batch_first="yes")),
        ("LSTM", (I, H), dict(dropout=1.5)),
        ("LSTM", (I, H), dict(dropout=True)),
        ("LSTM", (I, H), dict(proj_size=-1)),
        ("LSTM", (I, H), dict(proj_size=H)),
        ("LSTM", (I, H), dict(unknown=3)),
        ("LSTM", (I,), {}),
        ("GRU", (I, H), dict(proj_size=2)),
        ("RNN", (I, H), dict(proj_size=2)),
        ("RNN", (I, H), dict(nonlinearity="sigmoid")),
        ("RNN", (I, H, 1, "sigmoid"), {}),
    ],
)
def test_wrong_options_raise_the_kind_of_error_that_torch_raises(kind, arguments, options):
    with pytest.raises(Exception) as expected:  # noqa: PT011  torch decides which
        getattr(nn, kind)(*arguments, **options)
    with pytest.raises(type(expected.value)):
        getattr(gw, kind)(*arguments, **options)


@pytest.mark.parametrize("backend", BACKENDS)
class TestEdges:
    def test_batch_of_none(self, backend):
        ours, theirs = pair("GRU")
        x = torch.zeros(T, 0, I, dtype=torch.float64)
        with on(backend):
            y, h = ours(x)
        wanted_y, wanted_h = theirs(x)
        assert (y.shape, h.shape) == (wanted_y.shape, wanted_h.shape)

    def test_one_step(self, backend):
        ours, theirs = pair("LSTM", bidirectional=True)
        with on(backend):
            assert_equal(ours, theirs, torch.randn(1, 1, I, dtype=torch.float64))

    def test_gradients_are_those_of_finite_differences(self, backend):
        ours, _ = pair("LSTM", sizes=(2, 2), proj_size=1)
        x = torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True)
        with on(backend):
            assert torch.autograd.gradcheck(lambda x: ours(x)[0], (x,))

    def test_autocast(self, backend):
        ours, theirs = pair("LSTM", dtype=torch.float32)
        x = torch.randn(T, B, I)
        with on(backend), torch.autocast("cpu", dtype=torch.bfloat16):
            mine, torchs = ours(x)[0], theirs(x)[0]
        torch.testing.assert_close(mine.float(), torchs.float(), rtol=5e-2, atol=5e-2)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_moved_to_another_dtype(self, backend, dtype):
        ours, theirs = pair("GRU")
        ours.to(dtype), theirs.to(dtype)
        x = torch.randn(T, B, I, dtype=dtype)
        with on(backend):
            y, h = ours(x)
        assert y.dtype == h.dtype == dtype
        tolerance = 1e-5 if dtype == torch.float32 else 4e-2
        torch.testing.assert_close(y, theirs(x)[0], rtol=tolerance, atol=tolerance)

    def test_meta_device(self, backend):
        layer = gw.LSTM(I, H, device="meta")
        with on(backend):
            y, (h, _) = layer(torch.zeros(T, B, I, device="meta"))
        assert (y.shape, h.shape) == ((T, B, H), (1, B, H))
        assert y.is_meta


class TestAsModule:
    def layer(self):
        torch.manual_seed(1)
        return gw.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
    def test_copies(self, how, backend):
        layer, x = self.layer(), FORMS["batched"]()
        if how == "deepcopy":
            other = copy.deepcopy(layer)
        elif how == "pickle":
            other = pickle.loads(pickle.dumps(layer))
        else:
            buffer = io.BytesIO()
            torch.save(layer, buffer)
            buffer.seek(0)
            other = torch.load(buffer, weights_only=False)
        with on(backend):
            torch.testing.assert_close(other(x)[0], layer(x)[0])
            with torch.no_grad():
                other.weight_hh_l0.zero_()
            assert not torch.equal(other(x)[0], layer(x)[0])

    def test_state_dict_hooks_run(self):
        layer, seen = self.layer(), []
        layer.register_state_dict_pre_hook(lambda *_: seen.append("save"))
        layer.register_load_state_dict_post_hook(lambda *_: seen.append("load"))
        layer.load_state_dict(layer.state_dict())
        assert seen == ["save", "load"]

    def test_weights_of_another_shape_are_refused(self):
        with pytest.raises(RuntimeError, match="size mismatch"):
            self.layer().load_state_dict(nn.LSTM(I, H + 1, 2, bidirectional=True).state_dict())

    def test_what_torch_users_reach_for(self):
        layer, theirs = self.layer(), nn.LSTM(I, H, num_layers=2, bidirectional=True)
        layer.flatten_parameters()
        shapes = [[w.shape for w in row] for row in layer.all_weights]
        assert shapes == [[w.shape for w in row] for row in theirs.all_weights]
        assert isinstance(layer, nn.RNNBase)
        assert (layer.mode, layer.input_size, layer.hidden_size) == ("LSTM", I, H)
        names = ("num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
        assert [getattr(layer, n) for n in names] == [getattr(theirs, n) for n in names]
        replica = layer._replicate_for_data_parallel()
        assert isinstance(replica, gw.LSTM)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_parametrizations(self, backend):
        layer, x = self.layer(), FORMS["batched"]()
        torch.nn.utils.parametrizations.orthogonal(layer, "weight_hh_l0")
        torch.nn.utils.parametrizations.weight_norm(layer, "weight_ih_l1")
        with on(backend):
            y, _ = layer(x)
            y.sum().backward()
        parametrized = layer.parametrizations["weight_hh_l0"].original
        assert parametrized.grad is not None
        plain = nn.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
        plain.load_state_dict({name: getattr(layer, name).detach() for name in plain.state_dict()})
        torch.testing.assert_close(y, plain(x)[0])

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_functional_call(self, backend):
        layer, x = self.layer(), FORMS["batched"]()
        doubled = {name: 2 * value.detach() for name, value in layer.named_parameters()}
        plain = nn.LSTM(I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
        plain.load_state_dict(doubled)
        with on(backend):
            y, _ = torch.func.functional_call(layer, doubled, (x,))
        torch.testing.assert_close(y, plain(x)[0])

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_frozen_weights_get_no_gradient(self, backend):
        layer = self.layer()
        layer.weight_ih_l0.requires_grad_(False)
        with on(backend):
            layer(FORMS["batched"]())[0].sum().backward()
        assert layer.weight_ih_l0.grad is None
        assert layer.weight_hh_l0.grad is not None

    def test_positional_arguments_as_in_torch(self):
        arguments = (I, H, 2, True, True, 0.1, True)
        assert repr(gw.GRU(*arguments, "cpu", torch.float64)) == repr(nn.GRU(*arguments))
        assert gw.GRU(*arguments, "cpu", torch.float64).weight_hh_l0.dtype == torch.float64
        assert gw.LSTM(*arguments, 2, "cpu", torch.float64).proj_size == 2
        rnn = gw.RNN(I, H, 2, "relu", True, True, 0.1, True, "cpu", torch.float64)
        assert (rnn.nonlinearity, rnn.batch_first) == ("relu", True)
        assert rnn.weight_hh_l0.dtype == torch.float64


class TestMore:
    """What our layers take and torch's do not."""

    @pytest.mark.parametrize("bidirectional", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    def test_lengths_equal_packing(self, kind, bidirectional):
        ours, theirs = pair(kind, num_layers=2, bidirectional=bidirectional)
        x, lengths = FORMS["batched"](), torch.tensor([2, 5, 1, 3])
        hx = random_state(theirs, B)
        y, last = ours(x, hx, lengths=lengths)
        packed_y, packed_last = theirs(pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        wanted, _ = nn.utils.rnn.pad_packed_sequence(packed_y)
        torch.testing.assert_close(y, wanted)
        for mine, torchs in zip(tensors(last), tensors(packed_last), strict=True):
            torch.testing.assert_close(mine, torchs)

    @pytest.mark.parametrize("kind", KINDS)
    def test_reset_equals_starting_anew(self, kind):
        ours, _ = pair(kind)
        x, hx = FORMS["batched"](), random_state(ours, B)
        reset = torch.zeros(T, B, dtype=torch.bool)
        reset[2] = True
        y, last = ours(x, hx, reset=reset)
        first, second = ours(x[:2], hx)[0], ours(x[2:])
        torch.testing.assert_close(y, torch.cat([first, second[0]]))
        for mine, alone in zip(tensors(last), tensors(second[1]), strict=True):
            torch.testing.assert_close(mine, alone)

    def test_forget_bias(self):
        layer = gw.LSTM(I, H, num_layers=2, bidirectional=True, forget_bias=1.5)
        for k, reverse in itertools.product(range(2), (False, True)):
            assert (layer.weights(k, reverse)["b.f"] == 1.5).all()
        assert not (layer.weights()["b.i"] == 1.5).any()
        layer.reset_parameters()
        assert (layer.weights()["b.f"] == 1.5).all()
        gru = gw.GRU(I, H, forget_bias=2.0)
        assert (gru.weights()["b.z"] == 2.0).all()

    def test_chrono(self):
        layer = gw.LSTM(I, 400, chrono=100)
        forget, let_in = (layer.weights()[name].detach() for name in ("b.f", "b.i"))
        torch.testing.assert_close(forget, -let_in)
        assert float(forget.min()) >= 0.0
        assert float(forget.exp().max()) <= 99.0
        assert abs(float(forget.exp().mean()) - 50.0) < 6.0  # uniform in 1 ... 99

    @pytest.mark.parametrize(
        ("kind", "options", "says"),
        [
            ("RNN", dict(forget_bias=1.0), "no forget gate"),
            ("LSTM", dict(forget_bias=1.0, chrono=10), "not both"),
            ("LSTM", dict(chrono=2), "must exceed 2"),
            ("LSTM", dict(forget_bias=1.0, bias=False), "no forget gate with a bias"),
        ],
    )
    def test_options_that_do_not_fit(self, kind, options, says):
        with pytest.raises(ValueError, match=says):
            getattr(gw, kind)(I, H, **options)
