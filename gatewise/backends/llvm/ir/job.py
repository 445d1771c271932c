"""How a thread of a team begins its part of a call: a little machine code of its own.

A *job* is the array of words that a kernel is given. Its first word is the address of the kernel's
function; the second, where it is not zero, is another job that runs beside it. Two jobs that do not
need each other share a team: each has its own half of the threads, or one thread does both in turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from gatewise.backends.llvm.compiler import compile_text
from gatewise.backends.llvm.target import host

FUNCTION, BESIDE = "job.function", "job.beside"
"""The names of the first two words of a job."""

WORDS = (FUNCTION, BESIDE)

TEXT = """
define internal void @share(ptr %job, i64 %thread, i64 %team) {
  %at = getelementptr i64, ptr %job, i64 1
  %beside = load ptr, ptr %at
  %lonely = icmp eq ptr %beside, null
  br i1 %lonely, label %all, label %two
all:
  call void @run(ptr %job, i64 %thread, i64 %team)
  ret void
two:
  %second = sdiv i64 %team, 2
  %single = icmp eq i64 %second, 0
  br i1 %single, label %turns, label %halves
turns:
  call void @run(ptr %job, i64 %thread, i64 %team)
  call void @run(ptr %beside, i64 %thread, i64 %team)
  ret void
halves:
  %first = sub i64 %team, %second
  %is_first = icmp slt i64 %thread, %first
  br i1 %is_first, label %one, label %other
one:
  call void @run(ptr %job, i64 %thread, i64 %first)
  ret void
other:
  %own = sub i64 %thread, %first
  call void @run(ptr %beside, i64 %own, i64 %second)
  ret void
}

define internal void @run(ptr %job, i64 %thread, i64 %team) {
  %function = load ptr, ptr %job
  call void %function(ptr %job, i64 %thread, i64 %team)
  ret void
}

define void @alone(ptr %job) {
  call void @share(ptr %job, i64 0, i64 1)
  ret void
}
"""

FLAGS = 3
"""Words of a task before its flags."""

POOL = """
declare i32 @sched_yield()

; task: job, team, parts done, and for each part whether somebody has taken it
define void @follow(ptr %task, i64 %thread) {
  %flags = getelementptr i64, ptr %task, i64 3
  %flag = getelementptr i64, ptr %flags, i64 %thread
  %taken = atomicrmw xchg ptr %flag, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %begin, label %over
begin:
  %job = load ptr, ptr %task
  %at_team = getelementptr i64, ptr %task, i64 1
  %team = load i64, ptr %at_team
  call void @share(ptr %job, i64 %thread, i64 %team)
  %done = getelementptr i64, ptr %task, i64 2
  atomicrmw add ptr %done, i64 1 seq_cst
  ret void
over:
  ret void
}

define void @lead(ptr %task) {
  call void @follow(ptr %task, i64 0)
  %at_team = getelementptr i64, ptr %task, i64 1
  %team = load i64, ptr %at_team
  %done = getelementptr i64, ptr %task, i64 2
  br label %look
look:
  %count = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %count, %team
  br i1 %all, label %over, label %rest
rest:
  call i32 @sched_yield()
  br label %look
over:
  ret void
}
"""

OPENMP = """
declare i32 @omp_get_thread_num()
declare i32 @omp_get_num_threads()

define void @take_part(ptr %job) {
  %t = call i32 @omp_get_thread_num()
  %n = call i32 @omp_get_num_threads()
  %thread = sext i32 %t to i64
  %team = sext i32 %n to i64
  call void @share(ptr %job, i64 %thread, i64 %team)
  ret void
}
"""


def shares(team: int) -> tuple[int, int]:
    """The threads that a job and the one beside it have of a team; in turn, both have its one."""
    return (team - team // 2, team // 2) if team > 1 else (team, team)


class Beginnings(NamedTuple):
    """What begins a job.

    Attributes:
        alone: ``alone(job)`` runs all of it on the calling thread.
        lead: ``lead(task)`` runs the first part of a task and waits for all others.
        follow: ``follow(task, thread)`` runs another part, unless that has been begun.
        take_part: the address of what each thread of OpenMP's calls; None without OpenMP.
        owner: keeps the code alive.
    """

    alone: Callable[[int], None]
    lead: Callable[[int], None]
    follow: Callable[[int, int], None]
    take_part: int | None
    owner: object


# they release Python's lock
_whole = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_part = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


@lru_cache(maxsize=2)
def beginnings(openmp: bool) -> Beginnings:
    """The code, compiled once.

    Args:
        openmp: whether threads are OpenMP's.
    """
    compiled = compile_text(TEXT + POOL + OPENMP * openmp, host())
    return Beginnings(
        _whole(compiled.address("alone")),
        _whole(compiled.address("lead")),
        _part(compiled.address("follow")),
        compiled.address("take_part") if openmp else None,
        compiled,
    )
