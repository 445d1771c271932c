"""One line that moves, with the speed and the time left; plain lines where nothing can move."""

import time
from collections import deque
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from gatewise.data import processes
from gatewise.training.checkpoint import Progress

RECENT = 10.0  # seconds that the speed is averaged over
PLAIN_EVERY = 30.0  # seconds between lines where nothing can move


class LiveDisplay:
    """Shows how far long work is in a terminal; writes plain lines where the output is none.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False, quiet=not processes.is_first())
        if not self.console.is_terminal:
            self.console.width = 200  # a file has no edge to wrap at
        self.bar = Bar(
            TextColumn("{task.percentage:>3.0f} %"),
            BarColumn(bar_width=None, complete_style="green", finished_style="green"),
            TextColumn("{task.description}"),
            console=self.console,
            expand=True,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.line = self.bar.add_task("", total=1.0, visible=False)
        self.recent: deque[tuple[float, int]] = deque()  # times and steps since a validation
        self.said = self.begun_at = time.monotonic()
        self.begun_with = 0.0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def preparing(self, stage: str, share: float) -> None:
        """Say what is being made ready."""
        self.move(share, stage)

    def begin(self, spent: float) -> None:
        """Start the clock of this session; earlier ones spent a share of the budget."""
        self.begun_at, self.begun_with = time.monotonic(), spent
        self.bar.update(self.line, completed=spent, description="starting")

    def advance(
        self,
        progress: Progress,
        spent: float,
        figures: Iterable[str],
        per_step: float,
        unit: str,
    ) -> None:
        """Move the line behind a step.

        Args:
            progress: How far the run is.
            spent: Share of the budget.
            figures: What stands before the speed.
            per_step: How many units a step reads.
            unit: Their name.
        """
        now = time.monotonic()
        self.recent.append((now, progress.step))
        while now - self.recent[0][0] > RECENT:
            self.recent.popleft()
        clipped = f"clipped {progress.clipped_share:.0%}" if progress.clipped else ""
        parts = [*figures, clipped, self.speed(per_step, unit), self.time_left(now, spent)]
        self.move(spent, " · ".join(part for part in parts if part))

    def move(self, share: float, line: str) -> None:
        """Move the line; where nothing can move, write another now and then."""
        if self.console.is_terminal:
            self.bar.update(self.line, completed=share, description=line, visible=True)
        elif time.monotonic() - self.said >= PLAIN_EVERY:
            self.said = time.monotonic()
            self.console.print(f"{share:4.0%}  {line}")

    def speed(self, per_step: float, unit: str) -> str:
        """Return the units read per second."""
        (begin, first), (end, last) = self.recent[0], self.recent[-1]
        if end - begin < 0.5:
            return ""
        rate = (last - first) * per_step / (end - begin)
        return f"{rate / 1000:.1f}k {unit}/s" if rate >= 1000 else f"{rate:.0f} {unit}/s"

    def time_left(self, now: float, spent: float) -> str:
        """Return how long it will take at the speed so far."""
        gone, passed = spent - self.begun_with, now - self.begun_at
        if passed < 2 or gone <= 0:
            return ""
        return f"{clock((1 - spent) / gone * passed)} left"


def clock(seconds: float) -> str:
    """Show a duration as minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60} h {minutes % 60:02d} min"
