import numpy as np
import pytest

from gatewise.data.tokens.corpus import Corpus, Tokenization, prepare_corpus, split_text
from gatewise.data.tokens.text import Passage, TextError, open_text_files
from gatewise.data.tokens.tokenizer import decode

TEXT = "The quick brown fox jumps over the lazy dog; the dog sleeps.\n" * 40


def opened(folder, content=TEXT, name="text.txt"):
    (folder / name).write_text(content)
    return open_text_files([folder / name])


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_the_last_tenth_is_kept_for_measuring(tmp_path, kind):
    training, validation = split_text(opened(tmp_path))
    corpus = prepare_corpus(training, validation, Tokenization(kind), tmp_path)
    assert corpus.training.characters + corpus.validation.characters == len(TEXT)
    assert 0 <= corpus.training.characters - 0.9 * len(TEXT) < 12
    found = decode(corpus.tokenizer, corpus.training.tokens())
    found += decode(corpus.tokenizer, corpus.validation.tokens())
    assert found.replace(" ", "") == TEXT.replace(" ", "")
    assert isinstance(corpus.training.tokens(), np.memmap)


@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.9])
def test_the_split_is_where_a_word_ends(tmp_path, fraction):
    training, validation = split_text(opened(tmp_path), fraction=fraction)
    parts = "".join(training.pieces()), "".join(validation.pieces())
    assert "".join(parts) == TEXT
    assert parts[1][0].isspace()
    assert abs(len(parts[1]) - fraction * len(TEXT)) < 12


def test_a_long_text_is_measured_on_half_a_million_characters(tmp_path):
    _, validation = split_text(opened(tmp_path, "word " * 1_200_000))
    assert sum(map(len, validation.pieces())) == pytest.approx(500_000, abs=6)


def test_another_file_may_be_measured_on(tmp_path):
    other = opened(tmp_path, "zebra é " * 20, "other.txt")
    training, validation = split_text(opened(tmp_path), other)
    assert "".join(training.pieces()) == TEXT
    corpus = prepare_corpus(training, validation, Tokenization(), tmp_path)
    assert decode(corpus.tokenizer, corpus.validation.tokens()) == "zebra é " * 20


def test_words_and_byte_pairs_are_learned_from_the_training_text_alone(tmp_path):
    other = opened(tmp_path, "zebra zebra " * 20, "other.txt")
    training, validation = split_text(opened(tmp_path), other)
    words = prepare_corpus(training, validation, Tokenization("words"), tmp_path)
    assert set(words.validation.tokens()) == {words.tokenizer.unknown}
    pairs = prepare_corpus(training, validation, Tokenization("bpe"), tmp_path)
    assert b"zebra" not in pairs.tokenizer.bytes


def test_progress_is_told_for_each_stage(tmp_path, monkeypatch):
    monkeypatch.setattr("gatewise.data.encoding.PIECE", 100)
    told = []
    passages = split_text(opened(tmp_path))
    prepare_corpus(*passages, Tokenization("bpe"), tmp_path, lambda *each: told.append(each))
    for stage in ("collecting the vocabulary", "encoding the text"):
        shares = [share for name, share in told if name == stage]
        assert len(shares) > 10
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_too_short_a_text_is_refused(tmp_path):
    with pytest.raises(TextError, match=r"text\.txt: 99 characters are too short"):
        split_text(opened(tmp_path, "x" * 99))
    training, validation = split_text(opened(tmp_path), opened(tmp_path, "a", "other.txt"))
    with pytest.raises(TextError, match="the validation text has 1 tokens"):
        prepare_corpus(training, validation, Tokenization(), tmp_path)


def test_fractions_lie_between_0_and_1(tmp_path):
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_text(opened(tmp_path), fraction=1.0)


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_it_comes_back_from_its_description(tmp_path, kind):
    passage = Passage(opened(tmp_path))
    corpus = prepare_corpus(passage, passage, Tokenization(kind), tmp_path)
    again = Corpus.from_dict(corpus.to_dict(), tmp_path)
    assert again.to_dict() == corpus.to_dict()
    assert np.array_equal(again.validation.tokens(), corpus.validation.tokens())


def test_no_large_text_is_ever_held_whole(tmp_path):
    import tracemalloc

    large = opened(tmp_path, TEXT * 12_000)  # 29 MB
    tracemalloc.start()
    training, validation = split_text(large)
    prepare_corpus(training, validation, Tokenization(), tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15e6
