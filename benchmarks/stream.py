"""One step at a time: `layer.stream().step(x)` against nn.LSTM with T = 1, in alternation.

``python -m benchmarks.stream`` prints medians in microseconds and their ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

import gatewise as gw

SIZES = (32, 64, 128, 256)
ROUNDS, STEPS = 30, 200


def seconds_per_call(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(STEPS):
        call()
    return (time.perf_counter() - started) / STEPS


def measure(H: int) -> tuple[float, float]:
    """Median seconds of one step: ours and torch's."""
    theirs, ours = torch.nn.LSTM(H, H), gw.LSTM(H, H)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 1, H)
    row, stream = x[0].numpy(), ours.stream()
    state = tuple(torch.zeros(1, 1, H) for _ in "hc")
    pairs = [
        (seconds_per_call(lambda: stream.step(row)), seconds_per_call(lambda: theirs(x, state)))
        for _ in range(ROUNDS)
    ]
    mine, other = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(other)


def main() -> None:
    torch.set_num_threads(1)
    print("| H = I | stream.step, µs | nn.LSTM, T = 1, µs | ratio |\n|---:|---:|---:|---:|")
    with torch.no_grad():
        for H in SIZES:
            ours, theirs = measure(H)
            print(f"| {H} | {ours * 1e6:.1f} | {theirs * 1e6:.1f} | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
