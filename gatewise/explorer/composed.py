"""Pages about models of music: which keys they expect after each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatewise.data.music.keys import KEYS, Roll, name_of
from gatewise.explorer.chain import Chain, matrix, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers

SILENCE = "silence"


def of_music(model: Any, given: Any, row: int = 0) -> Subject:
    """A page about a trained model of music and a piece.

    The page reads silence first, as the model does. Where keys of a step know of each other, it
    shows how likely each is if those below it are held as likely as they are: the mean field.

    Args:
        model: as `gatewise.load` returns it.
        given: a roll ``(T, 88)``, or a file or folder; see `gatewise.data.music.rolls.read_music`.
        row: of a file, which piece, from 0.

    Raises:
        DataError: the file cannot be read.
        ValueError: it is no roll, or there is no such piece.
    """
    roll = _read(model, given, row) if isinstance(given, str | Path) else np.asarray(given)
    if roll.ndim != 2 or roll.shape[1] != KEYS or not len(roll):
        raise ValueError(f"the input is {roll.shape}, not (steps, {KEYS}).")
    network = model.model
    held = torch.from_numpy((roll > 0).astype(np.float32))
    read = torch.cat([torch.zeros_like(held[:1]), held])
    chain = Chain()
    chain.add_numbers([name_of(key) for key in range(KEYS)])
    if isinstance(network.input, torch.nn.Linear):
        chain.add_linear(network.input.weight, network.input.bias)
    chain.add_recurrent(recurrent_layer(network.recurrent))
    chain.add_linear(network.output.head.weight, network.output.head.bias)
    if network.output.chords:
        chain.add_pairs(network.output.below())
    with torch.no_grad():
        outputs = network.recurrent(network.input(read[:, None]))[0][:, 0]
        scores = network.output.expect(outputs[-1:])[0]
    return Subject(
        title=f"Music of {len(roll):,} steps",
        about=f"A model of music: {describe_layers(chain)}",
        chain=chain,
        input={"numbers": matrix(read), "labels": [SILENCE, *map(chord_name, roll)]},
        output={"kind": "keys", "labels": [name_of(key) for key in range(KEYS)]},
        outputs=outputs,
        scores=scores,
    )


def chord_name(step: Roll) -> str:
    """The keys of a step, from the lowest."""
    return " ".join(name_of(int(key)) for key in np.flatnonzero(step)) or SILENCE


def _read(model: Any, path: str | Path, row: int) -> Roll:
    from gatewise.data.music.rolls import read_music

    pieces = read_music(path, model.config["steps_per_beat"] or 4).pieces
    if not 0 <= row < len(pieces):
        raise ValueError(f"--row {row}: {path} has {len(pieces)} pieces, from 0.")
    return pieces[row]
