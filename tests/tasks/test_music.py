import itertools

import pytest
import torch
from torch.nn import functional

from gatewise.data.music.keys import KEYS
from gatewise.tasks.music import KeyOutput, MusicNetwork, Pieces


def network(**options):
    made = MusicNetwork(hidden=6, **options)
    if made.output.chords:
        torch.nn.init.normal_(made.output.pairs)
    return made.eval()


def pieces(*lengths):
    keys = (torch.rand(max(lengths), len(lengths), KEYS) < 0.2).float()
    return Pieces(torch.cat([0 * keys[:1], keys[:-1]]), keys, torch.tensor(lengths))


@torch.no_grad()
@pytest.mark.parametrize("chords", [True, False])
def test_surprise_is_that_of_each_key_given_the_past_and_the_keys_below(chords):
    model, given = network(chords=chords), pieces(3, 5)
    found = model.surprise(given)
    hidden = model.recurrent(given.before)[0]
    weights = model.output.below() if chords else torch.zeros(KEYS, KEYS)
    for t, b in itertools.product(range(5), range(2)):
        logits = model.output.head(hidden[t, b])
        expected = 0.0
        for k in range(KEYS):
            logit = logits[k] + (weights[k, :k] * given.keys[t, b, :k]).sum()
            expected += functional.binary_cross_entropy_with_logits(logit, given.keys[t, b, k])
        wanted = expected if t < given.lengths[b] else 0.0
        assert float(found[t, b]) == pytest.approx(float(wanted), rel=1e-4)


@torch.no_grad()
def test_no_key_is_told_of_itself_or_of_those_above():
    output = network().output
    hidden, keys = torch.randn(1, 1, 6), torch.zeros(1, 1, KEYS)
    before = output(hidden, keys)
    keys[0, 0, 40] = 1
    changed = (output(hidden, keys) != before)[0, 0]
    assert not changed[:41].any()
    assert changed[41:].all()


@torch.no_grad()
def test_probabilities_of_all_chords_sum_to_one():
    """Of the three highest keys, the others held."""
    output = network().output
    keys = torch.ones(8, KEYS)
    keys[:, -3:] = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)))
    logits = output(torch.randn(6).expand(8, 6), keys)[:, -3:]
    likely = -functional.binary_cross_entropy_with_logits(logits, keys[:, -3:], reduction="none")
    assert float(likely.sum(-1).exp().sum()) == pytest.approx(1.0, rel=1e-5)


def test_drawn_keys_are_as_frequent_as_they_are_likely():
    output = KeyOutput(6, KEYS, chords=True)
    with torch.no_grad():
        output.pairs.normal_()
        hidden = torch.randn(1, 6).expand(20_000, 6)
        drawn = output.draw(hidden, torch.rand(20_000, KEYS), 1.0)
        likely = torch.sigmoid(output(hidden, drawn)).mean(0)
    # five standard deviations of a share among 20,000
    assert float((drawn.mean(0) - likely).abs().max()) < 5 * 0.5 / 20_000**0.5


@torch.no_grad()
def test_temperature_zero_takes_the_likelier():
    output = network().output
    hidden = torch.randn(2, 6)
    first = output.draw(hidden, torch.rand(2, KEYS), 0.0)
    assert torch.equal(first, output.draw(hidden, torch.rand(2, KEYS), 0.0))
    assert torch.equal(first, (output(hidden, first) > 0).float())


def test_music_is_a_function_of_its_noise_and_its_beginning():
    model, noise = network(), torch.rand(12, KEYS)
    made = model.compose(12, noise)
    assert torch.equal(made, model.compose(12, noise))
    assert not torch.equal(made, model.compose(12, noise.flip(0)))
    # what goes on after a beginning is what would have come
    assert torch.equal(made[5:], model.compose(7, noise[5:], begin=made[:5]))


@torch.no_grad()
def test_expected_keys_are_those_likely_where_keys_do_not_know_of_each_other():
    output = network(chords=False).output
    hidden = torch.randn(3, 6)
    assert torch.allclose(output.expect(hidden), output.head(hidden))


def test_cells_that_use_their_input_unit_by_unit_get_one_that_fits():
    model = MusicNetwork("sru", hidden=6)
    assert model.surprise(pieces(4)).shape == (4, 1)
