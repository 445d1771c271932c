"""What a page shows of a language model and the text that it goes on from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatewise.explorer.chain import Chain, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers, quoted, tokenizer_document
from gatewise.tasks.vocabulary_output import AdaptiveOutput, TiedOutput


def of_text(model: Any, text: Any) -> Subject:
    """A page about a text and what follows it."""
    if not isinstance(text, str):
        raise TypeError(f"a language model reads a text, not {type(text).__name__}.")
    if not text.strip():
        raise ValueError("the input is empty; give a sentence for the model to read.")
    network, tokenizer = model.model, model.tokenizer
    tokens = tokenizer.encode(text)
    if not len(tokens):
        raise ValueError(f"the input {text!r} has no tokens for this model; give other words.")
    chain = Chain()
    chain.add_embedding(network.embedding.weight)
    chain.add_recurrent(recurrent_layer(network.recurrent))
    _add_head(chain, network.head)
    with torch.no_grad():
        embedded = network.embedding(torch.from_numpy(tokens)[:, None])
        outputs = network.recurrent(embedded)[0][:, 0]
        scores = network.head(outputs[-1])
    described = tokenizer_document(tokenizer)
    kind = {"characters": "characters", "words": "words", "bpe": "byte pairs"}[tokenizer.kind]
    return Subject(
        title=quoted(text),
        about=f"A language model of {tokenizer.size:,} {kind}: {describe_layers(chain)}",
        chain=chain,
        input={"tokens": tokens.tolist()},
        output={"kind": "next", "labels": []},
        outputs=outputs,
        scores=scores,
        tokenizer=described,
    )


def _add_head(chain: Chain, head: Any) -> None:
    """Add what a language model says its tokens with."""
    if isinstance(head, AdaptiveOutput):
        chain.add_adaptive(head.softmax.head, list(head.softmax.tail), head.rank)
        return
    if isinstance(head, TiedOutput) and isinstance(head.projection, nn.Linear):
        chain.add_linear(head.projection.weight, None)
    chain.add_linear(head.weight, head.bias)
