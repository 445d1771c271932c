"""Ctrl-C and SIGTERM while a training runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, Self


class StopSignals:
    """Inside the ``with`` block the first Ctrl-C or SIGTERM calls a function.

    The second ends the process as always.

    Args:
        stop: What is called.
    """

    def __init__(self, stop: Callable[[], None]):
        self.stop = stop
        self.before: dict[signal.Signals, Any] = {}
        self.taken = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # others may set no handlers
            numbers = (signal.SIGINT, signal.SIGTERM)
            self.before = {number: signal.getsignal(number) for number in numbers}
            self.install()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def install(self) -> None:
        """Set the handlers; again where Lightning, which leaves at once, has set its own."""
        for number in () if self.taken else self.before:
            signal.signal(number, self.handle)

    def handle(self, number: int, frame: object) -> None:
        """Take a signal."""
        self.stop()
        self.taken = True
        signal.signal(number, self.before[signal.Signals(number)])
