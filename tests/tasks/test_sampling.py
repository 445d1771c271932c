from itertools import islice

import pytest
import torch

from gatewise.tasks.language import LanguageModel
from gatewise.tasks.sampling import Sampler, draw_tokens

LOGITS = torch.tensor([0.5, 0.1, 0.3, 0.07, 0.03]).log()


def probabilities(**options):
    return Sampler(**options).probabilities(LOGITS).tolist()


def test_without_options_it_is_softmax():
    assert probabilities() == pytest.approx([0.5, 0.1, 0.3, 0.07, 0.03])


def test_temperature_sharpens_and_zero_takes_the_likeliest():
    squared = torch.tensor([0.25, 0.01, 0.09, 0.0049, 0.0009], dtype=torch.float64)
    assert probabilities(temperature=0.5) == pytest.approx((squared / squared.sum()).tolist())
    assert probabilities(temperature=0) == [1, 0, 0, 0, 0]
    assert probabilities(temperature=1e-300) == [1, 0, 0, 0, 0]
    assert probabilities(temperature=1e9) == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(
    ("top_k", "kept"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (5, range(5)), (99, range(5))]
)
def test_top_k_keeps_the_likeliest_in_proportion(top_k, kept):
    found = probabilities(top_k=top_k)
    assert [number for number, each in enumerate(found) if each > 0] == list(kept)
    assert sum(found) == pytest.approx(1)
    assert all(found[n] / found[0] == pytest.approx(LOGITS.exp()[n] / 0.5) for n in kept)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.01, [0]), (0.49, [0]), (0.51, [0, 2]), (0.79, [0, 2]), (0.85, [0, 1, 2]), (1, range(5))],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, kept):
    found = probabilities(top_p=top_p)
    assert [number for number, each in enumerate(found) if each > 0] == list(kept)
    assert sum(found) == pytest.approx(1)


def test_top_p_counts_what_top_k_left():
    assert probabilities(top_k=2, top_p=0.6) == pytest.approx([1, 0, 0, 0, 0])
    assert probabilities(top_k=2, top_p=0.63) == pytest.approx([0.625, 0, 0.375, 0, 0])


def test_of_equals_top_k_takes_the_first():
    assert Sampler(top_k=2).probabilities(torch.zeros(4)).tolist() == [0.5, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top-k"),
        ({"top_p": 0}, "top-p"),
        ({"top_p": 1.1}, "top-p"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**options)


def test_draws_follow_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    drawn = [Sampler().draw(LOGITS, generator) for _ in range(4000)]
    counts = torch.bincount(torch.tensor(drawn), minlength=5) / 4000
    torch.testing.assert_close(counts, LOGITS.exp(), atol=0.03, rtol=0)


@pytest.mark.parametrize("cell", ["lstm", "peephole"])
def test_tokens_drawn_step_by_step_are_those_of_the_whole(cell):
    model = LanguageModel(7, cell, 4, 6).eval()
    prompt = [1, 2, 3] * 150  # longer than what is read at once
    generator = torch.Generator()
    drawn = list(islice(draw_tokens(model, prompt, Sampler(0), generator), 20))
    with torch.no_grad():
        logits, _ = model(torch.tensor([*prompt, *drawn])[:, None])
    assert drawn == logits[len(prompt) - 1 : -1, 0].argmax(-1).tolist()


def test_a_forbidden_token_is_never_drawn():
    model = LanguageModel(3, "gru", 4, 6).eval()
    generator = torch.Generator().manual_seed(0)
    drawn = list(islice(draw_tokens(model, [0], Sampler(), generator, never=1), 200))
    assert set(drawn) == {0, 2}


def test_drawing_leaves_the_callers_gradients_on():
    for _ in islice(draw_tokens(LanguageModel(3), [0], Sampler(), torch.Generator()), 2):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
