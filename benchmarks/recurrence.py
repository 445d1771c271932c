"""Our kernels against their peers, in one run and in alternation.

``python -m benchmarks.recurrence`` measures torch's three cells at many sizes and every other cell
at one; ``--help`` lists what can be chosen. Times are medians in milliseconds, a peer's column is
its time over ours, and the share of peak is that of a loop of multiplications and additions
measured between the others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.box import HEAVY_HEAD, MARKDOWN, Box
from rich.console import Console
from rich.table import Table

import gatewise as gw
from benchmarks.cases import BUILT_IN, QUICK_SIZES, Case, cases_of
from benchmarks.clock import CLOCKS
from benchmarks.peers import PEERS, absent

TUNED = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""Makes glibc keep memory that it was given back, so that torch does not pay for page faults."""

Record = dict[str, Any]


def arguments_of(given: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recurrence", description=__doc__)
    parser.add_argument("--cells", help="names with commas, or 'all'; lstm,gru,rnn if not given")
    parser.add_argument("--sizes", help="B,T,I,H of each size, with blanks between: '32,100,64,64'")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, with commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: one thread, busy machine"
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="for each run of each case")
    parser.add_argument(
        "--backend",
        choices=("llvm", "auto"),
        default="llvm",
        help="runs ours; auto: the layer chooses",
    )
    parser.add_argument("--quick", action="store_true", help="two sizes, short runs")
    parser.add_argument("--no-tuned", action="store_true", help="leave the tuned allocator out")
    parser.add_argument("--markdown", action="store_true", help="print tables for a page")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(given)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Turn texts into lists, with an error that says what is wrong."""
    names = (options.cells or ",".join(BUILT_IN)).split(",")
    options.cells = gw.cells.names() if names == ["all"] else names
    for name in options.cells:
        if name not in gw.cells.names():
            parser.error(f"--cells: no cell {name!r}; `gatewise cells` lists them")
    options.peers = [name for name in options.peers.split(",") if name]
    for name in options.peers:
        if name not in PEERS:
            parser.error(f"--peers: no peer {name!r}; there are {', '.join(PEERS)}")
    try:
        options.threads = [int(count) for count in options.threads.split(",")]
        sizes = [tuple(map(int, size.split(","))) for size in (options.sizes or "").split()]
    except ValueError as error:
        parser.error(f"--threads and --sizes are whole numbers with commas: {error}")
    if any(len(size) != 4 or min(size) < 1 for size in sizes):
        parser.error("--sizes: each size is four numbers above zero, B,T,I,H")
    if any(count < 1 for count in options.threads):
        parser.error("--threads: a team has one thread at least")
    if options.clock == "cpu" and options.threads != [1]:
        parser.error("--clock cpu adds up the time of all threads: use it with --threads 1")
    options.sizes = sizes or (list(QUICK_SIZES) if options.quick else None)
    options.seconds = min(options.seconds, 0.1) if options.quick else options.seconds


def measured(
    cases: list[Case], options: argparse.Namespace, threads: int, tuned: bool
) -> Iterator[Record]:
    """Records from a process with so many threads, and its allocator tuned or not."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    request = {
        "cases": [case.as_dict() for case in cases],
        "peers": ["torch"] if tuned else options.peers,
        "threads": threads,
        "backend": options.backend,
        "clock": options.clock,
        "seconds": options.seconds,
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.worker"],
        env={**environment, **TUNED} if tuned else environment,
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    with worker:
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.close()
        for line in worker.stdout:
            yield {**json.loads(line), "tuned": tuned}
    if worker.returncode:
        raise SystemExit(f"the measuring process ended with code {worker.returncode}")


def ratios(record: Record) -> dict[str, float]:
    """Each peer's time over ours."""
    times = record["milliseconds"]
    suffix = " tuned" if record["tuned"] else ""
    return {f"{n}{suffix}": t / times["ours"] for n, t in times.items() if n != "ours"}


def merged(records: list[Record]) -> list[Record]:
    """One record for each case and number of threads, with all its ratios."""
    found: dict[tuple, Record] = {}
    for record in records:
        key = (record["threads"], *(record[name] for name in ("cell", "B", "T", "I", "H")))
        key = (*key, record["training"])
        kept = found.setdefault(key, {**record, "ratios": {}})
        kept["ratios"] |= ratios(record)
    return list(found.values())


