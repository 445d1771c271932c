"""Time of several runs in alternation, so that a change of the machine's mood strikes all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

Run = Callable[[], object]

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""``cpu`` counts the time of all threads: for one thread on a machine that does other things."""

TURN = 0.02
"""Seconds that short runs are repeated in one turn."""

FEWEST, MOST = 5, 60
"""Turns."""


def seconds_of_turns(
    runs: Mapping[str, Run], clock: Callable[[], float], seconds: float
) -> dict[str, list[float]]:
    """The time of a call of each run, turn by turn.

    Every turn starts with one call that is not counted: it finds caches and threads as the run
    before has left them.

    Args:
        runs: by name.
        clock: tells seconds.
        seconds: how long to measure, for each run; the fewest turns may take longer.
    """
    calls = {name: _calls_per_turn(run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    end = time.perf_counter() + seconds * len(runs)
    for turn in range(MOST):
        if turn >= FEWEST and time.perf_counter() > end:
            break
        for name, run in runs.items():
            run()
            start = clock()
            for _ in range(calls[name]):
                run()
            taken[name].append((clock() - start) / calls[name])
    return taken


def _calls_per_turn(run: Run) -> int:
    for _ in range(2):  # what is compiled or allocated at first
        run()
    start = time.perf_counter()
    run()
    return max(1, int(TURN / max(1e-7, time.perf_counter() - start)))
