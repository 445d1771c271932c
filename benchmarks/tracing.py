"""What looking costs: a forward pass that training follows, with and without a trace.

    python -m benchmarks.tracing [--size 32,100,256,256] [--clock cpu] [--threads 1]

Prints the time of a traced forward pass over that of a plain one, in the same turn, for layers of
Gatewise on kernels and for layers of torch; and what it takes to read values, over the same plain
pass: states, which are there; one gate; every named value.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import nn

import gatewise as gw
from benchmarks.clock import CLOCKS, seconds_of_turns

SIZE = (32, 100, 256, 256)


def layers_of(I: int, H: int) -> dict[str, nn.Module]:
    return {
        "gw.LSTM": gw.LSTM(I, H),
        "gw.GRU": gw.GRU(I, H),
        "gw.Recurrent('peephole')": gw.Recurrent("peephole", I, H),
        "nn.LSTM": nn.LSTM(I, H),
        "nn.GRU": nn.GRU(I, H),
    }


def runs_of(layer: nn.Module, x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """A forward pass plain, traced, and traced with values read, gradients on."""

    def traced(read: tuple[str, ...] = (), **options) -> Callable[[], object]:
        def run():
            with gw.trace(layer, **options) as t:
                _result = layer(x)  # while it is there, so is what its backward pass needs
            return [t.only[name] for name in read]

        return run

    with gw.trace(layer) as t, torch.no_grad():
        layer(x)
    record = t.only
    return {
        "plain": lambda: layer(x),
        "traced": traced(),
        "traced, grads": traced(grads=True),
        "states read": traced(record.states),
        "a gate read": traced(record.gates[:1]),
        "all read": traced(record.names),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default=",".join(map(str, SIZE)), help="B,T,I,H")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu for busy machines")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=1.0, help="for each run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    B, T, I, H = map(int, options.size.split(","))
    x = torch.randn(T, B, I)
    print(f"B={B} T={T} I={I} H={H}, {options.threads} thread(s), {options.clock} time")
    for name, layer in layers_of(I, H).items():
        taken = seconds_of_turns(runs_of(layer, x), CLOCKS[options.clock], options.seconds)
        plain = taken.pop("plain")
        parts = [f"plain {statistics.median(plain) * 1e3:.1f} ms"]
        for run, seconds in taken.items():
            ratio = statistics.median(a / b for a, b in zip(seconds, plain, strict=True))
            parts.append(f"{run} {ratio:.2f}")
        print(f"{name}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
