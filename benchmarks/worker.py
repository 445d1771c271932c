"""Measures in a process of its own: numbers of threads and allocators are set before it starts.

Reads a request as JSON from standard input; writes a line of JSON for each case.
"""

from __future__ import annotations

import json
import statistics
import sys
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cases import Case
from benchmarks.clock import CLOCKS, Run, seconds_of_turns
from benchmarks.peak import peak_run
from benchmarks.peers import PEERS, Task, absent, ours


def measure(
    case: Case, peers: list[str], backend: str, clock: str, seconds: float
) -> dict[str, Any]:
    """Milliseconds of ours and of every peer that has the case, in alternation with the peak.

    Args:
        case: what is run.
        peers: names out of `PEERS`; those that are not installed are left out.
        backend: what runs ours: ``llvm``, or ``auto`` for what the layer chooses itself.
        clock: name of a clock.
        seconds: how long to measure each.

    Raises:
        ArithmeticError: a peer computes something else than we do.
    """
    task = Task(case)
    peak, operations = peak_run()
    runs: dict[str, Run] = {"ours": ours(task, backend)}
    for name in peers:
        run = None if absent(name) else PEERS[name](task)
        if run is not None:
            runs[name] = run
    _check(case, runs)
    turns = seconds_of_turns({"peak": peak, **runs}, CLOCKS[clock], seconds)
    # a peak is what was reached at best: whatever else the machine did only lowers it
    peak_rate = operations / min(turns.pop("peak"))
    taken = {name: statistics.median(times) for name, times in turns.items()}
    return {
        **case.as_dict(),
        "threads": torch.get_num_threads(),
        "milliseconds": {name: 1e3 * value for name, value in taken.items()},
        "gflops": case.operations / taken["ours"] / 1e9,
        "peak_gflops": peak_rate / 1e9,
        "share_of_peak": case.operations / taken["ours"] / peak_rate,
    }


def _check(case: Case, runs: dict[str, Run]) -> None:
    """Peers with the same weights must return the same numbers."""
    expected = _tensor(runs["ours"]())
    for name in ("torch", "onnxruntime", "jax", "loop"):
        if name not in runs:
            continue
        error = float((_tensor(runs[name]()) - expected).abs().max())
        # float32 over a thousand steps, where layer norm may magnify what was rounded
        if not error < 0.02:
            raise ArithmeticError(f"{name} differs from ours by {error:.1e} at {case}")


def _tensor(value: object) -> Tensor:
    return value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.readline())
    warnings.simplefilter("ignore")
    torch.set_num_threads(request["threads"])
    for wanted in request["cases"]:
        options = (request[name] for name in ("peers", "backend", "clock", "seconds"))
        found = measure(Case(**wanted), *options)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
