"""The state of a layer is a named tuple that behaves as one everywhere."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import gatewise as gw
from gatewise.layers.state import detach_state, make_state, state_type


@pytest.fixture
def state():
    layer = gw.Recurrent("lstm", 3, 5, num_layers=2)
    return layer(torch.randn(4, 2, 3))[1]


def test_is_a_named_tuple(state):
    h, c = state
    assert state.h is h
    assert state.c is c
    assert isinstance(state, tuple)
    assert state._fields == ("h", "c")
    assert state._replace(h=c).h is c
    assert state_type(("h", "c")) is type(state)


def test_one_state_is_a_named_tuple_too():
    _, state = gw.Recurrent("gru", 3, 5)(torch.randn(4, 2, 3))
    assert state._fields == ("h",)


def test_survives_pytree(state):
    doubled = pytree.tree_map(lambda leaf: 2 * leaf, state)
    assert type(doubled) is type(state)
    torch.testing.assert_close(doubled.c, 2 * state.c)
    leaves, spec = pytree.tree_flatten(state)
    assert pytree.tree_unflatten(leaves, spec).h is state.h


def test_survives_pickle_and_copy(state):
    cut = state.detach()
    for again in (pickle.loads(pickle.dumps(cut)), copy.deepcopy(cut), copy.copy(cut)):
        assert type(again) is type(state)
        torch.testing.assert_close(again.h, cut.h)


def test_stands_in_a_checkpoint_that_torch_loads_by_itself(state, tmp_path):
    torch.save({"state": state.detach()}, tmp_path / "checkpoint.pt")
    again = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state"]
    assert type(again) is type(state)
    assert torch.equal(again.c, state.c)


def test_detach(state):
    assert state.h.requires_grad
    cut = state.detach()
    assert type(cut) is type(state)
    assert not cut.h.requires_grad
    assert cut.h.data_ptr() == state.h.data_ptr()


def test_detach_of_any_state(state):
    x = torch.ones(2, requires_grad=True) * 1
    assert not detach_state(x).requires_grad
    assert [part.requires_grad for part in detach_state((x, x))] == [False, False]
    assert detach_state(None) is None
    ragged = make_state(("h",), ((x, x * 2),))
    assert not any(part.requires_grad for part in detach_state(ragged).h)
    _, torchs = gw.LSTM(3, 5)(torch.randn(4, 2, 3))
    assert not detach_state(torchs)[1].requires_grad


def test_truncated_backpropagation():
    layer = gw.Recurrent("lstm", 3, 5)
    _, state = layer(torch.randn(4, 2, 3))
    y, _ = layer(torch.randn(4, 2, 3), state.detach())
    y.sum().backward()
    y, _ = layer(torch.randn(4, 2, 3), state.detach())
    y.sum().backward()  # the first window's graph is not needed any more


class TestFile:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_round_trip(self, tmp_path, dtype):
        state = make_state(("h", "c"), (torch.randn(2, 3, 4, dtype=dtype), torch.ones(2, 3, 5)))
        state.save(tmp_path / "state")
        again = gw.State.load(tmp_path / "state")
        assert type(again) is type(state)
        for found, expected in zip(again, state, strict=True):
            assert found.dtype == expected.dtype
            assert torch.equal(found, expected)
        assert [path.name for path in tmp_path.iterdir()] == ["state"]

    def test_layers_of_different_sizes(self, tmp_path):
        layer, x = gw.Recurrent("lstm", 3, [4, 2]), torch.randn(5, 2, 3)
        _, state = layer(x)  # with its history of gradients
        state.save(tmp_path / "state.npz")
        again = gw.State.load(tmp_path / "state.npz")
        assert [part.shape for part in again.h] == [(2, 4), (2, 2)]
        torch.testing.assert_close(layer(x, again)[0], layer(x, state)[0])

    def test_device(self, state, tmp_path):
        state.save(tmp_path / "state")
        assert gw.State.load(tmp_path / "state", device="meta").h.device.type == "meta"

    def test_what_is_no_state(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            gw.State.load(tmp_path / "missing")
        (tmp_path / "text").write_text("h, c")
        (tmp_path / "pickled").write_bytes(pickle.dumps({"h": 1}))
        (tmp_path / "empty").write_bytes(b"")
        (tmp_path / "cut").write_bytes(b"PK\x03\x04 and no more")
        for name in ("text", "pickled", "empty", "cut"):
            with pytest.raises(ValueError, match=f"{name}: not a file that a state was saved to"):
                gw.State.load(tmp_path / name)
        gw.GRU(3, 5).stream().save(tmp_path / "stream")
        with pytest.raises(ValueError, match=r"holds '0.h', which is no field"):
            gw.State.load(tmp_path / "stream")

    def test_what_was_there_stays_where_writing_fails(self, state, tmp_path, monkeypatch):
        def fills_the_disk(file, **_):
            file.write(b"half")
            raise OSError("no space left")

        state.save(tmp_path / "state")
        before = (tmp_path / "state").read_bytes()
        monkeypatch.setattr(np, "savez", fills_the_disk)
        with pytest.raises(OSError, match="no space left"):
            state.save(tmp_path / "state")
        assert (tmp_path / "state").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["state"]


class TestBatchFirst:
    def test_recurrent(self):
        plain = gw.Recurrent("lstm", 3, 5, num_layers=2, bidirectional=True)
        layer = gw.Recurrent("lstm", 3, 5, 2, bidirectional=True, state_batch_first=True)
        layer.load_state_dict(plain.state_dict())
        x = torch.randn(7, 2, 3)
        _, expected = plain(x)
        _, state = layer(x)
        assert state.c.shape == (2, 4, 5)
        torch.testing.assert_close(state.c.transpose(0, 1), expected.c)
        torch.testing.assert_close(layer(x, state)[0], plain(x, expected)[0])
        _, alone = layer(x[:, 0])
        assert alone.c.shape == (4, 5)
        torch.testing.assert_close(layer(x[:, 0], alone)[0], layer(x, state)[0][:, 0])
        with pytest.raises(RuntimeError, match="state 'h'"):
            layer(x, expected)

    @pytest.mark.parametrize("kind", ["LSTM", "GRU"])
    @pytest.mark.parametrize("backend", ["torch", "reference"])
    def test_drop_in_layers(self, kind, backend):
        plain = getattr(gw, kind)(3, 5, 2, batch_first=True)
        layer = getattr(gw, kind)(3, 5, 2, batch_first=True, state_batch_first=True)
        layer.load_state_dict(plain.state_dict())
        x = torch.randn(3, 7, 3)
        with gw.use_backend(backend):
            (_, state), (_, expected) = layer(x), plain(x)
            first = state if kind == "GRU" else state[0]
            assert first.shape == (3, 2, 5)
            torch.testing.assert_close(layer(x, state)[0], plain(x, expected)[0])
            with pytest.raises(RuntimeError, match="Expected hidden size"):
                layer(x, expected)
