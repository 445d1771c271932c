"""Scores of tokens as scores of vectors, and what is asked of a score."""

import pytest
import torch
from torch import nn

from gatewise.lens.attribution import Attribution, embedded
from gatewise.lens.integrated_gradients import integrated_gradients


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 3)
        self.recurrent = nn.GRU(3, 4)
        self.head = nn.Linear(4, 7)

    def forward(self, tokens):
        return self.head(self.recurrent(self.embedding(tokens))[0][-1])


def test_tokens_are_scored_as_their_vectors():
    model, tokens = Model(), torch.randint(7, (5, 2))
    score, x = embedded(lambda tokens: model(tokens)[:, 3], tokens, model.embedding)
    torch.testing.assert_close(x, model.embedding(tokens))
    torch.testing.assert_close(score(x), model(tokens)[:, 3])
    assert score(torch.zeros_like(x)).ne(score(x)).all()
    found = integrated_gradients(score, x)
    assert found.values.shape == (5, 2, 3)
    assert found.gap.abs().max() < 1e-5
    torch.testing.assert_close(model(tokens)[:, 3], found.score)  # the embedding is itself again


def test_the_embedding_is_itself_again_after_an_error():
    model, tokens = Model(), torch.randint(7, (5, 2))
    before = model(tokens)

    def fails(tokens):
        model(tokens)
        raise RuntimeError("no")

    score, x = embedded(fails, tokens, model.embedding)
    with pytest.raises(RuntimeError, match="no"):
        score(torch.zeros_like(x))
    assert torch.equal(model(tokens), before)


def test_an_embedding_that_is_not_called_once():
    model, tokens = Model(), torch.randint(7, (5, 2))
    score, x = embedded(lambda tokens: torch.zeros(2), tokens, model.embedding)
    with pytest.raises(ValueError, match="called the embedding 0 times"):
        score(x)


def test_wrong_inputs_and_scores():
    with pytest.raises(ValueError, match="For tokens, embedded"):
        integrated_gradients(lambda x: x, torch.zeros(3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"the score has shape \(3,\).*each of the 2"):
        integrated_gradients(lambda x: x.sum((1, 2)), torch.zeros(3, 2, 4))


def test_table_shows_what_weighs_most_in_order_of_time():
    values = torch.tensor([0.1, -5.0, 0.0, 2.0]).reshape(4, 1, 1)
    found = Attribution("occlusion", values, torch.ones(1), torch.zeros(1))
    lines = found.table(labels=["a", "b", "c", "d"], count=2).splitlines()
    assert [line.split() for line in lines[1:]] == [["1", "b", "-5"], ["3", "d", "2"]]
    assert str(found).startswith("occlusion: score 1, of the baseline 0")
