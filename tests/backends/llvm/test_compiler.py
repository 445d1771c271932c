"""The cache of object code: used again, never trusted blindly, safe for several processes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatewise.backends.llvm import compiler
from gatewise.backends.llvm.compiler import Compiled, cache_directory, compile_text
from gatewise.backends.llvm.target import host, target_of

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are of POSIX")


def text(number: int) -> str:
    return f"define i64 @answer() {{ ret i64 {number} }}"


def answer(compiled: Compiled) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64)(compiled.address("answer"))()


def compile_number(number: int) -> Compiled:
    return compile_text(text(number), host())


def compile_twice() -> Compiled:
    """The second of two, which may come from the cache."""
    compile_number(42)
    return compile_number(42)


def entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    directory = tmp_path / "objects"
    monkeypatch.setenv("GATEWISE_CACHE", str(directory))
    monkeypatch.setattr(compiler, "_warned", set())
    return directory


class TestEntries:
    def test_the_second_time_code_is_loaded(self, cache):
        first, second = compile_number(42), compile_number(42)
        assert (first.cached, second.cached) == (False, True)
        assert (answer(first), answer(second)) == (42, 42)
        assert first.seconds > 0
        assert second.seconds == 0
        assert len(entries(cache)) == 1

    def test_other_text_and_other_processors_are_other_entries(self, cache):
        found = [compile_number(1), compile_number(2)]
        found.append(compile_text(text(1), target_of("x86-64-v2")))
        assert not any(compiled.cached for compiled in found)
        assert [answer(compiled) for compiled in found] == [1, 2, 1]
        assert len(entries(cache)) == 3

    def test_other_versions_are_other_entries(self, cache, monkeypatch):
        compile_number(1)
        monkeypatch.setattr(compiler.llvmlite, "__version__", "0.0.1")
        assert not compile_number(1).cached

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content[:-1],
            lambda content: content + b"\0",
            lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
            lambda content: b"x" + content[1:],
            lambda content: content.partition(b"\n")[2],
            lambda content: b"\x7fELF" + content,
        ],
        ids=["empty", "half", "short", "long", "bit", "format", "headless", "foreign"],
    )
    def test_a_damaged_entry_is_compiled_again_and_replaced(self, cache, damage):
        compile_number(42)
        (entry,) = entries(cache)
        whole = entry.read_bytes()
        entry.write_bytes(damage(whole))
        again = compile_number(42)
        assert not again.cached
        assert answer(again) == 42
        assert entry.read_bytes() == whole
        assert compile_number(42).cached

    def test_an_entry_under_another_name_is_not_loaded(self, cache):
        compile_number(1)
        (one,) = entries(cache)
        content = one.read_bytes()
        compile_number(2)
        (two,) = set(entries(cache)) - {one}
        two.write_bytes(content)  # whole, signed, and not what is asked for
        again = compile_number(2)
        assert not again.cached
        assert answer(again) == 2

    @posix
    def test_an_entry_that_is_a_link_is_not_followed(self, cache, tmp_path):
        compile_number(42)
        (entry,) = entries(cache)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.write_bytes(entry.read_bytes())
        entry.unlink()
        entry.symlink_to(elsewhere)
        again = compile_number(42)
        assert not again.cached
        assert answer(again) == 42
        assert not entry.is_symlink()  # replaced; what it pointed to is untouched
        assert elsewhere.exists()

    def test_an_entry_that_is_a_directory_is_lived_with(self, cache):
        compile_number(42)
        (entry,) = entries(cache)
        entry.unlink()
        entry.mkdir()
        assert answer(compile_number(42)) == 42
        assert entries(cache) == [entry]  # and nothing half-written stays behind

    def test_text_that_is_no_module_is_an_error_and_leaves_nothing(self, cache):
        with pytest.raises(RuntimeError):
            compile_text("define i64 @answer( {", host())
        assert not cache.exists() or not entries(cache)


class TestLimit:
    def test_the_oldest_are_forgotten(self, cache, monkeypatch):
        for number in range(4):
            compile_number(number)
            (newest,) = [e for e in entries(cache) if e.stat().st_mtime > 1e6]
            os.utime(newest, (number, number))
        size = newest.stat().st_size
        monkeypatch.setattr(compiler, "CACHE_BYTES", 3 * size + size // 2)
        compile_number(4)
        monkeypatch.undo()
        monkeypatch.setenv("GATEWISE_CACHE", str(cache))
        assert len(entries(cache)) == 3
        assert [compile_number(number).cached for number in (4, 3, 2)] == [True] * 3
        assert not compile_number(0).cached


class TestDirectory:
    @posix
    def test_it_is_made_for_its_owner_alone(self, cache):
        compile_number(42)
        assert cache.stat().st_mode & 0o777 == 0o700

    def test_an_empty_name_switches_it_off(self, cache, monkeypatch):
        monkeypatch.setenv("GATEWISE_CACHE", "")
        assert cache_directory() is None
        assert not compile_number(42).cached
        again = compile_number(42)
        assert not again.cached
        assert answer(again) == 42
        assert not cache.exists()

    def test_without_a_name_it_is_where_the_system_keeps_caches(self, tmp_path, monkeypatch):
        monkeypatch.delenv("GATEWISE_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_directory() == tmp_path / "gatewise" / "objects"

    @posix
    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
    def test_one_that_others_may_write_is_not_used(self, cache, mode):
        cache.mkdir()
        cache.chmod(mode)
        with pytest.warns(RuntimeWarning, match="chmod 700") as warned:
            again = compile_twice()
        assert answer(again) == 42
        assert not again.cached
        assert len(warned) == 1
        assert not entries(cache)

    @posix
    def test_a_link_to_a_directory_is_not_used(self, cache, tmp_path):
        real = tmp_path / "real"
        real.mkdir(mode=0o700)
        cache.symlink_to(real)
        with pytest.warns(RuntimeWarning, match="not a directory") as warned:
            again = compile_twice()
        assert answer(again) == 42
        assert not again.cached
        assert len(warned) == 1
        assert not entries(real)

    @posix
    def test_one_that_another_user_owns_is_not_used(self, cache, monkeypatch):
        cache.mkdir(mode=0o700)
        monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
        with pytest.warns(RuntimeWarning, match="only you can"):
            assert not compile_number(42).cached
        assert not entries(cache)

    def test_a_file_in_its_place_is_lived_with(self, cache):
        cache.write_text("not a directory")
        with pytest.warns(RuntimeWarning, match="not cached on disk"):
            assert answer(compile_number(42)) == 42
        assert cache.read_text() == "not a directory"

    @posix
    def test_one_that_cannot_be_written_is_lived_with(self, cache, monkeypatch):
        cache.mkdir(mode=0o700)

        def refuse(**options):
            raise PermissionError(13, "Permission denied", str(options["dir"]))

        # root may write anywhere, so the refusal is made here
        monkeypatch.setattr(compiler.tempfile, "mkstemp", refuse)
        assert answer(compile_number(42)) == 42
        assert not entries(cache)


PROCESS = """
import sys
from tests.backends.llvm.test_compiler import answer, compile_number
sys.stdin.readline()
found = [compile_number(number) for number in range(20)]
assert [answer(compiled) for compiled in found] == list(range(20))
print(sum(compiled.cached for compiled in found))
"""


def start() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> int:
    out, errors = process.communicate("go\n", timeout=120)
    assert process.returncode == 0, errors
    return int(out)


class TestProcesses:
    def test_two_at_once_and_a_third_afterwards(self, cache):
        both = [start(), start()]
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in both:
            finish(process)
        assert len(entries(cache)) == 20  # and no temporary file is left
        assert all(entry.suffix == ".o" for entry in entries(cache))
        assert finish(start()) == 20


def test_oldest_kernels_are_forgotten_beyond_the_limit(tmp_path, monkeypatch):
    for age in range(4):
        path = tmp_path / f"{age}.o"
        path.write_bytes(b"x" * 100)
        os.utime(path, (age, age))
    monkeypatch.setattr(compiler, "CACHE_BYTES", 250)
    compiler._forget_oldest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.o", "3.o"]
