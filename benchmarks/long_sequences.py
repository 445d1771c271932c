"""What recompute saves and costs, and what lengths, packing and resets cost, one thread.

``python -m benchmarks.long_sequences`` prints bytes that autograd keeps for the backward pass, and
times of a training step (forward and backward) as ratios to the plain call, taken by turns. The
bytes are those of every storage that is kept, counted once; the caller's own input and the layer's
weights are left out, since they are there anyway.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import gatewise as gw
from benchmarks.clock import CLOCKS, Run, seconds_of_turns

LONG = (4000, 8, 256)
"""T, B and H = I of the first table."""

SIZES = ((100, 32, 256), (100, 16, 64))
"""Likewise of the second."""

CELLS = ("lstm", "gru", "peephole")
MEGA = 1 << 20
RESETS = 0.02
"""How often a state is reset."""


def bytes_kept(layer: gw.Recurrent, x: Tensor) -> int:
    """Bytes that a call keeps for its backward pass, without the caller's own tensors."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (x, *layer.parameters())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor  # lives on, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = layer(x)
    del result
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def training_step(layer: gw.Recurrent, x: Any, **marks: Any) -> Run:
    """Forward and backward, from a random gradient of the output."""
    y = layer(x, **marks)[0]
    gradient = torch.randn_like(y.data if isinstance(y, PackedSequence) else y)

    def run() -> None:
        output = layer(x, **marks)[0]
        data = output.data if isinstance(output, PackedSequence) else output
        data.backward(gradient)

    return run


def ratios(runs: Mapping[str, Run], clock: Callable[[], float], seconds: float) -> dict[str, float]:
    """The median of each run's time over the first one's in the same turn."""
    taken = seconds_of_turns(runs, clock, seconds)
    first = next(iter(taken.values()))
    return {
        name: statistics.median(own / plain for own, plain in zip(times, first, strict=True))
        for name, times in taken.items()
    }


def recomputing(
    cell: str, clock: Callable[[], float], seconds: float, size: tuple[int, int, int] = LONG
) -> str:
    """A row of the first table."""
    T, B, H = size
    x = torch.randn(T, B, H)
    plain, light = gw.Recurrent(cell, H, H), gw.Recurrent(cell, H, H, recompute=True)
    before, after = bytes_kept(plain, x), bytes_kept(light, x)
    runs = {"plain": training_step(plain, x), "recompute": training_step(light, x)}
    ratio = ratios(runs, clock, seconds)["recompute"]
    sizes = f"{before / MEGA:.0f} | {after / MEGA:.0f}"
    return f"| {cell} | {sizes} | {after / before:.1%} | {ratio:.2f} |"


def marking(
    cell: str, size: tuple[int, int, int], clock: Callable[[], float], seconds: float
) -> str:
    """A row of the second table."""
    T, B, H = size
    x, layer = torch.randn(T, B, H), gw.Recurrent(cell, H, H)
    lengths = torch.randint(T // 2, T + 1, (B,))
    lengths[0] = T
    reset = torch.rand(T, B) < RESETS
    right = torch.arange(T)[:, None] < lengths
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    runs = {
        "plain": training_step(layer, x),
        "lengths": training_step(layer, x, lengths=lengths),
        "left": training_step(layer, x, lengths=right.flip(0)),
        "packed": training_step(layer, packed),
        "reset": training_step(layer, x, reset=reset),
        "both": training_step(layer, x, lengths=lengths, reset=reset),
    }
    found = [f"{ratio:.2f}" for ratio in ratios(runs, clock, seconds).values()][1:]
    return f"| {cell} | {T}, {B}, {H} | {' | '.join(found)} |"


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_sequences")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: for a machine that does other things"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="for each run of each row")
    chosen = parser.parse_args(given)
    clock = CLOCKS[chosen.clock]
    torch.set_num_threads(1)
    T, B, H = LONG
    print(
        f"Recompute at T = {T}, B = {B}, H = I = {H}: MiB kept for the backward pass, and time.\n"
    )
    print("| cell | plain | recompute | share | time ratio |\n|---|---:|---:|---:|---:|")
    for cell in CELLS:
        print(recomputing(cell, clock, chosen.seconds), flush=True)
    print("\nTime of a training step over that of the plain call at equal T.\n")
    print("| cell | T, B, H | lengths | left padding | PackedSequence | reset | lengths, reset |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for cell in CELLS:
        for size in SIZES:
            print(marking(cell, size, clock, chosen.seconds), flush=True)


if __name__ == "__main__":
    main()
