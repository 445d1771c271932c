import numpy as np
import pytest

from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import decode
from gatewise.data.tokens.words import TOKEN, WordTokenizer

STORY = 'He said, "Don\'t go (yet)."\nShe said: well-known, 3.14!\n' * 3


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop.", ["Don't", "stop", "."]),
        ("well-known 3.14 a_b", ["well-known", "3.14", "a_b"]),
        ("'tis (so)...", ["'", "tis", "(", "so", ")", ".", ".", "."]),
        ("a\n\n b\t", ["a", "\n", "\n", "b"]),
        ("the <unk> of", ["the", "<unk>", "of"]),
        ("naïve 日本語", ["naïve", "日本語"]),
    ],
)
def test_the_rule(text, tokens):
    assert TOKEN.findall(text) == tokens


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_pieces_give_the_same_tokens_as_the_whole(size):
    tokenizer = WordTokenizer.build([STORY])
    cut = [STORY[at : at + size] for at in range(0, len(STORY), size)]
    pieces = np.concatenate(list(tokenizer.encode_pieces(cut)))
    assert pieces.tolist() == tokenizer.encode(STORY).tolist()
    assert tokenizer.unknown not in pieces


def test_spaces_come_back_where_they_mostly_were():
    text = "well, (yes) he said: no.\nReally?\n" * 2
    tokenizer = WordTokenizer.build([text])
    assert decode(tokenizer, tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("She said", " well-known, 3.14!"),
        ("She said ", "well-known, 3.14!"),
        ("She said\n", "well-known, 3.14!"),
        ("(", "well-known, 3.14!"),
        ("", "well-known, 3.14!"),
        ("qwertz", " well-known, 3.14!"),
    ],
)
def test_a_decoder_goes_on_behind_a_prompt(prompt, written):
    tokenizer = WordTokenizer.build([STORY])
    decoder = tokenizer.decoder(prompt)
    rest = tokenizer.encode("well-known, 3.14!")
    assert "".join(decoder.push(int(token)) for token in rest) == written


def test_the_rare_become_unknown():
    tokenizer = WordTokenizer.build(["a a a b b c"], minimum_count=2)
    assert tokenizer.words == ["a", "b", "<unk>"]
    assert tokenizer.encode("b c a d <unk>").tolist() == [1, 2, 0, 2, 2]


def test_the_vocabulary_is_cut_by_size_with_unknown_counted():
    tokenizer = WordTokenizer.build(["a a a b b c"], size=2)
    assert tokenizer.words == ["a", "<unk>"]
    assert tokenizer.size == 2


def test_a_prepared_corpus_may_hold_the_mark_itself():
    tokenizer = WordTokenizer.build(["the <unk> said the <unk> again"])
    assert tokenizer.words.count("<unk>") == 1


def test_it_comes_back_from_its_description():
    tokenizer = WordTokenizer.build([STORY])
    again = tokenizer_from_dict(tokenizer.to_dict())
    assert again.to_dict() == tokenizer.to_dict()
    assert decode(again, again.encode(STORY)) == decode(tokenizer, tokenizer.encode(STORY))
