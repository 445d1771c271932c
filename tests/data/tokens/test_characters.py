import numpy as np
import pytest

from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import UnknownTokenError, decode


def test_all_characters_are_there_in_order_of_their_code_points():
    tokenizer = CharacterTokenizer.build(["hé", "llo\n", "😀"])
    assert tokenizer.characters == "\nehloé😀".replace("e", "")
    assert tokenizer.size == 6
    assert tokenizer.unknown is None


def test_text_survives_encoding():
    text = "naïve 日本 😀\n"
    tokenizer = CharacterTokenizer.build([text])
    assert decode(tokenizer, tokenizer.encode(text)) == text
    assert np.concatenate(list(tokenizer.encode_pieces(text))).tolist() == list(
        tokenizer.encode(text)
    )


@pytest.mark.parametrize("text", ["abxba", "ab\U0010ffff", "\ud800"])
def test_characters_outside_are_named(text):
    tokenizer = CharacterTokenizer("ab")
    with pytest.raises(UnknownTokenError, match="the vocabulary of 2 characters lacks"):
        tokenizer.encode(text)


def test_the_error_says_which_and_where():
    with pytest.raises(UnknownTokenError, match=r"'é' \(U\+00E9 LATIN SMALL LETTER E WITH ACUTE\)"):
        CharacterTokenizer("caf").encode("café")
    with pytest.raises(UnknownTokenError, match="first at character 4"):
        CharacterTokenizer("caf").encode("café")


def test_a_smaller_vocabulary_keeps_the_frequent_and_marks_the_rest():
    tokenizer = CharacterTokenizer.build(["aaabbc", "d"], size=3)
    assert tokenizer.characters == "ab"
    assert tokenizer.unknown == 2
    assert tokenizer.encode("abc日").tolist() == [0, 1, 2, 2]
    assert decode(tokenizer, [0, 2]) == "a\ufffd"


def test_it_comes_back_from_its_description():
    for tokenizer in (CharacterTokenizer("ab\n"), CharacterTokenizer("ab", unknown=True)):
        again = tokenizer_from_dict(tokenizer.to_dict())
        assert again.to_dict() == tokenizer.to_dict()
        assert again.size == tokenizer.size


def test_a_text_begins_with_a_newline_where_there_is_one():
    assert CharacterTokenizer("a\n").start() == 1
    assert CharacterTokenizer("ab").start() == 0


@pytest.mark.parametrize("characters", ["", "aa"])
def test_impossible_vocabularies_are_refused(characters):
    with pytest.raises(ValueError, match="vocabulary"):
        CharacterTokenizer(characters)