def size_of(record: Record) -> str:
    """As ``--sizes`` takes it."""
    return ",".join(str(record[name]) for name in "BTIH")


def table_of(records: list[Record], title: str, box: Box = HEAVY_HEAD) -> Table:
    """A row for each case."""
    table = Table(title=title, box=box)
    columns = list(dict.fromkeys(name for record in records for name in record["ratios"]))
    for name in ("cell", "B,T,I,H", "ours ms", "GFLOP/s", "of peak", *columns):
        table.add_column(name, justify="left" if name == "cell" else "right", no_wrap=True)
    for record in records:
        size = size_of(record)
        shown = [record["ratios"].get(name) for name in columns]
        table.add_row(
            record["cell"],
            size,
            f"{record['milliseconds']['ours']:.3f}",
            f"{record['gflops']:.0f}",
            f"{record['share_of_peak']:.0%}",
            *("" if ratio is None else f"{ratio:.2f}×" for ratio in shown),
        )
    return table


def geometric_mean(values: list[float]) -> float:
    """The mean that ratios have."""
    return math.exp(sum(map(math.log, values)) / len(values))


def summary_of(records: list[Record], box: Box = HEAVY_HEAD) -> Table:
    """Geometric mean and worst size against every peer, for torch's cells and the others."""
    table = Table(title="Time of a peer over ours", box=box)
    for name in ("cells", "", "threads", "peer", "geometric mean", "least", "where"):
        table.add_column(name, no_wrap=True)
    groups: dict[tuple, list[tuple[float, Record]]] = {}
    for record in records:
        cells = record["cell"] if record["cell"] in BUILT_IN else "others"
        kind = "training" if record["training"] else "inference"
        for peer, ratio in record["ratios"].items():
            groups.setdefault((cells, kind, record["threads"], peer), []).append((ratio, record))
    for (cells, kind, threads, peer), found in groups.items():
        least, where = min(found, key=lambda pair: pair[0])
        place = f"{where['cell']} {size_of(where)}"
        mean = geometric_mean([ratio for ratio, _ in found])
        table.add_row(cells, kind, str(threads), peer, f"{mean:.2f}×", f"{least:.2f}×", place)
    return table


def machine() -> dict[str, Any]:
    """What was measured on."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        processor = {k.strip(): v.strip() for k, v in lines.items()}["model name"]
    except (OSError, KeyError):
        processor = platform.processor()
    return {"processor": processor, "cores": os.cpu_count(), "torch": torch.__version__}


def main(given: list[str] | None = None) -> None:
    """Measure and print."""
    options = arguments_of(given)
    notes = Console(stderr=True)
    missing = {name: absent(name) for name in options.peers if absent(name)}
    for name, packages in missing.items():
        notes.print(f"{name} is left out: {', '.join(packages)} is not installed")
    cases = cases_of(options.cells, options.sizes)
    built_in = [case for case in cases if case.cell in BUILT_IN]
    tuned = built_in if "torch" in options.peers and not options.no_tuned else []
    records: list[Record] = []
    total = len(options.threads) * (len(cases) + len(tuned))
    with notes.status("measuring") as status:
        for threads in options.threads:
            for own, is_tuned in ((cases, False), (tuned, True)):
                for record in measured(own, options, threads, is_tuned) if own else ():
                    records.append(record)
                    status.update(f"{len(records)} of {total}: {record['cell']}")
    rows = merged(records)
    if options.json:
        print(json.dumps({"machine": machine(), "absent": missing, "records": rows}, indent=1))
        return
    box = MARKDOWN if options.markdown else HEAVY_HEAD
    # a table that is cut says nothing: in a file or a pipe it is as wide as it needs
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for threads in options.threads:
        for training in (False, True):
            own = [r for r in rows if r["threads"] == threads and r["training"] == training]
            title = f"{'Training' if training else 'Inference'}, {threads} thread(s)"
            console.print(table_of(own, title, box))
    console.print(summary_of(rows, box))


if __name__ == "__main__":
    main()
