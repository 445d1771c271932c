"""Beam search against trying every translation."""

import itertools

import pytest
import torch

from gatewise.tasks.translation import Translator
from gatewise.tasks.translation_search import length_penalty, search

LIMIT = 4  # tokens with the end


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    made = Translator(6, 4, "lstm", 8).double().eval()
    for weight in made.parameters():  # so that probabilities differ
        torch.nn.init.normal_(weight, std=0.7)
    return made


@pytest.fixture(scope="module")
def memory(model):
    sources = torch.tensor([[1, 2], [3, 5], [5, 0]])
    with torch.no_grad():
        return model.encode(sources, torch.tensor([3, 2]))


def every_translation(model, strength):
    """Return each source's translations of at most LIMIT tokens with their scores."""
    sources, lengths = [torch.tensor([[1, 3, 5]]).T, torch.tensor([[2, 5]]).T], [3, 2]
    for source, length in zip(sources, lengths, strict=True):
        found = {}
        for size in range(LIMIT):
            for tokens in itertools.product(range(3), repeat=size):
                target = torch.tensor([*tokens, model.end])[:, None]
                with torch.no_grad():
                    loss = model.loss(
                        source,
                        torch.tensor([length]),
                        target,
                        torch.tensor([size + 1]),
                        reduction="sum",
                    )
                found[tokens] = -float(loss) / length_penalty(size + 1, strength)
        yield found


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(model, memory, strength):
    found = search(model, memory, torch.tensor([LIMIT, LIMIT]), 60, strength)
    for row, every in zip(found, every_translation(model, strength), strict=True):
        best = sorted(every.items(), key=lambda item: -item[1])[:5]
        assert [tuple(each.tokens) for each in row[:5]] == [tokens for tokens, _ in best]
        assert [each.score for each in row[:5]] == pytest.approx([score for _, score in best])


def test_a_beam_of_one_takes_the_likeliest_token(model, memory):
    found = search(model, memory, torch.tensor([LIMIT, LIMIT]), 1, 0.0)
    tokens, state = torch.full((2,), model.end), None
    written = [[], []]
    open_ones = {0, 1}
    for _ in range(LIMIT - 1):
        with torch.no_grad():
            logs, state = model.step(tokens, memory, state)
        tokens = logs.argmax(-1)
        for k in sorted(open_ones):
            if tokens[k] == model.end:
                open_ones.discard(k)
            else:
                written[k].append(int(tokens[k]))
    assert [row[0].tokens for row in found] == written


def test_limits_and_forbidden_tokens_hold(model, memory):
    found = search(model, memory, torch.tensor([2, 3]), 5, 1.0, forbidden=[1])
    for row, limit in zip(found, (2, 3), strict=True):
        assert row
        for each in row:
            assert len(each.tokens) < limit
            assert 1 not in each.tokens


def test_strength_favours_long_translations(model, memory):
    lengths = [
        sum(len(row[0].tokens) for row in search(model, memory, torch.tensor([9, 9]), 20, each))
        for each in (0.0, 3.0)
    ]
    assert lengths[0] < lengths[1]
