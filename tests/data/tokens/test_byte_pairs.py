import numpy as np
import pytest

from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import decode

STORY = "the quick brown fox jumps over the lazy dog\n  the end — naïve 日本 😀\n" * 20


@pytest.fixture(scope="module")
def tokenizer():
    return BytePairTokenizer.build([STORY], 300)


@pytest.mark.parametrize("text", [STORY, "never seen: żółć 𝔘\x00\t\r\n", "", " ", "\n\n  x"])
def test_every_text_survives(tokenizer, text):
    assert decode(tokenizer, tokenizer.encode(text)) == text


def test_it_is_shorter_than_bytes_and_as_large_as_asked(tokenizer):
    assert tokenizer.size == 300
    assert len(tokenizer.encode(STORY)) < 0.7 * len(STORY.encode())


def test_every_byte_is_a_token(tokenizer):
    assert {bytes([byte]) for byte in range(256)} <= set(tokenizer.bytes)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_give_the_same_tokens_as_the_whole(tokenizer, size):
    cut = [STORY[at : at + size] for at in range(0, len(STORY), size)]
    pieces = np.concatenate(list(tokenizer.encode_pieces(cut)))
    assert pieces.tolist() == tokenizer.encode(STORY).tolist()


def test_a_character_is_never_written_in_parts(tokenizer):
    decoder = tokenizer.decoder()
    tokens = [tokenizer.bytes.index(bytes([byte])) for byte in "é日".encode()]
    assert [decoder.push(token) for token in tokens] == ["", "é", "", "", "日"]
    assert decoder.finish() == ""


def test_a_broken_character_becomes_a_replacement(tokenizer):
    decoder = tokenizer.decoder()
    first = tokenizer.bytes.index("日".encode()[:1])
    assert decoder.push(first) + decoder.push(tokenizer.bytes.index(b"a")) == "\ufffda"
    assert decoder.push(first) + decoder.finish() == "\ufffd"


def test_it_comes_back_from_its_description(tokenizer):
    again = tokenizer_from_dict(tokenizer.to_dict())
    assert again.encode(STORY).tolist() == tokenizer.encode(STORY).tolist()


def test_what_is_no_tokenizer_is_refused():
    with pytest.raises(ValueError, match="not a tokenizer"):
        tokenizer_from_dict({"kind": "bpe", "tokenizer": {"model": 1}})
    with pytest.raises(ValueError, match="unknown tokenizer"):
        tokenizer_from_dict({"kind": "syllables"})
    with pytest.raises(ValueError, match="incomplete words tokenizer"):
        tokenizer_from_dict({"kind": "words"})


def test_fewer_tokens_than_bytes_cannot_be():
    with pytest.raises(ValueError, match="more than 256"):
        BytePairTokenizer.build([STORY], 256)
