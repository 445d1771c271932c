"""Pages about classifiers of texts and of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.explorer.chain import Chain, linear, matrix, numbers, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers, quoted, tokenizer_document


def of_classifier(model: Any, given: Any) -> Subject:
    """A page about a trained classifier and one example; of several members about the first.

    Args:
        model: a classifier as `gatewise.load` returns it.
        given: a text, or numbers ``(T, C)``, NaN where a value is missing.

    Raises:
        TypeError: the model reads the other.
        ValueError: the example is empty, or has other channels than the model.
    """
    text = model.features.kind == "text"
    if text != isinstance(given, str):
        wanted = "a text" if text else "numbers (T, C)"
        raise TypeError(f"this classifier reads {wanted}, not {type(given).__name__}.")
    if text and not given.strip():
        raise ValueError("the input is empty; give a text for the model to read.")
    example = given if text else np.asarray(given)
    if not text and example.ndim != 2:
        raise ValueError(f"the input is (T, C), steps by channels, not {example.shape}.")
    encoded = model.features.encode(example, "the input")
    chain, network = Chain(), model.model.members[0]
    _add_source(chain, network.source, model.features)
    chain.add_recurrent(recurrent_layer(network.recurrent))
    _add_pooling(chain, network.pooling)
    chain.add_linear(*_head(model, network))
    block = torch.from_numpy(np.array(encoded))
    block = block.long() if text else block.float()
    with torch.no_grad():
        outputs = network.recurrent(network.source(block[:, None]))[0]
        scores = _scores(model, network(block[:, None]))
    kind = {"ordinal": "ordinal", "regression": "values"}.get(model.targets.kind, "class")
    named = model.roles.label or "the number"
    return Subject(
        title=quoted(given) if text else f"An example of {len(block)} steps",
        about=f"{_purpose(model)}: {describe_layers(chain)}",
        chain=chain,
        input={"tokens": block.tolist()} if text else {"numbers": matrix(block)},
        output={"kind": kind, "labels": model.classes or [str(named)]},
        outputs=outputs[:, 0],
        scores=scores,
        tokenizer=_tokenizer(model.features) if text else None,
    )


def example_of(model: Any, data: Any, row: int = 0) -> str | np.ndarray:
    """One example of a file, as a classifier reads it: a text, or numbers ``(T, C)``.

    Args:
        model: a classifier as `gatewise.load` returns it.
        data: a file, a folder or a frame, as for `Classifier.predict`.
        row: which example, from 0.

    Raises:
        DataError: the data cannot be read, or does not fit the model.
        ValueError: there is no such example.
    """
    if row < 0:
        raise ValueError(f"row {row}: examples are counted from 0.")
    examples, before = model.examples(data), 0
    for block in examples.blocks():
        if row < before + len(block.inputs):
            found = block.inputs[row - before]
            return found if isinstance(found, str) else np.asarray(found)
        before += len(block.inputs)
    raise ValueError(f"{examples.name} has {before} examples, from 0; there is no row {row}.")


def _purpose(model: Any) -> str:
    several = len(model.model.members)
    first = f", the first of {several} networks whose mean is the prediction" if several > 1 else ""
    if not model.classes:
        return f"A model that reads a sequence and says a number{first}"
    return f"A classifier with {len(model.classes)} classes{first}"


def _tokenizer(features: Any) -> dict[str, Any]:
    return {
        **tokenizer_document(features.tokenizer),
        "lower": features.lower,
        "longest": features.longest,
    }


def _add_source(chain: Chain, source: Any, features: Any) -> None:
    if features.kind == "text":
        chain.add_embedding(source.embedding.weight)
        return
    chain.add_numbers(features.channels)
    chain.add_standard(source.mean, source.deviation, source.gaps)
    if source.map is not None:
        chain.add_linear(source.map.weight, source.map.bias)


def _add_pooling(chain: Chain, pooling: Any) -> None:
    if pooling.kind == "attention":
        key = linear(pooling.key.weight, pooling.key.bias)
        chain.add_pooling("attention", key=key, query=numbers(pooling.query.weight[0]))
    else:
        both = pooling.kind == "last" and pooling.directions > 1
        chain.add_pooling("ends" if both else pooling.kind)


def _head(model: Any, network: Any) -> tuple[Tensor, Tensor]:
    """The head's weights, with thresholds, temperature or units of a number worked into them."""
    head, thresholds = network.head, network.thresholds
    weight, bias = head.weight.detach(), head.bias.detach()
    if thresholds is not None:
        weight, bias = weight.expand(len(thresholds), -1), bias + thresholds.detach()
    weight, bias = weight / model.temperature, bias / model.temperature
    if model.targets.kind == "regression":
        mean, deviation = model.targets.mean, model.targets.deviation
        return weight * deviation, bias * deviation + mean
    return weight, bias


def _scores(model: Any, outputs: Tensor) -> Tensor:
    """What the worked-in head gives for the whole example, ``(K,)``."""
    scaled = outputs[0] / model.temperature
    if model.targets.kind == "regression":
        return scaled * model.targets.deviation + model.targets.mean
    return scaled
