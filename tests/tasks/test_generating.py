import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gatewise.tasks.generating import END, SequenceGenerator, Sequences


def symbols(*rows, filled=0):
    T = max(map(len, rows))
    values = torch.full((T, len(rows)), filled)
    for b, row in enumerate(rows):
        values[: len(row), b] = torch.tensor(row)
    return Sequences(values, torch.tensor([len(row) for row in rows]))


def test_probabilities_of_all_texts_sum_to_one():
    torch.manual_seed(0)
    generator = SequenceGenerator(symbols=3, hidden=4)
    total = 0.0
    for T in range(7):
        rows = list(itertools.product((1, 2), repeat=T))
        for row in rows:
            surprise, count = generator.surprise(
                Sequences(torch.tensor(row, dtype=torch.long).reshape(T, 1), torch.tensor([T]))
            )
            assert count == T + 1
            total += math.exp(-surprise.item())
    # what is missing are longer texts: each of six steps goes on with less than all
    assert 0.7 < total < 1


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "sru"])
def test_what_stands_past_the_end_does_not_matter(cell):
    torch.manual_seed(0)
    generator = SequenceGenerator(symbols=4, cell=cell, hidden=6)
    rows = ([1, 2, 3, 3, 2], [2], [3, 1])
    together = generator.surprise(symbols(*rows))
    other = generator.surprise(symbols(*rows, filled=3))
    alone = [generator.surprise(symbols(row)) for row in rows]
    torch.testing.assert_close(together, other)
    torch.testing.assert_close(together[0], sum(each[0] for each in alone))
    assert together[1] == 8 + 3
    numbers = SequenceGenerator(channels=2, cell=cell, hidden=6)
    values, lengths = torch.randn(5, 3, 2), torch.tensor([5, 1, 3])
    together = numbers.surprise(Sequences(values, lengths))
    alone = [
        numbers.surprise(Sequences(values[:n, [b]], torch.tensor([n])))
        for b, n in enumerate(lengths.tolist())
    ]
    torch.testing.assert_close(together[0], sum(each[0] for each in alone))
    assert together[1] == 2 * 9


def test_density_of_numbers_is_that_of_the_mixture():
    torch.manual_seed(0)
    generator = SequenceGenerator(channels=2, hidden=6, components=3)
    values = torch.randn(4, 2, 2)
    last = torch.cat([torch.zeros(1, 2, 2), values])
    hidden, _ = generator.recurrent(generator.input(last))
    logits, means, scales = generator.output.mixture(hidden[:-1], last[:-1])
    mixture = MixtureSameFamily(
        Categorical(logits=logits), Independent(Normal(means, scales.exp()), 1)
    )
    expected = -mixture.log_prob(values).sum()
    found, _ = generator.surprise(Sequences(values, torch.tensor([4, 4])))
    torch.testing.assert_close(found, expected)


def test_noise_picks_each_symbol_as_often_as_it_is_likely():
    torch.manual_seed(0)
    output = SequenceGenerator(symbols=5, hidden=4).output
    hidden = 3 * torch.randn(1, 4)
    shares = output.head(hidden).softmax(-1)[0]
    noise = torch.linspace(0, 1, 10_001)[:-1, None]
    picked = output.pick(hidden.expand(len(noise), -1), None, noise)
    torch.testing.assert_close(picked.bincount(minlength=5) / len(noise), shares, atol=2e-4, rtol=0)
    assert (picked.diff() >= 0).all()
    assert output.pick(hidden, None, torch.ones(1, 1)) == 4


def test_noise_picks_numbers_of_the_right_mean_and_spread():
    torch.manual_seed(0)
    generator = SequenceGenerator(channels=2, hidden=4, components=3)
    hidden, last = torch.randn(1, 4), torch.randn(1, 2)
    logits, means, scales = generator.output.mixture(hidden, last)
    mixture = MixtureSameFamily(
        Categorical(logits=logits), Independent(Normal(means, scales.exp()), 1)
    )
    B = 40_000
    noise = generator.draw_noise(1, B, torch.Generator().manual_seed(0))[0]
    picked = generator.output.pick(hidden.expand(B, -1), last.expand(B, -1), noise)
    torch.testing.assert_close(picked.mean(0), mixture.mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(picked.var(0), mixture.variance[0], rtol=0.05, atol=0)


def test_a_sequence_is_a_function_of_its_noise():
    torch.manual_seed(0)
    generator = SequenceGenerator(symbols=4, hidden=8)
    noise = generator.draw_noise(12, 5, torch.Generator().manual_seed(1))
    first, again = generator.generate(noise), generator.generate(noise)
    assert all(map(torch.equal, first, again))
    alone = generator.generate(noise[:, [2]])
    assert torch.equal(alone.values[:, 0], first.values[:, 2])
    for b, length in enumerate(first.lengths.tolist()):
        assert END not in first.values[:length, b]
        assert length == 12 or first.values[length, b] == END
    numbers = SequenceGenerator(channels=2, hidden=8)
    noise = numbers.draw_noise(6, 3, torch.Generator().manual_seed(1))
    drawn = numbers.generate(noise)
    assert drawn.values.shape == (6, 3, 2)
    assert drawn.lengths.tolist() == [6, 6, 6]
    changed = noise.clone()
    changed[3:] += 0.1
    assert torch.equal(numbers.generate(changed).values[:3], drawn.values[:3])
    assert not torch.equal(numbers.generate(changed).values[3:], drawn.values[3:])


def test_what_is_generated_is_what_the_density_says():
    """The mean surprise of drawn texts is the entropy that a batch of other ones has too."""
    torch.manual_seed(0)
    generator = SequenceGenerator(symbols=3, hidden=4)
    with torch.no_grad():
        generator.output.head.bias[END] += 1.0
        found = []
        for seed in (0, 1):
            noise = generator.draw_noise(60, 3_000, torch.Generator().manual_seed(seed))
            total, _ = generator.surprise(generator.generate(noise))
            found.append(float(total / 3_000))
        empty = math.exp(-generator.surprise(symbols([1])._replace(lengths=torch.tensor([0])))[0])
        drawn = generator.generate(noise).lengths
    assert found[0] == pytest.approx(found[1], rel=0.05)
    assert (drawn == 0).float().mean() == pytest.approx(empty, abs=0.03)
