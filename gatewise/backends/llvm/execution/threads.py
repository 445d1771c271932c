"""The threads that kernels run on: torch's own OpenMP pool where it can be reached, else ours.

Beside torch's pool a second one would compete with it: after each operator torch's workers wait
actively for a while and occupy the cores.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import torch

from gatewise.backends.llvm.execution.pool import Pool
from gatewise.backends.llvm.ir.job import beginnings

Function = TypeVar("Function", bound=Callable)


@lru_cache(maxsize=1)
def _openmp() -> ctypes.CDLL | None:
    """The libgomp that torch has loaded; None elsewhere than on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    folder = Path(torch.__file__).parent
    bundled = [*folder.glob("lib/libgomp*.so*"), *folder.parent.glob("torch.libs/libgomp*.so*")]
    for path in (*bundled, "libgomp.so.1"):  # the system's, where torch was built with that
        try:
            # RTLD_NOLOAD: only a library that is there already, never a second one
            library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
        library.GOMP_parallel.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_uint] * 2
        library.GOMP_parallel.restype = None
        return library
    return None


@lru_cache(maxsize=1)
def _own_pool() -> Pool:
    return Pool(beginnings(False))


def _yield() -> Any:
    """The system's function that lets another thread run."""
    if os.name == "posix":
        return ctypes.CDLL(None).sched_yield
    return ctypes.windll.kernel32.SwitchToThread  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def provide_symbols() -> None:
    """Tell the compiler where the functions are that it does not compile."""
    functions = {"sched_yield": _yield()}
    library = _openmp()
    if library is not None:
        names = ("omp_get_thread_num", "omp_get_num_threads")
        functions |= {name: getattr(library, name) for name in names}
    for name, function in functions.items():
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


_child = False


def _in_child() -> None:
    global _child  # noqa: PLW0603  the state of this process
    _child = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def entry(team: int) -> Callable[[int], None]:
    """What runs a job, given its address, on every thread of a team; it returns when all have.

    Args:
        team: how many threads are asked for; OpenMP may grant fewer, and a forked child, which has
            none of its parent's workers, has one.
    """
    return _entry(_openmp(), team)


@lru_cache(maxsize=64)
def _entry(library: ctypes.CDLL | None, team: int) -> Callable[[int], None]:
    provide_symbols()
    begin = beginnings(library is not None)
    if team == 1:
        return begin.alone
    if library is None:
        return lambda job: begin.alone(job) if _child else _own_pool().run(job, team)
    parallel, take_part = library.GOMP_parallel, begin.take_part
    return lambda job: parallel(take_part, job, 1 if _child else team, 0)


def pool_name() -> str:
    """Where kernels run, in words."""
    whose = "Gatewise's own pool" if _openmp() is None else "torch's own OpenMP pool"
    return f"{whose}, at most {available()} threads"


def available() -> int:
    """How many threads torch uses, and so we."""
    return 1 if _child or getattr(_local, "alone", False) else torch.get_num_threads()


_local = threading.local()


def alone(function: Function) -> Function:
    """Run a function with kernels on the calling thread alone."""

    @wraps(function)
    def run_alone(*arguments: Any, **options: Any) -> Any:
        _local.alone = True
        try:
            return function(*arguments, **options)
        finally:
            _local.alone = False

    return cast(Function, run_alone)
