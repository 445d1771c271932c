"""What a page is about: a model, an input, and what torch computes of it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from torch import Tensor

from gatewise.explorer.chain import Chain, matrix, numbers

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
