"""Units found by span and by label, planted where they are to be found."""

import itertools

import pytest
import torch

from gatewise.lens.unit_search import Match, find_matches, search_label, units_on


def planted(T=20, B=3, H=8):
    """Noise below the threshold; 2 and 5 are on over one stretch, 2 alone over another."""
    values = 0.2 * torch.rand(T, B, H)
    values[4:8, 0, [2, 5]] = 0.9
    values[10:16, 1, 2] = 0.9
    values[11:13, 2, [2, 5]] = 0.8
    values[11:13, 2, 6] = 0.8
    return values


def test_units_of_a_span():
    values = planted()
    assert units_on(values, slice(4, 8)) == (2, 5)
    assert units_on(values, range(5, 7), only=True) == ()  # they are on before and after
    assert units_on(values, slice(4, 8), only=True) == (2, 5)
    assert units_on(values, slice(3, 8)) == ()
    assert units_on(values, slice(11, 13), row=2) == (2, 5, 6)


def test_matches_come_by_intersection_then_union_then_length():
    found = find_matches(planted(), (2, 5))
    assert found == [
        Match(0, 4, 8, (2, 5), 0),
        Match(2, 11, 13, (2, 5), 1),  # as many of them, but another unit besides
        Match(1, 10, 16, (2,), 0),
    ]
    assert find_matches(planted(), (2, 5), count=1) == found[:1]
    assert str(found[2]) == "sequence 1, steps 10 to 15: units 2, 0 others"


def test_fewer_others_go_before_length():
    values = torch.zeros(10, 1, 3)
    values[0:6, 0, [0, 2]] = 1
    values[7:9, 0, 0] = 1
    found = find_matches(values, (0,))
    assert found == [Match(0, 7, 9, (0,), 0), Match(0, 0, 6, (0,), 1)]


def test_a_longer_stretch_of_fewer_units_is_found_around_a_shorter_one():
    values = torch.zeros(6, 1, 2)
    values[0:6, 0, 0] = 1
    values[2:4, 0, 1] = 1
    assert find_matches(values, (0, 1)) == [Match(0, 2, 4, (0, 1), 0), Match(0, 0, 6, (0,), 0)]


def test_stretches_against_all_intervals():
    generator = torch.Generator().manual_seed(2)
    values = (torch.rand(12, 2, 4, generator=generator) < 0.6).float()
    units = (0, 1, 3)
    expected = set()
    for row, begin in itertools.product(range(2), range(12)):
        for end in range(begin + 1, 13):
            held = values[begin:end, row][:, list(units)].all(0)
            wider = [
                values[b:e, row][:, list(units)].all(0)
                for b, e in ((begin - 1, end), (begin, end + 1))
                if b >= 0 and e <= 12
            ]
            if held.any() and not any(torch.equal(held, other) for other in wider):
                together = tuple(u for u, on in zip(units, held, strict=True) if on)
                expected.add((row, begin, end, together))
    found = find_matches(values, units, count=1000)
    assert {(m.row, m.begin, m.end, m.units) for m in found} == expected
    assert len(found) == len(expected)


def test_steps_past_the_end_match_nothing():
    alive = torch.ones(20, 3, dtype=torch.bool)
    alive[6:, 0] = False
    assert find_matches(planted(), (2, 5), alive=alive)[0] == Match(0, 4, 6, (2, 5), 0)


def test_a_planted_unit_follows_its_label_and_no_other_does():
    generator = torch.Generator().manual_seed(1)
    labels = torch.rand(60, 4, generator=generator) < 0.3
    values = torch.randn(60, 4, 16, generator=generator, dtype=torch.float64)
    values[..., 9] -= 2 * labels
    found = search_label(values, labels)
    assert found.correlation.abs().argmax() == 9
    assert found.correlation[9] < -0.5
    assert found.p[9] == pytest.approx(1 / 201)
    assert found.p[torch.arange(16) != 9].gt(0.05).all()
    assert "unit 9 follows the label best" in str(found)
    assert found.table(1).splitlines()[1].split()[0] == "9"


def test_correlation_is_pearsons():
    values, labels = torch.randn(30, 2, 3, dtype=torch.float64), torch.randn(30, 2)
    found = search_label(values, labels, shuffles=1)
    rows = torch.stack([values[..., 1].flatten(), labels.double().flatten()])
    torch.testing.assert_close(found.correlation[1], torch.corrcoef(rows)[0, 1])


def test_trying_many_units_is_paid_for():
    """With no unit planted, the best of 64 is rarely significant; its own correlation is not 0."""
    significant = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(40, 2, 64, generator=generator)
        labels = torch.rand(40, 2, generator=generator) < 0.5
        found = search_label(values, labels, shuffles=40)
        significant += int(found.p.min() < 0.05)
        assert found.correlation.abs().max() > 0.2
    assert significant <= 4


def test_a_slow_label_is_compared_with_slow_labels():
    """Two slow drifts correlate by chance; rotating keeps them slow, so chance is high too."""
    time = torch.linspace(0, 6.28, 100)[:, None]
    labels = (time + torch.tensor([0.0, 1.0])).sin()
    values = torch.stack([(time + torch.tensor([0.9, 1.9])).sin(), torch.randn(100, 2)], -1)
    found = search_label(values, labels)
    assert found.correlation[0] > 0.5
    assert found.p[0] > 0.02


def test_a_label_of_whole_sequences_is_dealt_out_anew():
    """Rotating alone would leave it as it is, and nothing could ever follow it."""
    labels = (torch.arange(40) % 2 == 0).expand(10, 40)
    values = torch.randn(10, 40, 4)
    values[..., 1] += 3 * labels
    found = search_label(values, labels)
    assert found.p[1] < 0.01
    assert found.p[[0, 2, 3]].gt(0.05).all()


def test_a_sequence_without_steps_counts_for_nothing():
    values, labels = torch.randn(10, 3, 2), torch.randn(10, 3)
    alive = torch.ones(10, 3, dtype=torch.bool)
    alive[:, 1] = False
    assert not search_label(values, labels, alive, shuffles=20).correlation.isnan().any()


def test_a_unit_that_never_changes_follows_nothing():
    values = torch.zeros(10, 2, 1)
    found = search_label(values, torch.rand(10, 2), shuffles=5)
    assert (found.correlation.item(), found.p.item()) == (0.0, 1.0)


def test_lengths_cut_labels_off():
    values, labels = torch.randn(20, 2, 4), torch.randn(20, 2)
    alive = torch.ones(20, 2, dtype=torch.bool)
    alive[10:, 1] = False
    changed = labels.clone()
    changed[10:, 1] = 100.0
    first, second = (search_label(values, each, alive, shuffles=5) for each in (labels, changed))
    torch.testing.assert_close(first.correlation, second.correlation)
    values[10:, 1] = torch.nan  # as a trace shows them
    third = search_label(values, changed, shuffles=5)
    torch.testing.assert_close(first.correlation, third.correlation)


def test_refusals():
    values = torch.rand(5, 2, 3)
    with pytest.raises(ValueError, match="no unit is selected"):
        find_matches(values, ())
    with pytest.raises(IndexError, match="of the 5 there are"):
        units_on(values, slice(5, 7))
    with pytest.raises(ValueError, match="the same at every step"):
        search_label(values, torch.ones(5, 2))
    with pytest.raises(ValueError, match=r"labels are \(2, 5\)"):
        search_label(values, torch.ones(2, 5))
    with pytest.raises(ValueError, match="three steps"):
        search_label(values[:2], torch.rand(2, 2))
