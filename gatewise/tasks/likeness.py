"""How alike generated and real sequences are: spectra and autocorrelations, or n-grams."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GRID = 129  # frequencies from 0 to half a cycle a step
LAGS = 20


def mean_spectrum(sequences: Sequence[Floats]) -> Floats:
    """Return the mean power spectrum of sequences `(T,)`, each freed from its mean.

    Returns:
        `(GRID,)`, from no cycle a step to half a cycle; its sum is 1.
    """
    total = np.zeros(GRID)
    for values in sequences:
        centred = (values - values.mean()) * np.hanning(len(values) + 2)[1:-1]
        power = np.abs(np.fft.rfft(centred)) ** 2
        places = np.linspace(0, 1, len(power))
        total += np.interp(np.linspace(0, 1, GRID), places, power)
    return total / max(total.sum(), 1e-300)


def mean_autocorrelation(sequences: Sequence[Floats], lags: int = LAGS) -> Floats:
    """Return the mean autocorrelation of sequences `(T,)` at lags from 1 on, `(lags,)`."""
    found = np.zeros(lags)
    for values in sequences:
        centred = values - values.mean()
        power = float(centred @ centred)
        for lag in range(1, min(lags, len(values) - 1) + 1):
            found[lag - 1] += centred[lag:] @ centred[:-lag] / power if power > 0 else 0.0
    return found / len(sequences)


def spectrum_distance(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Return the total variation between mean spectra, from 0 (alike) to 1.

    Examples:
        >>> t = np.arange(64)
        >>> slow, fast = np.sin(t / 8), np.sin(t * 2)
        >>> spectrum_distance([slow], [slow]), round(spectrum_distance([slow], [fast]), 2)
        (0.0, 1.0)
    """
    return float(np.abs(mean_spectrum(one) - mean_spectrum(other)).sum() / 2)


def autocorrelation_distance(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Return the root mean square between mean autocorrelations, at lags up to 20."""
    lags = max(1, min(LAGS, min(len(values) for values in (*one, *other)) - 1))
    difference = mean_autocorrelation(one, lags) - mean_autocorrelation(other, lags)
    return float(np.sqrt(np.square(difference).mean()))


def ngram_distance(one: Sequence[str], other: Sequence[str], n: int) -> float:
    """Return the total variation between the frequencies of n-grams, from 0 (alike) to 1.

    The end of a sequence counts as a symbol.

    Examples:
        >>> ngram_distance(["ab"], ["ab", "ab"], 2), ngram_distance(["ab"], ["cd"], 1)
        (0.0, 0.6666666666666666)
    """
    counts = [count_ngrams(each, n) for each in (one, other)]
    totals = [max(1, sum(each.values())) for each in counts]
    keys = counts[0].keys() | counts[1].keys()
    return sum(abs(counts[0][key] / totals[0] - counts[1][key] / totals[1]) for key in keys) / 2


def count_ngrams(sequences: Sequence[str], n: int) -> Counter[str]:
    """Count runs of n symbols, the end counted as one."""
    ended = (text + "\0" for text in sequences)
    return Counter(text[k : k + n] for text in ended for k in range(len(text) - n + 1))


def share_new(generated: Sequence[str], known: Sequence[str]) -> float:
    """Return the share of sequences that do not stand among known ones."""
    found = set(known)
    return sum(text not in found for text in generated) / max(1, len(generated))
