"""What autocast is worth: layers under bfloat16 autocast, and torch's own, over ours in float32.

    python -m benchmarks.mixed_precision [--sizes 32,100,256,256] [--threads 1]

Prints milliseconds of a forward pass and of a training step (forward and backward) in float32, and
how many times as fast the same layer and torch's are under autocast in the same turn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

import gatewise as gw
from benchmarks.clock import CLOCKS, Run, seconds_of_turns

SIZES = ("32,100,256,256", "64,100,512,512")
KINDS = ("LSTM", "GRU")


def infer(layer: nn.Module, x: torch.Tensor, mixed: bool) -> Run:
    """A forward pass without gradients."""

    def run() -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            layer(x)

    return run


def train(layer: nn.Module, x: torch.Tensor, mixed: bool) -> Run:
    """Forward and backward, the gradient of x included."""
    start = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        gradient = torch.randn_like(layer(start)[0])

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            y = layer(start)[0]
        y.backward(gradient)

    return run


def row(kind: str, size: str, what: Any, clock: str, seconds: float) -> str:
    """A line of the table."""
    B, T, I, H = map(int, size.split(","))
    x, ours, theirs = torch.randn(T, B, I), getattr(gw, kind)(I, H), getattr(nn, kind)(I, H)
    runs: Mapping[str, Run] = {
        "float32": what(ours, x, False),
        "autocast": what(ours, x, True),
        "torch autocast": what(theirs, x, True),
    }
    taken = seconds_of_turns(runs, CLOCKS[clock], seconds)
    plain = taken.pop("float32")
    faster = [
        f"{statistics.median(a / b for a, b in zip(plain, own, strict=True)):.2f}"
        for own in taken.values()
    ]
    name = "inference" if what is infer else "training"
    milliseconds = f"{statistics.median(plain) * 1e3:.1f}"
    return (
        f"| {kind} | {size.replace(',', ', ')} | {name} | {milliseconds} | {' | '.join(faster)} |"
    )


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_precision")
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="B,T,I,H")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu for busy machines")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=1.0, help="for each run")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    print(f"{options.threads} thread(s), {options.clock} time\n")
    print("| layer | B, T, I, H | | float32, ms | ours, autocast | torch's, autocast |")
    print("|---|---|---|---:|---:|---:|")
    for size in options.sizes:
        for kind in KINDS:
            for what in (infer, train):
                print(row(kind, size, what, options.clock, options.seconds), flush=True)


if __name__ == "__main__":
    main()
