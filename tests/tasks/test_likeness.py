import numpy as np
import pytest

from gatewise.tasks.likeness import (
    autocorrelation_distance,
    mean_autocorrelation,
    mean_spectrum,
    ngram_distance,
    share_new,
    spectrum_distance,
)


def waves(period, count=40, noise=0.0, length=64):
    draw = np.random.default_rng(int(period * 10))
    phase = draw.uniform(0, 2 * np.pi, (count, 1))
    found = np.sin(2 * np.pi * np.arange(length) / period + phase)
    return list(found + noise * draw.normal(size=found.shape))


def test_spectrum_peaks_at_the_frequency_and_sums_to_one():
    spectrum = mean_spectrum(waves(8))
    assert spectrum.sum() == pytest.approx(1)
    assert np.linspace(0, 0.5, len(spectrum))[spectrum.argmax()] == pytest.approx(1 / 8, abs=0.01)
    of_any_length = mean_spectrum(waves(8, length=50))
    assert np.abs(spectrum - of_any_length).sum() < 0.5
    assert (mean_spectrum([np.ones(9)]) == 0).all()


def test_distances_rise_with_what_differs():
    near, far = waves(8.5), waves(20)
    for distance in (spectrum_distance, autocorrelation_distance):
        itself, close, wide = (distance(waves(8), each) for each in (waves(8), near, far))
        assert itself == 0
        assert itself < close < wide


def test_autocorrelation_is_the_cosine_of_a_sine():
    found = mean_autocorrelation(waves(8, length=800), 8)
    expected = np.cos(2 * np.pi * np.arange(1, 9) / 8) * (1 - np.arange(1, 9) / 800)
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert autocorrelation_distance(waves(8, length=5), waves(8, length=30)) < 2


def test_ngrams_count_the_end():
    assert ngram_distance(["ab"], ["ba"], 1) == 0
    assert ngram_distance(["ab"], ["ba"], 2) == 1  # ab, b. against ba, a.
    assert ngram_distance(["aab"], ["ab"], 2) == pytest.approx(1 / 3)
    assert ngram_distance(["a"], ["a"], 3) == 0


def test_new_ones_are_those_not_learned_from():
    assert share_new(["a", "b", "b", "c"], ["b"]) == 0.5
