import numpy as np
import pytest

from gatewise.data.made_up import MADE_UP, is_reber, make_up, reber_strings, sines


@pytest.mark.parametrize("name", MADE_UP)
def test_equal_seeds_make_up_the_same(name):
    inputs = [next(make_up(name, 20, seed).blocks()).inputs for seed in (0, 0, 1)]
    assert len(inputs[0]) == 20
    assert all(np.array_equal(a, b) for a, b in zip(inputs[0], inputs[1], strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(inputs[0], inputs[2], strict=True))


def test_sines_are_sines():
    for values in sines(50, 0):
        assert values.shape == (60, 1)
        assert 0.4 < np.abs(values).max() < 1.15
        power = np.abs(np.fft.rfft(values[:, 0] - values.mean(), 600)) ** 2
        assert 1 / 40 < power.argmax() / 600 < 1 / 7
        assert np.abs(np.diff(values[:, 0], 3)).max() < 0.9  # smooth


def test_strings_keep_the_grammar_and_others_do_not():
    made = reber_strings(500, 0)
    assert all(map(is_reber, made))
    assert {text[1] for text in made} == {"T", "P"}
    for text in made[:50]:
        assert not is_reber(text[:-1])
        assert not is_reber(text + "E")
        assert not is_reber(text[0] + text[::-1])
    assert not is_reber("")
