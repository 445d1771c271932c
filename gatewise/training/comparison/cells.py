"""Compare cells on a long-lag task: same data, same budget, several seeds, side by side."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gatewise.cells import get
from gatewise.data.whole_file import write_whole
from gatewise.equations import Cell
from gatewise.tasks.long_lag import LongLagTask
from gatewise.training.checkpoint import RunError
from gatewise.training.comparison.run import Learning, Outcome, RunSettings
from gatewise.training.plan import Stopped

Watch = Callable[[Mapping["Run", Learning], Mapping["Run", Outcome]], None]
POLL = 0.5  # seconds between looks at what is learned


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a comparison.

    Attributes:
        task: What is learned, with its length.
        cell: By which cell.
        seed: What its weights and data come from; cells of equal seeds learn from equal data.
        settings: How it learns.
    """

    task: LongLagTask
    cell: str | Cell
    seed: int
    settings: RunSettings

    @property
    def label(self) -> str:
        """The cell's name."""
        return get(self.cell).name

    @property
    def file(self) -> str:
        """The name of the file that its outcome is kept in."""
        return f"{self.task.name}-{self.task.length}-{self.label}-{self.seed}.json"

    def describe(self) -> dict[str, Any]:
        """Return all that its outcome depends on, as JSON has it."""
        graph = json.dumps(get(self.cell).graph.to_dict(), sort_keys=True)
        return {
            "task": self.task.name,
            "length": self.task.length,
            "data": self.task.data,
            "cell": self.label,
            "equations": hashlib.sha256(graph.encode()).hexdigest(),
            "seed": self.seed,
            **asdict(self.settings),
        }


@dataclass(frozen=True)
class Comparison:
    """What came of all runs.

    Attributes:
        runs: In the order of lengths, cells and seeds.
        outcomes: Of each.
    """

    runs: list[Run]
    outcomes: list[Outcome]

    def select(self, length: int, cell: str) -> list[Outcome]:
        """Return the outcomes of a cell at a length, by seed."""
        both = zip(self.runs, self.outcomes, strict=True)
        return [done for run, done in both if (run.task.length, run.label) == (length, cell)]

    @property
    def lengths(self) -> list[int]:
        """The lengths."""
        return list(dict.fromkeys(run.task.length for run in self.runs))

    @property
    def cells(self) -> list[str]:
        """The cells' names."""
        return list(dict.fromkeys(run.label for run in self.runs))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        both = zip(self.runs, self.outcomes, strict=True)
        return {"runs": [{**run.describe(), "outcome": done.to_dict()} for run, done in both]}


def plan_runs(
    tasks: Sequence[LongLagTask],
    cells: Sequence[str | Cell],
    seeds: Sequence[int],
    settings: RunSettings,
) -> list[Run]:
    """Return the runs of a comparison: every task with every cell and every seed.

    Raises:
        ValueError: A cell is named twice, there is none, or it does not fit.
    """
    names = [get(cell).name for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--cells: {name} is named twice")
    if not (names and tasks and seeds):
        raise ValueError("nothing to compare: name at least one cell, one length and one seed")
    runs = [
        Run(task, cell, seed, settings.for_task(task))
        for task in tasks
        for cell in cells
        for seed in seeds
    ]
    for run in runs:
        if run.seed == seeds[0]:
            run.settings.build_network(run.task, run.cell, run.seed)  # raises where it cannot be
    return runs


def compare(
    runs: Sequence[Run],
    folder: Path | None = None,
    jobs: int | None = None,
    watch: Watch = lambda *_: None,
) -> Comparison:
    """Learn all runs, several at a time, each on a thread of its own.

    Args:
        runs: What to learn; see `plan_runs`.
        folder: Where each outcome is kept as soon as its run is over, and taken from if the same
            run was done before; None keeps nothing.
        jobs: How many runs at a time; None is one for each core.
        watch: Called at first and then about twice a second, with how far the runs are that began
            in this call, and with all outcomes so far.

    Raises:
        RunError: The folder holds the outcome of a run with other settings.
        Stopped: The user pressed Ctrl-C; what was finished is kept.

    Example:
        >>> from gatewise.tasks.long_lag_catalogue import TASKS
        >>> settings = RunSettings(hidden=8, sequences=100)
        >>> runs = plan_runs([TASKS["adding"](20)], ["rnn", "gru"], [0, 1], settings)
        >>> comparison = compare(runs)
        >>> [len(comparison.select(20, cell)) for cell in comparison.cells]
        [2, 2]
    """
    outcomes = {} if folder is None else read_outcomes(runs, folder)
    stop = threading.Event()
    missing = [run for run in runs if run not in outcomes]
    learning: dict[Run, Learning] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # operators are too small to share
    pool = ThreadPoolExecutor(
        jobs or os.cpu_count() or 1, initializer=torch.set_num_threads, initargs=(1,)
    )

    def learn(run: Run) -> Outcome:
        torch.set_num_threads(1)  # each thread has a number of its own
        learning[run] = begun = Learning(run.task, run.cell, run.seed, run.settings)
        return begun.finish(stop)

    try:
        watch({}, outcomes)
        waiting = {pool.submit(learn, run): run for run in missing}
        while waiting:
            done, _ = wait(waiting, POLL, FIRST_COMPLETED)
            for future in done:
                run = waiting.pop(future)
                outcomes[run] = keep(future, run, folder)
            watch(dict(learning), outcomes)
    except KeyboardInterrupt:
        raise Stopped from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
    return Comparison(list(runs), [outcomes[run] for run in runs])


def keep(future: Future[Outcome], run: Run, folder: Path | None) -> Outcome:
    """Return an outcome, and write it down."""
    outcome = future.result()
    if folder is not None:
        folder.mkdir(exist_ok=True)
        written = {**run.describe(), "outcome": outcome.to_dict()}
        write_whole(folder / run.file, json.dumps(written, indent=1).encode())
    return outcome


def read_outcomes(runs: Sequence[Run], folder: Path) -> dict[Run, Outcome]:
    """Return the outcomes that a folder holds of these runs.

    Raises:
        RunError: One is of other settings, or damaged.
    """
    found = {}
    for run in runs:
        path = folder / run.file
        if not path.exists():
            continue
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            outcome = Outcome.from_dict(kept.pop("outcome"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: damaged ({error}); delete it, or use --restart") from error
        now = run.describe()
        faults = [
            f"{name} was {kept.get(name)}, now {value}"
            for name, value in now.items()
            if kept.get(name) != value
        ]
        if faults:
            raise RunError(
                f"{path} is of another comparison: {'; '.join(faults)}. "
                "Give another -o, or --restart to begin anew"
            )
        found[run] = outcome
    return found


def forget_outcomes(runs: Sequence[Run], folder: Path) -> None:
    """Delete what a folder holds of these runs."""
    for run in runs:
        (folder / run.file).unlink(missing_ok=True)
