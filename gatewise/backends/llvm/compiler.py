"""From LLVM IR to callable code, with a cache of object code on disk.

The cache belongs to one user: a directory that others cannot write, entries that carry their full
key and a checksum. What does not fit is compiled again and replaced, never loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from gatewise.backends.llvm.target import Target

FORMAT = "gatewise-object-1"
CACHE_BYTES = 256 << 20
"""What the cache may hold; beyond, the kernels that were written first are forgotten."""

CACHE_VARIABLE = "GATEWISE_CACHE"
"""Names another directory for object code; empty switches the cache on disk off."""


@dataclass
class Compiled:
    """Code in memory.

    Attributes:
        engine: keeps the code alive.
        seconds: what compiling took; 0 where it came from the cache.
        cached: whether it came from the cache on disk.
        key: its name there.
        addresses: of functions that were asked for.
    """

    engine: llvm.ExecutionEngine
    seconds: float
    cached: bool
    key: str = ""
    addresses: dict[str, int] = field(default_factory=dict)

    def address(self, function: str) -> int:
        """Where a function starts."""
        if function not in self.addresses:
            self.addresses[function] = self.engine.get_function_address(function)
        return self.addresses[function]


def compile_text(text: str, target: Target) -> Compiled:
    """Compile a module, or load what an earlier process compiled from the same text."""
    started = time.perf_counter()
    key = _key(text, target)
    machine = _machine(target)
    code = _read(key)
    cached = code is not None
    if code is None:
        code = _emit(text, target, machine)
        _write(key, code)
    # the engine keeps its module's target machine: it needs one of its own
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    seconds = 0.0 if cached else time.perf_counter() - started
    return Compiled(engine, seconds, cached, key)


def _machine(target: Target) -> llvm.TargetMachine:
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="jitdefault"
    )


def _emit(text: str, target: Target, machine: llvm.TargetMachine) -> bytes:
    module = llvm.parse_assembly(f'target triple = "{target.triple}"\n{text}')
    module.verify()
    # no passes on the IR: it is written as it should run, and passes take 80 % of the time to
    # find nothing (measured); the code generator still selects, schedules and allocates
    return machine.emit_object(module)


def _key(text: str, target: Target) -> str:
    parts = (FORMAT, llvmlite.__version__, str(llvm.llvm_version_info), repr(target), text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def cache_directory() -> Path | None:
    """Where object code is kept; None where the cache on disk is off or not safe."""
    named = os.environ.get(CACHE_VARIABLE)
    if named == "":
        return None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    directory = Path(named) if named else Path(base) / "gatewise" / "objects"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(directory)
    except OSError as error:
        _warn_once(f"object code is not cached on disk: {error}")
        return None
    own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    private = os.name != "posix" or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not (stat.S_ISDIR(found.st_mode) and own and private):
        _warn_once(
            f"object code is not cached on disk: {directory} is not a directory that only you can "
            f"write. Run chmod 700 on it, or name another one in {CACHE_VARIABLE}."
        )
        return None
    return directory


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _header(key: str, code: bytes) -> bytes:
    return f"{FORMAT} {key} {hashlib.sha256(code).hexdigest()}\n".encode()


def _read(key: str) -> bytes | None:
    """An entry, if it is whole, one's own and the one that was asked for."""
    directory = cache_directory()
    if directory is None:
        return None
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(directory / f"{key}.o", flags), "rb") as file:
            content = file.read()
    except OSError:
        return None
    head, _, code = content.partition(b"\n")
    return code if head + b"\n" == _header(key, code) else None


def _write(key: str, code: bytes) -> None:
    """Put an entry in place at once; a failure only costs the next process its time."""
    directory = cache_directory()
    if directory is None:
        return
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_header(key, code) + code)
            os.replace(name, directory / f"{key}.o")
            _forget_oldest(directory)
        except OSError:
            os.unlink(name)
            raise


def forget(compiled: Compiled) -> None:
    """Take code out of the cache on disk: it must not be trusted."""
    directory = cache_directory()
    if directory is not None:
        (directory / f"{compiled.key}.o").unlink(missing_ok=True)


def _forget_oldest(directory: Path) -> None:
    """Keep the cache below its limit; a kernel that is gone is compiled again."""
    found = sorted(
        (path.stat().st_mtime, path.stat().st_size, path) for path in directory.glob("*.o")
    )
    excess = sum(size for _, size, _ in found) - CACHE_BYTES
    for _, size, path in found:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size
