import copy
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
from gatewise.tasks.vocabulary_output import choose_cutoffs

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


OUTPUTS = [{}, {"tied": True}, {"cutoffs": (3, 6)}]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_output_is_a_distribution_and_its_loss_is_that_of_its_targets(output, reduction):
    model = LanguageModel(11, embedding=5, hidden=8, **output).double().eval()
    if "cutoffs" in output:
        model.head.order_by(torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]))
    inputs, targets = tokens(6, 4), tokens(6, 4) - 0
    targets[4:, 2] = -100
    likely = torch.log_softmax(model(inputs)[0], -1)
    if "cutoffs" in output:  # they are logarithms of probabilities as they come
        torch.testing.assert_close(model(inputs)[0], likely)
    expected = -likely.gather(-1, targets.clamp(min=0)[..., None])[..., 0][targets >= 0]
    expected = expected.mean() if reduction == "mean" else expected.sum()
    torch.testing.assert_close(model.loss(inputs, targets, reduction=reduction)[0], expected)


def test_frequent_tokens_come_first():
    head = LanguageModel(6, hidden=8, cutoffs=(2, 4)).head
    head.order_by(torch.tensor([5, 0, 7, 5, 1, 9]))
    assert head.rank.tolist() == [2, 5, 1, 3, 4, 0]


@pytest.mark.parametrize(("embedding", "projected"), [(8, False), (5, True)])
def test_a_tied_output_has_the_embedding_s_weights_and_learns_with_them(embedding, projected):
    model = LanguageModel(11, embedding=embedding, hidden=8, tied=True)
    names = [name for name, _ in model.named_parameters()]
    assert ("head.projection.weight" in names) == projected
    assert names.count("embedding.weight") == 1
    assert "head.weight" not in names
    assert model.head.weight is model.embedding.weight
    copied = copy.deepcopy(model)
    assert copied.head.weight is copied.embedding.weight
    model.loss(tokens(5, 2) * 0, tokens(5, 2) * 0 + 7)[0].backward()
    reached = model.embedding.weight.grad.abs().sum(1) > 0
    assert reached.all()  # not token 0 alone, which was read


def test_what_cannot_be_an_output_is_refused():
    with pytest.raises(ValueError, match="cannot be tied"):
        LanguageModel(11, tied=True, cutoffs=(3, 6))
    with pytest.raises(ValueError, match="this one has 99 tokens"):
        choose_cutoffs(99)
    assert choose_cutoffs(100) == (5, 25)


def test_dropped_tokens_have_no_vector_anywhere_in_the_window():
    model = LanguageModel(11, embedding_dropout=0.5)
    text = tokens(30, 4)
    embedded = model.embed(text)
    plain = model.embedding(text)
    dropped = (embedded == 0).all(-1)
    assert {token for token in range(11) if dropped[text == token].any()} == {
        token for token in range(11) if dropped[text == token].all()
    }
    assert 0 < dropped.float().mean() < 1
    torch.testing.assert_close(embedded[~dropped], 2 * plain[~dropped])
    assert torch.equal(model.eval().embed(text), plain)


def test_penalties_are_those_of_the_paper_and_only_in_training():
    model = LanguageModel(11, activation_penalty=2.0, change_penalty=3.0)
    inputs, targets = tokens(6, 4), tokens(6, 4)
    hidden, _ = model.read(inputs)
    entropy = model.head.loss(hidden, targets, "mean")
    changes = (hidden[1:] - hidden[:-1]).square().mean()
    expected = entropy + 2 * hidden.square().mean() + 3 * changes
    torch.testing.assert_close(model.loss(inputs, targets)[0], expected)
    torch.testing.assert_close(model.eval().loss(inputs, targets)[0], entropy)


def test_regularizers_reach_the_layers():
    chosen = {"input_dropout": 0.1, "recurrent_dropout": 0.2, "weight_drop": 0.3, "zoneout": 0.4}
    for cell in ("lstm", "peephole"):
        options = LanguageModel(11, cell, options=chosen).recurrent.options
        assert {name: getattr(options, name) for name in chosen} == chosen
