"""Which steps count: lengths of every kind, and masks padded on either side."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw
from gatewise.layers.padding import counted_steps, packed_rows
from tests.layers.recurrent_layers import B, H, I, T, close, close_states, layer_of, x_of

LENGTHS = [3, 0, 5]
RIGHT = torch.arange(T)[:, None] < torch.tensor(LENGTHS)
X = torch.zeros(T, B, I)


class TestLengths:
    @pytest.mark.parametrize(
        "given",
        [
            LENGTHS,
            tuple(LENGTHS),
            *(torch.tensor(LENGTHS, dtype=getattr(torch, f"int{n}")) for n in (8, 16, 32, 64)),
            torch.tensor(LENGTHS, dtype=torch.uint8),
            torch.tensor(LENGTHS).numpy(),
            RIGHT,
            RIGHT.long(),
            RIGHT.tolist(),
        ],
    )
    def test_every_kind(self, given):
        assert torch.equal(counted_steps(given, X, False, True, "layer"), RIGHT)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
    def test_more_steps_than_the_dtype_counts(self, dtype):
        x = torch.zeros(300, 2, I)
        found = counted_steps(torch.tensor([100, 0], dtype=dtype), x, False, True, "layer")
        assert found.sum(0).tolist() == [100, 0]

    def test_mask_in_the_callers_order(self):
        assert torch.equal(counted_steps(RIGHT.T, X, True, True, "layer"), RIGHT)

    def test_square_mask_is_read_in_the_callers_order(self):
        x = torch.zeros(3, 3, I)
        mask = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 0, 0]])
        assert torch.equal(counted_steps(mask, x, False, True, "layer"), mask.bool())
        assert torch.equal(counted_steps(mask, x, True, True, "layer"), mask.bool().T)

    @pytest.mark.parametrize(
        "given", [3, [3], torch.tensor(3), RIGHT[:, 0], RIGHT[:, 0].int(), RIGHT[:, :1]]
    )
    def test_without_a_batch(self, given):
        assert torch.equal(counted_steps(given, X[:, :1], False, False, "layer"), RIGHT[:, :1])

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ([1, 2], r"3 whole numbers.*or a mask \(5, 3\); got \(2,\)"),
            (RIGHT.T, r"or a mask \(5, 3\); got \(3, 5\) of torch.bool"),
            ([True, False, True], "3 whole numbers"),
            ([0.5, 1.0, 2.0], "whole numbers or a mask, not torch.float32"),
            ([1, 2, 6], "between 0 and T = 5"),
            ([-1, 2, 3], "between 0 and T = 5"),
            (2 * RIGHT.int(), "a mask holds 0 and 1 alone"),
            (torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]), "has holes"),
        ],
    )
    def test_wrong(self, given, says):
        with pytest.raises(ValueError, match=f"layer: .*{says}"):
            counted_steps(given, X, False, True, "layer")

    def test_meta_device_does_not_wait_for_values(self):
        found = counted_steps([1, 2, 3], X.to("meta"), False, True, "layer")
        assert (found.device.type, found.shape) == ("meta", (T, B))


@pytest.mark.parametrize("sort", [False, True])
def test_rows_of_a_packed_sequence(sort):
    lengths = torch.tensor([5, 3, 2] if sort else [2, 5, 3])
    places = torch.arange(T * B).view(T, B, 1)
    packed = pack_padded_sequence(places, lengths, enforce_sorted=sort)
    assert torch.equal(packed_rows(packed), packed.data.squeeze(-1))


def alone(layer, x, state, k, steps):
    """One sequence without its padding."""
    start = None if state is None else type(state)(*(part[:, k : k + 1] for part in state))
    return layer(x[steps, k : k + 1], start)


class TestMasks:
    """A layer on padded sequences does what it does on each sequence alone."""

    @pytest.mark.parametrize("given", [False, True])
    @pytest.mark.parametrize("name", ["lstm", "gru", "scrn"])
    def test_left_padding(self, name, given):
        layer = layer_of(name, bidirectional=True, initial={"h": 0.3})
        x, left = x_of(T, B), RIGHT.flip(0)
        state = layer(x_of(2, B))[1] if given else None
        y, last = layer(x, state, lengths=left)
        for k, length in enumerate(LENGTHS):
            expected, end = alone(layer, x, state, k, slice(T - length, T))
            close(y[T - length :, k : k + 1], expected)
            assert not y[: T - length, k].any()
            for found, part in zip(last, end, strict=True):
                close(found[:, k : k + 1], part)

    def test_padding_on_both_sides(self):
        layer, x = layer_of("lstm", bidirectional=True), x_of(T, B)
        mask = torch.zeros(T, B, dtype=torch.bool)
        mask[1:4] = True
        y, last = layer(x, lengths=mask)
        expected, end = layer(x[1:4])
        close(y[1:4], expected)
        close_states(last, end)

    def test_empty_row_keeps_the_start_state(self):
        for options in ({}, {"learn_initial": True, "initial": {"c": 0.7}}):
            layer, x = layer_of("lstm", bidirectional=True, **options), x_of(T, B)
            mask = torch.ones(T, B, dtype=torch.bool)
            mask[:, 1] = False
            _, last = layer(x, lengths=mask)
            assert (last.c[:, 1] == (0.7 if options else 0.0)).all()
            state = layer(x)[1]
            _, last = layer(x, state, lengths=mask)
            assert torch.equal(last.c[:, 1], state.c[:, 1])

    @pytest.mark.parametrize("padding", [1e3, float("nan"), float("inf")])
    def test_what_stands_in_the_padding_does_not_matter(self, padding):
        layer = layer_of("lstm", 2, bidirectional=True)
        x = x_of(T, B)
        other = torch.where(RIGHT[..., None], x, padding)
        results = []
        for value in (x.requires_grad_(), other.detach().requires_grad_()):
            y, last = layer(value, lengths=LENGTHS)
            loss = y.sum() + last.c.sin().sum()
            results.append([y, last.c, *torch.autograd.grad(loss, [value, *layer.parameters()])])
        for a, c in zip(*results, strict=True):
            close(a, c)
        assert not results[0][2][~RIGHT].any()

    def test_further_inputs_may_hold_anything_in_the_padding(self):
        layer, x, dt = layer_of("cfc"), x_of(T, B), torch.rand(T, B, 1).double()
        (expected,) = torch.autograd.grad(layer(x, lengths=LENGTHS, dt=dt)[0].sum(), layer.W_l0)
        dt[~RIGHT] = float("nan")
        (found,) = torch.autograd.grad(layer(x, lengths=LENGTHS, dt=dt)[0].sum(), layer.W_l0)
        close(found, expected)

    def test_lengths_and_what_counts_may_be_mapped(self):
        layer, x = layer_of("lstm"), x_of(2, T, B)
        lengths = torch.tensor([LENGTHS, [5, 5, 1]])
        found = torch.vmap(lambda x, n: layer(x, lengths=n)[0])(x, lengths)
        for k in range(2):
            close(found[k], layer(x[k], lengths=lengths[k])[0])
        with pytest.raises(ValueError, match="between 0 and T = 5"):
            torch.vmap(lambda x, n: layer(x, lengths=n)[0])(x, lengths + 1)

    @pytest.mark.kernels
    def test_compiled_program_takes_masks(self):
        layer = gw.GRU(I, H, bidirectional=True)
        x, left = torch.randn(T, B, I), RIGHT.flip(0)
        program = torch.compile(layer, backend="eager", fullgraph=True)
        torch.testing.assert_close(program(x, lengths=left)[0], layer(x, lengths=left)[0])

    def test_reset_at_the_first_step_that_counts(self):
        """With left padding a segment starts within the sequence, not before it."""
        layer, x = layer_of("lstm", bidirectional=True), x_of(T, B)
        left = RIGHT.flip(0)
        reset = torch.zeros(T, B, dtype=torch.bool)
        reset[2, 0] = True  # the first sequence counts from step 2 on
        reset[0, 0] = reset[1, 0] = True  # and in the padding, where nothing can start
        state = layer(x_of(2, B))[1]
        y, last = layer(x, state, lengths=left, reset=reset)
        fresh, end = alone(layer, x, None, 0, slice(2, T))
        given, ends = alone(layer, x, state, 0, slice(2, T))
        close(y[2:, :1, :H], fresh[..., :H])
        close(y[2:, :1, H:], given[..., H:])
        for found, anew, handed in zip(last, end, ends, strict=True):
            close(found[0, 0], anew[0, 0])
            close(found[1, 0], handed[1, 0])

    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
    @pytest.mark.parametrize("batch_first", [False, True])
    def test_drop_in_layers(self, kind, batch_first):
        layer = getattr(gw, kind)(I, H, 2, bidirectional=True, batch_first=batch_first)
        x, left = torch.randn(T, B, I), RIGHT.flip(0)
        order = (lambda value: value.transpose(0, 1)) if batch_first else (lambda value: value)
        y, last = layer(order(x), lengths=order(left))
        y = order(y)
        for k in (0, 2):
            n = LENGTHS[k]
            expected, end = layer(order(x[T - n :, k : k + 1]))
            torch.testing.assert_close(y[T - n :, k : k + 1], order(expected))
            pairs = [(last, end)] if kind != "LSTM" else zip(last, end, strict=True)
            for found, part in pairs:
                torch.testing.assert_close(found[:, k : k + 1], part)
