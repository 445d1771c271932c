"""Vocabularies of pairs: what is encoded comes back, and batches hold whole pairs."""

import numpy as np
import pytest

from gatewise.data.pairs.reader import read_pairs
from gatewise.data.pairs.vocabulary import (
    PairBatches,
    PairsVocabulary,
    build_vocabulary,
    encode_pairs,
)

SENTENCES = read_pairs(
    [("Drei Hunde laufen schnell", "Three dogs run fast"), ("Ein Hund läuft", "A dog is running")]
)
NAMES = read_pairs([("anna", "ANNA"), ("bob", "BOB"), ("carlo", "CARLO")])


def test_kinds_are_chosen():
    assert build_vocabulary(NAMES).target.kind == "characters"
    both = build_vocabulary(SENTENCES)
    assert (both.source.kind, both.shared) == ("bpe", True)
    assert not build_vocabulary(SENTENCES, shared=False).shared
    with pytest.raises(ValueError, match="cannot be of words and of bpe"):
        build_vocabulary(SENTENCES, ("words", "bpe"), shared=True)


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
@pytest.mark.parametrize("lower", [False, True])
def test_texts_come_back(kind, lower):
    vocabulary = build_vocabulary(SENTENCES, (kind, kind), lower=lower)
    text = "A dog  is running fast"
    tokens = vocabulary.encode(text, "target")
    assert tokens[-1] == vocabulary.target.size
    assert vocabulary.decode([*tokens, 0, 1]) == vocabulary.prepare(text)
    assert vocabulary.prepare(text) == ("a" if lower else "A") + " dog is running fast"
    again = PairsVocabulary.from_dict(vocabulary.to_dict())
    np.testing.assert_array_equal(again.encode(text, "target"), tokens)
    assert again.shared == vocabulary.shared


def test_the_first_word_is_the_same_token_as_a_later_one():
    pairs = read_pairs([("dog dog dog", "dog dog dog")] * 3)
    tokens = build_vocabulary(pairs).encode("dog dog", "source")
    assert tokens[0] == tokens[1]
    assert len(tokens) == 3


def test_unknown_characters_are_one_token():
    vocabulary = build_vocabulary(NAMES)
    assert vocabulary.encode("añño", "source")[1] == vocabulary.source.unknown


def test_pieces_name_each_token():
    vocabulary = build_vocabulary(NAMES)
    assert vocabulary.pieces(vocabulary.encode("bob", "source"), "source") == [*"bob", "</s>"]


def test_batches_hold_whole_pairs():
    vocabulary = build_vocabulary(NAMES)
    sources, targets, kept = encode_pairs(vocabulary, NAMES)
    batch = next(PairBatches(sources, targets, 3).once())
    assert kept.tolist() == [0, 1, 2]
    for column, number in enumerate(batch.numbers.tolist()):
        length = int(batch.target_lengths[column])
        found = vocabulary.decode(batch.targets[:length, column].tolist())
        assert found == NAMES.targets[number]
        assert batch.target_lengths[column] == batch.source_lengths[column]
    assert batch.sources.shape == (6, 3)


def test_long_pairs_are_left_out():
    sources, targets, kept = encode_pairs(build_vocabulary(NAMES), NAMES, longest=4)
    assert kept.tolist() == [0, 1]
    assert len(sources) == len(targets) == 2
