"""Kernels run inside torch's own OpenMP pool.

A second pool would compete with it: after each operator torch's workers wait actively for a while
and occupy the cores.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import torch

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


_ALONE = {
    "omp_get_thread_num": ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0),
    "omp_get_num_threads": ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1),
    "GOMP_barrier": ctypes.CFUNCTYPE(None)(lambda: None),
}


_NO_YIELD = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)


@lru_cache(maxsize=1)
def provide_symbols() -> None:
    """Tell the compiler where the pool's functions are."""
    yields = ctypes.CDLL(None).sched_yield if os.name == "posix" else _NO_YIELD
    llvm.add_symbol("sched_yield", ctypes.cast(yields, ctypes.c_void_p).value)
    library = _openmp()
    for name, alone in _ALONE.items():
        function = getattr(library, name) if library is not None else alone
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


_child = False


def _in_child() -> None:
    global _child  # noqa: PLW0603  the state of this process
    _child = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

_call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def function_of(address: int):
    """A function to call on this thread alone; it releases Python's lock."""
    return _call(address)


def entry(function: int, team: int) -> Callable[[int], None]:
    """What runs ``function(context)`` on every thread of a team; it returns when all have.

    Args:
        function: its address.
        team: how many threads are asked for; OpenMP may grant fewer, and a forked child has one.
    """
    library = _openmp()
    if library is None or team == 1:
        return function_of(function)
    begin = library.GOMP_parallel

    def run(context: int) -> None:
        # a forked child has none of its parent's workers
        begin(function, context, 1 if _child else team, 0)

    return run


def pool_name() -> str:
    """Where kernels run, in words."""
    if _openmp() is None:
        return "none found: kernels run on the calling thread"
    return f"torch's own OpenMP pool, at most {available()} threads"


def available() -> int:
    """How many threads torch uses, and so we; one where there is no pool to share."""
    if _openmp() is None:
        _warn_of_one_thread()
        return 1
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


@lru_cache(maxsize=1)
def _warn_of_one_thread() -> None:
    if torch.get_num_threads() > 1:
        warnings.warn(
            "kernels run on one thread: torch's OpenMP library (libgomp) was not found. Torch's "
            "own wheels for Linux bring it.",
            RuntimeWarning,
            stacklevel=2,
        )
