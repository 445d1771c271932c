import math

import pytest
import torch
from torch import nn

from gatewise.layers import GRU, LSTM, RNN, detach_state
from gatewise.tasks.language import (
    LanguageModel,
    bits_per_character,
    embedding_size,
    perplexity,
    recurrent_layers,
)

CELLS = ["lstm", "gru", "rnn", "peephole", "sru", "slstm"]


def tokens(*shape):
    return torch.randint(11, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_carried_state_makes_windows_equal_one_long_call(cell, layers):
    model = LanguageModel(11, cell, embedding_size(cell, 8, 5), 8, layers, 0.3).double().eval()
    text = tokens(24, 3)
    whole, last = model(text)
    state, parts = None, []
    for window in text.split(7):
        logits, state = model(window, state)
        state = detach_state(state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(tuple(state), tuple(last), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_end_where_the_state_is_detached(cell):
    model = LanguageModel(11, cell, embedding_size(cell, 8, 5), 8)
    first, second = tokens(5, 2), tokens(5, 2) * 0
    _, state = model(first)
    loss, _ = model.loss(second, second, detach_state(state))
    loss.backward()
    reached = model.embedding.weight.grad.abs().sum(1) > 0
    assert reached.tolist() == [True] + [False] * 10


def test_the_loss_is_the_mean_cross_entropy_and_leaves_out_what_has_no_target():
    model = LanguageModel(11).eval()
    inputs, targets = tokens(6, 4), tokens(6, 4) - 0
    targets[3:, 1] = -100
    logits, _ = model(inputs)
    likely = torch.log_softmax(logits, -1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    expected = -likely[targets >= 0]
    torch.testing.assert_close(model.loss(inputs, targets)[0], expected.mean())
    torch.testing.assert_close(
        model.loss(inputs, targets, reduction="sum")[0], expected.sum(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("name", "layer"), [("lstm", LSTM), ("gru", GRU), ("rnn", RNN)])
def test_cells_of_torch_take_the_layers_of_torch(name, layer):
    made = recurrent_layers(name, 3, 4, 2, 0.5)
    assert isinstance(made, layer)
    assert made.dropout == 0.5
    assert recurrent_layers(name, 3, 4, 1, 0.5).dropout == 0  # torch warns of it


def test_dropout_works_only_in_training():
    model = LanguageModel(11, dropout=0.5)
    text = tokens(5, 2)
    assert not torch.equal(model(text)[0], model(text)[0])
    model.eval()
    assert torch.equal(model(text)[0], model(text)[0])


def test_the_head_fits_the_output_of_the_cell():
    model = LanguageModel(11, "intersection", 8, 8)
    assert model(tokens(3, 2))[0].shape == (3, 2, 11)
    assert isinstance(model.head, nn.Linear)


def test_cells_that_need_more_than_a_text_are_refused():
    with pytest.raises(ValueError, match="cell 'cfc' reads x, dt at every step, but here"):
        LanguageModel(11, "cfc")


def test_a_uniform_model_has_the_figures_of_a_uniform_model():
    nats = math.log(64)
    assert perplexity(nats) == pytest.approx(64)
    assert bits_per_character(nats, 100, 100) == pytest.approx(6)
    assert bits_per_character(nats, 100, 400) == pytest.approx(1.5)
    assert perplexity(1e9) == math.inf
