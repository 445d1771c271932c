"""Byte pairs as tokens (byte-level BPE, by Hugging Face's tokenizers)."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gatewise.data.tokens.text import pieces_at_words

ALPHABET = 256  # every byte is a token, so that every text can be encoded


class BytePairTokenizer:
    """Frequent runs of bytes, never across words: any text can be encoded, and nothing is lost.

    Sennrich, Haddow & Birch (2016), on bytes as in Radford et al. (2019).

    Args:
        state: The tokenizer in the JSON format of Hugging Face's tokenizers.
    """

    kind = "bpe"
    unknown = None

    def __init__(self, state: str):
        from tokenizers import Tokenizer

        try:
            self.model = Tokenizer.from_str(state)
        except Exception as error:  # the library raises bare exceptions
            raise ValueError(f"not a tokenizer: {error}") from error
        self.state = state
        self.size = self.model.get_vocab_size()
        self.bytes = token_bytes(self.model.get_vocab())

    @classmethod
    def build(cls, pieces: Iterable[str], size: int) -> "BytePairTokenizer":
        """Learn the byte pairs of a text.

        Args:
            pieces: The text.
            size: How many tokens, the 256 bytes included.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        if size <= ALPHABET:
            raise ValueError(f"a vocabulary of byte pairs needs more than {ALPHABET} tokens")
        model = Tokenizer(models.BPE())
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        model.train_from_iterator(pieces_at_words(pieces), trainer)
        return cls(model.to_str())

    def encode(self, text: str) -> np.ndarray:
        """See `Tokenizer.encode`; every text can be encoded."""
        return np.asarray(self.model.encode(text).ids, np.int64)

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """See `Tokenizer.encode_pieces`."""
        return map(self.encode, pieces_at_words(pieces))

    def decoder(self, before: str = "") -> "BytePairDecoder":
        """See `Tokenizer.decoder`; what came before does not matter here."""
        return BytePairDecoder(self.bytes)

    def start(self) -> int:
        """Return the newline."""
        return self.bytes.index(b"\n")

    def to_dict(self) -> dict[str, Any]:
        """See `Tokenizer.to_dict`."""
        return {"kind": self.kind, "tokenizer": json.loads(self.state)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BytePairTokenizer":
        """See `tokenizer_from_dict`."""
        return cls(json.dumps(data["tokenizer"]))


class BytePairDecoder:
    """Holds bytes back until they make a whole character."""

    def __init__(self, token_bytes: list[bytes]):
        self.token_bytes = token_bytes
        self.utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """Return the characters that this token completes."""
        return self.utf8.decode(self.token_bytes[token])

    def finish(self) -> str:
        """Return a replacement character if the last character is not whole."""
        return self.utf8.decode(b"", final=True)


def token_bytes(vocabulary: dict[str, int]) -> list[bytes]:
    """Return the bytes of each token.

    Byte-level vocabularies are written with a printable character for each byte: itself where
    that is printable, and the characters from U+0100 on for the others, in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    written = {chr(byte): byte for byte in printable}
    written |= {chr(256 + number): byte for number, byte in enumerate(others)}
    found = {number: word for word, number in vocabulary.items()}
    if sorted(found) != list(range(len(found))):
        raise ValueError("the tokens are not numbered from 0 without gaps")
    try:
        return [bytes(written[sign] for sign in found[number]) for number in range(len(found))]
    except KeyError as error:
        raise ValueError(f"not a byte-level vocabulary: it holds {error}") from error
