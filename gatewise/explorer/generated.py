"""A page about a generator of sequences: what it makes of one as it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatewise.explorer.chain import Chain, matrix, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers, quoted, tokenizer_document

END = "\n"


def of_generator(model: Any, given: Any, row: int = 0) -> Subject:
    """A page about a trained generator.

    Of texts it is a page as of a language model: what comes next after each character. Of numbers
    it shows the numbers and the recurrent layers, without the mixture that the next one is drawn
    from.

    Args:
        model: as `gatewise.load` returns it.
        given: a text; or numbers ``(T, C)``, or a file with such sequences.
        row: of a file, which sequence.

    Raises:
        TypeError: it is neither.
        ValueError: it is empty, or not of the model's characters or channels.
    """
    if model.tokenizer is None:
        return _of_numbers(model, given, row)
    if not isinstance(given, str):
        raise TypeError(f"a generator of texts reads a text, not {type(given).__name__}.")
    network, tokenizer = model.model, model.tokenizer
    tokens = tokenizer.encode(END + given)  # a text begins behind the end of another
    chain = Chain()
    chain.add_embedding(network.input.weight)
    chain.add_recurrent(recurrent_layer(network.recurrent))
    chain.add_linear(network.output.head.weight, network.output.head.bias)
    with torch.no_grad():
        outputs = network.recurrent(network.input(torch.from_numpy(tokens)[:, None]))[0][:, 0]
        scores = network.output.head(outputs[-1])
    return Subject(
        title=quoted(given),
        about=f"A generator of texts of {tokenizer.size - 1:,} characters: "
        f"{describe_layers(chain)}",
        chain=chain,
        input={"tokens": tokens.tolist()},
        output={"kind": "next", "labels": []},
        outputs=outputs,
        scores=scores,
        tokenizer=tokenizer_document(tokenizer),
    )


def _of_numbers(model: Any, given: Any, row: int) -> Subject:
    values = _read(given, row) if isinstance(given, str | Path) else np.asarray(given, np.float32)
    channels = model.config["channel_names"]
    if values.ndim != 2 or values.shape[1] != len(channels) or not len(values):
        raise ValueError(f"the input is {values.shape}, not (steps, {len(channels)}).")
    network = model.model
    mean, spread = (
        torch.tensor(model.config[name], dtype=torch.float32) for name in ("mean", "spread")
    )
    # a step more: before the first number stands the mean, as when it makes a sequence
    said = torch.cat([mean[None], torch.from_numpy(values)])
    chain = Chain()
    chain.add_numbers(list(map(str, channels)))
    chain.add_standard(mean, spread, gaps=False)
    chain.add_linear(network.input.weight, network.input.bias)
    chain.add_recurrent(recurrent_layer(network.recurrent))
    with torch.no_grad():
        outputs = network.recurrent(network.input((said - mean) / spread)[:, None])[0][:, 0]
    return Subject(
        title=f"A sequence of {len(values):,} steps",
        about="A generator of sequences of numbers, before it draws the next one: "
        f"{describe_layers(chain)}",
        chain=chain,
        input={"numbers": matrix(said)},
        output={"kind": "none", "labels": []},
        outputs=outputs,
    )


def _read(path: str | Path, row: int) -> np.ndarray:
    from gatewise.data.labelled.example_files import read_examples

    found = [each for block in read_examples(path).blocks() for each in block.inputs]
    if not 0 <= row < len(found):
        raise ValueError(f"--row {row}: {path} has {len(found)} sequences, from 0.")
    if isinstance(found[row], str):
        raise ValueError(f"{path}: holds texts, but the model reads numbers.")
    return np.asarray(found[row], np.float32)
