"""Every cell of the catalogue in a layer: direction, depth, lengths, resets, packing, copies."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from tests.layers.recurrent_layers import (
    CELLS,
    B,
    H,
    I,
    T,
    close,
    close_states,
    copy_weights,
    fits,
    further,
    layer_of,
    x_of,
)


@pytest.mark.parametrize("name", CELLS)
class TestCatalogue:
    def test_two_directions_are_two_layers_side_by_side(self, name):
        both, forward, backward = layer_of(name, bidirectional=True), layer_of(name), layer_of(name)
        copy_weights(forward, both)
        copy_weights(backward, both, reverse=True)
        x, more = x_of(T, B), further(both.graph, T, B)
        y, state = both(x, **more)
        ahead, last = forward(x, **more)
        back, first = backward(x.flip(0), **{n: v.flip(0) for n, v in more.items()})
        close(y, torch.cat([ahead, back.flip(0)], -1))
        for found, one, other in zip(state, last, first, strict=True):
            close(found, torch.cat([one, other]))

    def test_two_layers_are_one_above_the_other(self, name):
        if not fits(name, num_layers=2):
            with pytest.raises(ValueError, match="num_layers=1"):
                layer_of(name, 2)
            return
        two, lower, upper = layer_of(name, 2), layer_of(name), layer_of(name)
        if two.output_size != I:
            return
        copy_weights(lower, two, 0)
        copy_weights(upper, two, 1)
        x, more = x_of(T, B), further(two.graph, T, B)
        y, state = two(x, **more)
        between, low = lower(x, **more)
        above, high = upper(between, **more)
        close(y, above)
        for found, one, other in zip(state, low, high, strict=True):
            close(found, torch.cat([one, other]))

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_lengths_equal_running_each_sequence_alone(self, name, bidirectional):
        layer = layer_of(name, bidirectional=bidirectional)
        lengths = [3, 0, 5]
        x, more = x_of(T, B), further(layer.graph, T, B)
        state = layer(x_of(2, B), **further(layer.graph, 2, B))[1]
        y, last = layer(x, state, lengths=lengths, **more)
        for k, length in enumerate(lengths):
            one = {n: v[:length, k : k + 1] for n, v in more.items()}
            start = type(state)(*(part[:, k : k + 1] for part in state))
            alone, end = layer(x[:length, k : k + 1], start, **one)
            close(y[:length, k : k + 1], alone)
            assert not y[length:, k].any()
            for found, expected in zip(last, end, strict=True):
                close(found[:, k : k + 1], expected)

    def test_reset_equals_splitting(self, name):
        layer = layer_of(name, bidirectional=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        state = layer(x_of(2, B), **further(layer.graph, 2, B))[1]
        reset = torch.zeros(T, B, dtype=torch.bool)
        reset[2, 1] = reset[4, 1] = reset[0, 2] = True
        y, last = layer(x, state, reset=reset, **more)
        n = layer.output_size // 2
        for k, starts in enumerate([[0], [0, 2, 4], [0]]):
            ends = [*starts[1:], T]
            for start, end in zip(starts, ends, strict=True):
                part = {name: v[start:end, k : k + 1] for name, v in more.items()}
                begin = type(state)(*(p_[:, k : k + 1] for p_ in state))
                fresh = layer(x[start:end, k : k + 1], **part)
                given = layer(x[start:end, k : k + 1], begin, **part)
                # the state that was given begins each direction, unless a reset stands there
                from_start = start == 0 and not reset[0, k]
                ahead = (given if from_start else fresh)[0][..., :n]
                back = (given if end == T else fresh)[0][..., n:]
                close(y[start:end, k : k + 1], torch.cat([ahead, back], -1))
                for found, with_given, anew in zip(last, given[1], fresh[1], strict=True):
                    if end == T:
                        close(found[0, k], (with_given if from_start else anew)[0, 0])
                    if start == 0:
                        close(found[1, k], (with_given if end == T else anew)[1, 0])

    def test_state_handed_on_equals_one_long_call(self, name):
        layer = layer_of(name)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, state = layer(x, **more)
        first, middle = layer(x[:2], **{n: v[:2] for n, v in more.items()})
        second, last = layer(x[2:], middle, **{n: v[2:] for n, v in more.items()})
        close(y, torch.cat([first, second]))
        close_states(last, state)

    def test_shapes_without_batch_and_batch_first(self, name):
        layer, first = layer_of(name), layer_of(name, batch_first=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, state = layer(x, **more)
        swapped = {n: v.transpose(0, 1) for n, v in more.items()}
        other, state_first = first(x.transpose(0, 1), **swapped)
        close(other, y.transpose(0, 1))
        close_states(state_first, state)
        one = {n: v[:, 0] for n, v in more.items()}
        for layout in (layer, first):
            alone, end = layout(x[:, 0], **one)
            close(alone, y[:, 0])
            for found, expected in zip(end, state, strict=True):
                close(found, expected[:, 0])

    @pytest.mark.parametrize("sort", [False, True])
    def test_packed_equals_lengths(self, name, sort):
        layer = layer_of(name, bidirectional=True)
        lengths = torch.tensor([5, 3, 2] if sort else [2, 5, 3])
        x, more = x_of(T, B), further(layer.graph, T, B)
        packed = pack_padded_sequence(x, lengths, enforce_sorted=sort)
        y, last = layer(packed, **more)
        expected, state = layer(x, lengths=lengths, **more)
        assert isinstance(y, PackedSequence)
        found, counts = pad_packed_sequence(y)
        assert torch.equal(counts, lengths)
        close(found, expected)
        close_states(last, state)

    def test_copies(self, name):
        layer = layer_of(name, bidirectional=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, _ = layer(x, **more)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            close(other(x, **more)[0], y)
            assert repr(other) == repr(layer)
            other.load_state_dict(layer.state_dict())
            with torch.no_grad():
                next(other.parameters()).mul_(3)
            assert not torch.equal(next(layer.parameters()), next(other.parameters()))

    def test_every_weight_has_a_gradient_and_a_name(self, name):
        layer = layer_of(name)
        y, state = layer(x_of(T, B), **further(layer.graph, T, B))
        (y.sin().sum() + sum(part.sin().sum() for part in state)).backward()
        for stored in layer.parameters():
            assert stored.grad is not None
            assert torch.isfinite(stored.grad).all()
        count = sum(value.numel() for value in layer.weights().values())
        assert count == sum(value.numel() for value in layer.parameters())
        assert count == layer.cell.parameter_count(I, H)

    def test_without_bias(self, name):
        with_bias, without = layer_of(name), layer_of(name, bias=False)
        assert not any(key.startswith("b") for key in without.state_dict())
        with torch.no_grad():
            for key, value in with_bias.weights().items():
                value.zero_() if key.startswith("b.") else value.copy_(without.weights()[key])
        x, more = x_of(T, B), further(without.graph, T, B)
        close(without(x, **more)[0], with_bias(x, **more)[0])
