"""What torch's layers refuse, ours refuse with the same kind of error, on every path."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw
from tests.layers.torch_pairs import (
    BACKENDS,
    KINDS,
    B,
    H,
    I,
    T,
    on,
    pair,
)


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
