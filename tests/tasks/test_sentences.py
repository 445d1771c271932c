import random

import pytest

from gatewise.tasks.sentences import (
    KINDS,
    LANGUAGES,
    NAMES,
    NEAREST,
    language_sentence,
    name_sentence,
    vocabulary,
    words_of,
)


@pytest.mark.parametrize("distance", [*range(NEAREST, 40), 70, 100])
def test_country_stands_so_many_words_before_the_answer(distance):
    draw = random.Random(distance)
    for _ in range(20):
        sentence = language_sentence(distance, draw)
        (country,) = [word for word in sentence.words if word in LANGUAGES]
        assert sentence.answer == LANGUAGES[country]
        assert len(sentence.words) - 1 - sentence.words.index(country) == distance


@pytest.mark.parametrize("distance", [*range(NEAREST, 40), 70, 100])
def test_other_person_stands_so_many_words_before_the_answer(distance):
    draw = random.Random(distance)
    for _ in range(20):
        sentence = name_sentence(distance, draw)
        first, second, speaker = [word for word in sentence.words if word in NAMES]
        assert sentence.answer in (first, second)
        assert speaker in (first, second)
        assert sentence.answer != speaker
        between = len(sentence.words) - 1 - sentence.words.index(sentence.answer)
        assert between == distance


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_balanced(kind):
    draw = random.Random(0)
    answers = [KINDS[kind](30, draw).answer for _ in range(3200)]
    possible = LANGUAGES.values() if kind == "language" else NAMES
    counts = [answers.count(answer) for answer in possible]
    assert sum(counts) == 3200
    assert min(counts) > 140  # 200 expected, standard deviation 14
    assert max(counts) < 260


def test_who_speaks_does_not_tell_the_answer():
    draw = random.Random(0)
    sentences = [name_sentence(30, draw) for _ in range(1000)]
    second = sum(
        [w for w in sentence.words if w in NAMES][1] == sentence.answer for sentence in sentences
    )
    assert 430 < second < 570


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_vary(kind):
    draw = random.Random(0)
    assert len({KINDS[kind](20, draw).text for _ in range(500)}) == 500


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_make_equal_sentences(kind):
    one, same, other = (
        [KINDS[kind](12, random.Random(seed)) for _ in range(5)] for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_vocabulary_has_every_word():
    known, draw = set(vocabulary()), random.Random(0)
    assert sorted(known) == vocabulary()
    for _ in range(1000):
        for make in KINDS.values():
            sentence = make(draw.randint(NEAREST, 100), draw)
            assert {*sentence.words, sentence.answer} <= known


def test_text_reads_like_english():
    sentence = language_sentence(30, random.Random(3))
    parts = sentence.text.split(". ")
    assert all(part[0].isupper() for part in parts)
    assert "  " not in sentence.text
    assert words_of("I live, in 2 places. Yes") == ["I", "live", "in", "places", "Yes"]
