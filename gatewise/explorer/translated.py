"""A page about a translator: how its encoder reads a text."""

from __future__ import annotations

from typing import Any

import torch

from gatewise.explorer.chain import Chain, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers, quoted


def of_translator(model: Any, given: Any) -> Subject:
    """A page about a trained translator's encoder and a text.

    The decoder, whose steps look back at all of the encoder's, is not in the page; the translation
    stands beside the title.

    Args:
        model: as `gatewise.load` returns it.
        given: a text.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty.
    """
    if not isinstance(given, str):
        raise TypeError(f"a translator reads a text, not {type(given).__name__}.")
    if not given.strip():
        raise ValueError("the input is empty; give a text to translate.")
    network, vocabulary = model.model, model.vocabulary
    tokens = model.encode(given, "source")
    vectors = network.source_vectors.weight.detach() * network.scale
    chain = Chain()
    chain.add_embedding(vectors)
    chain.add_recurrent(recurrent_layer(network.encoder))
    with torch.no_grad():
        outputs = network.encoder(vectors[torch.from_numpy(tokens)][:, None])[0][:, 0]
    translation = quoted(model.translate([given])[0])
    return Subject(
        title=f"{quoted(given)}: {translation}",
        about=f"The encoder of a translator, which reads the source: {describe_layers(chain)}",
        chain=chain,
        input={"tokens": tokens.tolist()},
        output={"kind": "none", "labels": []},
        outputs=outputs,
        # a list of tokens, whatever makes them: the end is one, and no text has it
        tokenizer={
            "kind": "bpe",
            "tokens": vocabulary.pieces(range(len(vectors)), "source"),
        },
    )
