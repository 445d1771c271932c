"""Kernels and reference agree on everything a layer can be asked for at once, gradients included.

Each cell gets a random combination of options, marks and directions.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import gatewise as gw
from gatewise.equations.rewrite import recurrent_products
from tests.layers.recurrent_layers import CELLS, B, H, I, fits, further

T = 6
FEW = ("lstm", "gru_original", "slstm", "sru", "lstm_projection", "mut3")


def draw_layer(name, chance):
    """A layer with random options, and the options."""
    graph = gw.cells.get(name).graph
    drops = bool(recurrent_products(graph))
    layers = chance.choice([1, 2]) if fits(name, num_layers=2) else 1
    both = chance.random() < 0.5 and fits(name, True, layers)
    states = list(graph.states)
    zones = {state: 0.5 for state in states if chance.random() < 0.7}
    options = dict(
        num_layers=layers,
        bidirectional=both,
        batch_first=chance.random() < 0.5,
        bias=chance.random() < 0.8,
        input_dropout=chance.choice([0, 0.3]),
        recurrent_dropout=chance.choice([0, 0.3]) if drops else 0,
        weight_drop=chance.choice([0, 0.3]) if drops else 0,
        zoneout=chance.choice([0.0, 0.3, zones]),
        learn_initial=chance.random() < 0.6,
        layer_norm=layers > 1 and chance.random() < 0.5,
        recompute=chance.choice([False, 2, True]),
        state_batch_first=chance.random() < 0.5,
    )
    return gw.Recurrent(name, I, H, dtype=torch.float64, **options), options


def draw_call(layer, chance):
    """Random lengths, masks, resets and a state; every one may be missing."""
    order = (B, T) if layer.batch_first else (T, B)
    lengths = torch.tensor([chance.randint(0, T), T, chance.randint(1, T)])
    right = torch.arange(T)[:, None] < lengths
    mask = chance.choice([right, right.flip(0)])
    mask = mask.T if layer.batch_first else mask
    call = {}
    call["lengths"] = chance.choice([None, lengths, mask])
    call["reset"] = chance.choice([None, torch.rand(order) < 0.3])
    return order, {name: value for name, value in call.items() if value is not None}


def compare(name, seed):
    chance = random.Random(f"{name} {seed}")
    torch.manual_seed(seed)
    layer, options = draw_layer(name, chance)
    order, call = draw_call(layer, chance)
    with torch.no_grad():
        for value in layer.parameters():
            value.add_(0.1 * torch.randn_like(value))
    x = torch.randn(*order, I, dtype=torch.float64)
    more = further(layer.graph, *order)
    layer.eval()
    with torch.no_grad(), gw.use_backend("reference"):
        given = layer(x, **more)[1]
    noise = torch.randn(*order, layer.output_size, dtype=torch.float64)
    started = chance.random() < 0.5
    for training in (True, False):
        layer.train(training)
        found = {}
        for backend in ("reference", "llvm"):
            torch.manual_seed(seed)
            leaves = tree_map(lambda part: part.clone().requires_grad_(), (x, given))
            with gw.use_backend(backend):
                y, last = layer(leaves[0], leaves[1] if started else None, **call, **more)
                ends = tree_leaves(last)
                loss = (y * noise).sum() + sum(part.sin().sum() for part in ends)
                wanted = [*tree_leaves(leaves), *layer.parameters()]
                gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
            found[backend] = [y, *ends, *(g for g in gradients if g is not None)]
        said = f"{name}, seed {seed}, training {training}: {options}, {list(call)}"
        assert len(found["reference"]) == len(found["llvm"]), said
        for expected, value in zip(found["reference"], found["llvm"], strict=True):
            torch.testing.assert_close(
                value, expected, rtol=1e-8, atol=1e-9, msg=lambda m, said=said: f"{said}: {m}"
            )


@pytest.mark.kernels
@pytest.mark.parametrize(("seed", "name"), list(enumerate(FEW)))
def test_backends_agree(name, seed):
    compare(name, seed)


@pytest.mark.slow
@pytest.mark.kernels
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", range(2))
def test_backends_agree_for_every_cell(name, seed):
    compare(name, 100 + seed)
