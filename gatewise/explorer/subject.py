"""What a page is about: a model, an input, and what torch computes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from gatewise.explorer.chain import Chain, matrix, numbers, recurrent_layer
from gatewise.tasks.vocabulary_output import AdaptiveOutput, TiedOutput

CHECKED = 32
"""How many of the last steps the page compares with torch's numbers when it opens."""


@dataclass
class Subject:
    """Everything that a page shows.

    Attributes:
        title: of the page.
        about: the model in one line.
        chain: the model's layers.
        input: tokens or numbers, JSON-ready.
        output: what the scores are: ``kind`` (``next``, ``class``, ``ordinal``, ``keys``,
            ``values`` or ``none``) and ``labels``.
        outputs: the top recurrent layer's output as torch computes it, ``(T, H)``.
        scores: the last step's scores, ``(V,)``; None where there is no head.
        tokenizer: for texts, JSON-ready.
    """

    title: str
    about: str
    chain: Chain
    input: dict[str, Any]
    output: dict[str, Any]
    outputs: Tensor
    scores: Tensor | None = None
    tokenizer: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """The page's data, JSON-ready."""
        first = max(0, len(self.outputs) - CHECKED)
        computed: dict[str, Any] = {"first": first, "outputs": matrix(self.outputs[first:])}
        if self.scores is not None:
            computed["scores"] = numbers(self.scores)
        found = {
            "title": self.title,
            "about": self.about,
            "cells": {key: page.document for key, page in self.chain.cells.items()},
            "layers": self.chain.layers,
            "input": self.input,
            "output": self.output,
            "torch": computed,
        }
        return found if self.tokenizer is None else {**found, "tokenizer": self.tokenizer}


def subject_of(model: Any, given: Any) -> Subject:
    """What a page about a model and an input shows.

    Args:
        model: a trained model as `gatewise.load` returns it, or a recurrent layer.
        given: what it reads: a text for a text model; a file or frame of series for a forecast
            model; a roll or a file of music for a model of music; numbers ``(T, I)`` for a layer,
            or a mapping with them as ``x`` and the cell's further inputs.

    Raises:
        TypeError: the model is of no kind that can be shown, or the input does not suit it.
        ValueError: the input is empty, or not of the model's sizes.
    """
    if getattr(model, "task", None) == "language":
        return _of_text(model, given)
    if getattr(model, "task", None) == "classification":
        from gatewise.explorer.classified import of_classifier

        return of_classifier(model, given)
    if getattr(model, "task", None) == "forecast":
        from gatewise.explorer.forecasted import of_forecast

        return of_forecast(model, given)
    if getattr(model, "task", None) == "generator":
        from gatewise.explorer.generated import of_generator

        return of_generator(model, given)
    if getattr(model, "task", None) == "music":
        from gatewise.explorer.composed import of_music

        return of_music(model, given)
    if getattr(model, "task", None) == "translation":
        from gatewise.explorer.translated import of_translator

        return of_translator(model, given)
    if isinstance(model, nn.Module):
        return of_layer(model, given)
    raise TypeError(f"{type(model).__name__} cannot be explored; give a trained model or a layer.")


def _of_text(model: Any, text: Any) -> Subject:
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


def quoted(text: str) -> str:
    """A text as a title: in quotation marks, cut where it is long."""
    return f"“{shorten(' '.join(text.split()), 100, placeholder=' …')}”"


def tokenizer_document(tokenizer: Any) -> dict[str, Any]:
    """A tokenizer for the page: what it needs to read an edited text."""
    match tokenizer.kind:
        case "characters":
            return {
                "kind": "characters",
                "characters": tokenizer.characters,
                "unknown": tokenizer.unknown is not None,
            }
        case "words":
            return {"kind": "words", "words": tokenizer.words[:-1]}
        case "bpe":
            tokens = [piece.decode("utf-8", "replace") for piece in tokenizer.bytes]
            return {"kind": "bpe", "tokens": tokens}
    raise TypeError(f"no page reads tokens of the kind {tokenizer.kind!r}.")


def of_layer(module: nn.Module, given: Any) -> Subject:
    """A page about a recurrent layer by itself."""
    layer: Any = recurrent_layer(module)
    x, further = _inputs(given)
    x = _one_sequence(x, bool(getattr(layer, "batch_first", False)))
    like = next(layer.parameters(), x)
    x = x.to(like)
    rest = {name: _column(value, len(x)).to(like) for name, value in further.items()}
    training = layer.training
    layer.eval()
    try:
        with torch.no_grad():
            outputs = layer(x, **rest)[0]
    finally:
        layer.train(training)
    chain = Chain()
    chain.add_numbers([f"x{k}" for k in range(x.shape[1])])
    chain.add_recurrent(layer)
    found: dict[str, Any] = {"numbers": matrix(x)}
    if rest:
        found["further"] = {name: matrix(value) for name, value in rest.items()}
    return Subject(
        title=f"{type(module).__name__}, {len(x)} steps",
        about=f"A recurrent layer without a head: {describe_layers(chain)}",
        chain=chain,
        input=found,
        output={"kind": "none", "labels": []},
        outputs=outputs,
    )


def _inputs(given: Any) -> tuple[Tensor, dict[str, Tensor]]:
    if isinstance(given, Mapping):
        if "x" not in given:
            raise TypeError(f"the inputs are {', '.join(given)}; x is missing.")
        return torch.as_tensor(given["x"]), {
            name: torch.as_tensor(value) for name, value in given.items() if name != "x"
        }
    if isinstance(given, str):
        raise TypeError("a layer reads numbers (T, I), not a text; give a trained text model.")
    return torch.as_tensor(given), {}


def _one_sequence(x: Tensor, batch_first: bool) -> Tensor:
    if x.dim() == 3:
        batch = 0 if batch_first else 1
        if x.shape[batch] != 1:
            raise ValueError(
                f"the page shows one sequence, but x {tuple(x.shape)} holds {x.shape[batch]}; "
                f"choose one, as in x{'[0]' if batch_first else '[:, 0]'}."
            )
        x = x.squeeze(batch)
    if x.dim() != 2 or not len(x):
        raise ValueError(f"the input is (T, I) with at least one step, not {tuple(x.shape)}.")
    return x


def _column(value: Tensor, T: int) -> Tensor:
    value = value.reshape(T, -1)
    return value


def describe_layers(chain: Chain) -> str:
    """The recurrent layers in words."""
    layer = next(layer for layer in chain.layers if layer["kind"] == "recurrent")
    rows = layer["tracks"]
    cell = chain.cells[rows[0][0]["cell"]].document
    units = " and ".join(dict.fromkeys(str(row[0]["sizes"]["H"]) for row in rows))
    parts = [f"{cell['title']}, {units} units"]
    if len(rows) > 1:
        parts.append(f"{len(rows)} layers")
    if len(rows[0]) > 1:
        parts.append("both directions")
    return ", ".join(parts)
