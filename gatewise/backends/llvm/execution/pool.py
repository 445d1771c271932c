"""Threads of our own, for systems on which torch's are out of reach.

Every calling thread has a team to itself, as in OpenMP: two callers never wait for each other. A
team is made at the first call and goes when its caller's thread ends.
"""

from __future__ import annotations

import ctypes
import threading
from queue import SimpleQueue

from gatewise.backends.llvm.ir.job import FLAGS, Beginnings

Inbox = SimpleQueue  # of tasks; None ends the thread


class Task:
    """A job for a team, as machine code reads it; see `gatewise.backends.llvm.ir.job`.

    Attributes:
        team: how many threads it is for.
        address: of its words.
    """

    __slots__ = ("_words", "address", "team")

    def __init__(self, job: int, team: int):
        self.team = team
        self._words = (ctypes.c_int64 * (FLAGS + team))(job, team)
        self.address = ctypes.addressof(self._words)


class Team:
    """A caller and its helpers.

    Args:
        begin: how a part of a job begins.
    """

    def __init__(self, begin: Beginnings):
        self._begin = begin
        self._inboxes: list[Inbox] = []

    def run(self, job: int, team: int) -> None:
        """Run a job on so many threads; returns when all have done their parts.

        Ctrl-C must not leave helpers behind that wait for a caller, or that work on memory which
        nobody holds any more. So what it interrupts is begun again: a part is done once.
        """
        task, interruption = Task(job, team), None
        while True:
            try:
                self._grow(team - 1)
                for inbox in self._inboxes[: team - 1]:
                    inbox.put(task)
                self._begin.lead(task.address)
                break
            except KeyboardInterrupt as error:
                interruption = error
        if interruption is not None:
            raise interruption

    def _grow(self, count: int) -> None:
        while len(self._inboxes) < count:
            inbox, position = Inbox(), len(self._inboxes) + 1
            thread = threading.Thread(
                target=_help, args=(inbox, position, self._begin), name="gatewise", daemon=True
            )
            thread.start()
            self._inboxes.append(inbox)

    def __del__(self) -> None:
        for inbox in self._inboxes:
            inbox.put(None)


def _help(inbox: Inbox, position: int, begin: Beginnings) -> None:
    """Do a helper's part of every task."""
    while (task := inbox.get()) is not None:
        begin.follow(task.address, position)


class Pool:
    """A team for every thread that calls.

    Args:
        begin: how a part of a job begins.
    """

    def __init__(self, begin: Beginnings):
        self._begin = begin
        self._own = threading.local()

    def run(self, job: int, team: int) -> None:
        """Run a job on so many threads; returns when all have done their parts."""
        try:
            own = self._own.team
        except AttributeError:
            own = self._own.team = Team(self._begin)
        own.run(job, team)
