"""Measures of translations against values known by hand and by sacrebleu's own interface."""

import pytest
import sacrebleu

from gatewise.tasks.translation_measures import measure_translations, show_figure

FOUND = ["the cat sat on the mat", "a dog runs in the park today"]
TRUE = ["the cat sat on a mat", "a dog runs in the park today"]


def test_figures():
    found = measure_translations(FOUND, TRUE)
    assert list(found) == ["bleu", "chrf", "exact", "wer", "cer"]
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(FOUND, [TRUE]).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(FOUND, [TRUE]).score)
    assert found["exact"] == 0.5
    assert found["wer"] == pytest.approx(1 / 13)
    assert found["cer"] == pytest.approx(3 / 48)  # t, h, e for one a: two gone, one other


def test_the_order_of_pairs_counts():
    swapped = measure_translations(FOUND[::-1], TRUE)
    assert swapped["exact"] == 0
    assert swapped["bleu"] < 20


def test_words_without_spaces():
    found, true = ["我们今天去公园"], ["我们今天去学校"]
    assert measure_translations(found, true, ["bleu"], "zh")["bleu"] > 50
    assert measure_translations(found, true, ["bleu"])["bleu"] < 10


def test_figures_are_shown_as_the_field_does():
    assert show_figure("bleu", 28.349) == "28.3"
    assert show_figure("cer", 0.0125) == "1.25%"
