"""What people pass as a sequence, arranged time first, and handed back in their order."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from gatewise.layers import sequence as module
from gatewise.layers.sequence import arrange

T, B, I = 4, 3, 2
X = torch.arange(float(T * B * I)).reshape(T, B, I)
LENGTHS = torch.tensor([2, 4, 1])


def test_batched():
    found = arrange(X, False)
    assert torch.equal(found.x, X)
    assert (found.steps, found.batch, found.alive) == (T, B, None)
    assert torch.equal(found.restore(X * 2), X * 2)


def test_batch_first():
    found = arrange(X.transpose(0, 1), True)
    assert torch.equal(found.x, X)
    assert torch.equal(found.restore(X), X.transpose(0, 1))


@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched(batch_first):
    found = arrange(X[:, 0], batch_first)
    assert torch.equal(found.x, X[:, :1])
    assert torch.equal(found.restore(X[:, :1]), X[:, 0])
    assert torch.equal(found.arrange(torch.arange(T), "dt", 1)[:, 0, 0], torch.arange(T))


def test_lengths_tell_what_is_alive():
    found = arrange(X, False, [2, 4, 0])
    assert found.alive.squeeze(-1).long().sum(0).tolist() == [2, 4, 0]
    assert found.alive.shape == (T, B, 1)
    assert found.alive[:2, 0].all()


@pytest.mark.parametrize("sort", [False, True])
def test_packed(sort):
    lengths = LENGTHS if not sort else torch.tensor([4, 2, 1])
    packed = pack_padded_sequence(X, lengths, enforce_sorted=sort)
    found = arrange(packed, False)
    assert (found.steps, found.batch) == (T, B)
    assert found.alive.squeeze(-1).long().sum(0).tolist() == lengths.tolist()
    assert torch.equal(found.x, pad_packed_sequence(packed)[0])
    again = found.restore(found.x * 2)
    assert torch.equal(again.data, packed.data * 2)
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        mine, theirs = getattr(again, name), getattr(packed, name)
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


def test_packed_is_padded_only_when_somebody_asks(monkeypatch):
    def fail(*_):
        raise AssertionError("padded")

    monkeypatch.setattr(module, "packed_rows", fail)
    found = arrange(pack_sequence([X[:, 0], X[:2, 1]]), False)
    assert (found.steps, found.batch, found.data.shape[-1]) == (T, 2, I)
    with pytest.raises(AssertionError, match="padded"):
        _ = found.x


def test_gradient_flows_through_packing():
    data = X.double().requires_grad_()
    found = arrange(pack_padded_sequence(data, LENGTHS, enforce_sorted=False), False)
    found.restore(found.x**2).data.sum().backward()
    alive = (torch.arange(T)[:, None] < LENGTHS)[..., None]
    torch.testing.assert_close(data.grad, 2 * data.detach() * alive)


class TestFurtherInput:
    def test_in_the_callers_order(self):
        u = torch.randn(B, T, 5)
        found = arrange(X.transpose(0, 1), True)
        assert torch.equal(found.arrange(u, "u", 5), u.transpose(0, 1))
        assert torch.equal(found.arrange(u[..., 0], "u", 1), u[..., :1].transpose(0, 1))

    @pytest.mark.parametrize(
        ("value", "size"),
        [
            (torch.zeros(T, B), 2),
            (torch.zeros(B, T), 1),
            (torch.zeros(T, B, 3), 2),
            (torch.zeros(T + 1, B), 1),
            (torch.zeros(T), 1),
            (torch.zeros(()), 1),
            (torch.zeros(T, B, 1, 1), 1),
        ],
    )
    def test_wrong_shape_names_the_input(self, value, size):
        with pytest.raises(
            ValueError, match=r"speed has shape .*expected \(T, B, size\)"
        ) as caught:
            arrange(X, False).arrange(value, "speed", size)
        assert f"expected (T, B, size) with T = {T}, B = {B}, size = {size}" in str(caught.value)

    def test_wrong_shape_in_the_callers_words(self):
        with pytest.raises(ValueError, match=r"expected \(B, T, size\)"):
            arrange(X.transpose(0, 1), True).arrange(torch.zeros(T, B), "speed", 1)
        with pytest.raises(ValueError, match=r"expected \(T, size\) with T = 4"):
            arrange(X[:, 0], True).arrange(torch.zeros(T, B), "speed", 1)


@pytest.mark.parametrize(
    ("x", "lengths", "error"),
    [
        (X[0, 0], None, ValueError),
        (X[None], None, ValueError),
        ([1.0, 2.0], None, TypeError),
        (None, None, TypeError),
        (X, [1, 2], ValueError),
        (X, 3, ValueError),
        (X, [1, 2, T + 1], ValueError),
        (X, [1, 2, -1], ValueError),
        (X, [True, True, False], ValueError),
        (X, torch.tensor([1.0, 2.0, 3.0]), ValueError),
        (pack_sequence([X[:, 0]]), [4], ValueError),
    ],
)
def test_wrong_sequence(x, lengths, error):
    with pytest.raises(error, match=r"the layer|PackedSequence"):
        arrange(x, False, lengths)
