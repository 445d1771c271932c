"""Kernels for AArch64 (NEON): every cell compiles and, where an emulator is installed, some run."""

from __future__ import annotations

import ctypes
import gc
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm import target as targets
from gatewise.backends.llvm.compiler import Compiled, _emit, _machine
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.ir.module import Module
from gatewise.backends.llvm.kernel import _kernel
from gatewise.backends.llvm.operation import backward_call, call_of, forward_call
from gatewise.backends.llvm.selection import kernel_for
from gatewise.backends.llvm.target import Target
from tests.backends.llvm.comparison import (
    LLVM,
    assert_float32_equals_reference,
    assert_float64_equals_reference,
    moderate,
)

NEON = Target("neoverse-n1", "", 16, 32, "aarch64-unknown-linux-gnu")

COMPILE, EMULATE = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"

CACHED = (kernel_for, _kernel, call_of, forward_call, backward_call)


class Emitted(Compiled):
    """Object code that stays a file: a function's address is a number that tells which."""

    def address(self, function: str) -> int:
        return self.addresses["only"]


@pytest.fixture
def emitted(monkeypatch) -> Iterator[list[tuple[Module, bytes]]]:
    """Kernels and their object code from here on; none of it is loaded."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    made: list[tuple[Module, bytes]] = []

    def compile_module(module: Module) -> Emitted:
        lines = [*sorted(module.intrinsics.values()), *module.functions]
        text = "\n\n".join([*lines, "attributes #0 = { nounwind }"])
        made.append((module, _emit(text, NEON, _machine(NEON))))
        return Emitted(None, 0.0, True, "", {"only": len(made) - 1})  # type: ignore[arg-type]

    monkeypatch.setattr(Module, "compile", compile_module)
    monkeypatch.setattr(targets, "host", lambda: NEON)
    for function in CACHED:
        function.cache_clear()
    yield made
    for function in CACHED:
        function.cache_clear()


def assert_emitted(name: str, emitted: list[tuple[Module, bytes]]) -> None:
    case = moderate(gw.cells.get(name).graph, I=5, H=19, P=7)
    for dtype in (torch.float32, torch.float64):
        kernel_for(case.recurrence, dtype, True, tuple(case.operands.inputs))
    assert len(emitted) == 4  # forward and backward of each
    for _, code in emitted:
        assert code[:5] == b"\x7fELF\x02"
        assert struct.unpack_from("<H", code, 18) == (183,)  # the machine: AArch64


@pytest.mark.parametrize("name", ["lstm", "gru_original", "lstm_layer_norm", "cornn"])
def test_kernels_are_emitted(name, emitted):
    assert_emitted(name, emitted)


@pytest.mark.slow
@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell_is_emitted(name, emitted):
    assert_emitted(name, emitted)


MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* The file: blocks of memory, then words; those that point into a block are its number and an
   offset. Afterwards it is the blocks alone. */
void FUNCTION(int64_t *, int64_t, int64_t);
static int64_t number(FILE *f) { int64_t n; if (fread(&n, 8, 1, f) != 1) exit(2); return n; }
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "rb");
  int64_t blocks = number(f), *size = calloc(blocks, 8);
  char **block = calloc(blocks, sizeof(char *));
  for (int k = 0; k < blocks; k++) {
    size[k] = number(f);
    block[k] = aligned_alloc(4096, (size[k] / 4096 + 2) * 4096);
    if (fread(block[k], 1, size[k], f) != size[k]) exit(2);
  }
  int64_t count = number(f), *words = calloc(count, 8);
  for (int k = 0; k < count; k++) {
    int64_t which = number(f), value = number(f);
    words[k] = which < 0 ? value : (int64_t)(block[which] + value);
  }
  fclose(f);
  FUNCTION(words, 0, 1);
  volatile float tiny = 1e-40f;
  if (!(tiny * 0.5f > 0)) exit(3); /* denormals are flushed still */
  f = fopen(argv[1], "wb");
  for (int k = 0; k < blocks; k++) fwrite(block[k], 1, size[k], f);
  return fclose(f);
}
"""


class Emulator:
    """Runs emitted kernels on copies of this process's tensors."""

    def __init__(self, folder: Path, emitted: list[tuple[Module, bytes]]):
        self.folder, self.emitted = folder, emitted

    def program(self, which: int, function: str) -> Path:
        made = self.folder / f"{which}"
        if not made.exists():
            source, code = self.folder / f"{function}.c", self.folder / f"{which}.o"
            source.write_text(MAIN.replace("FUNCTION", function))
            code.write_bytes(self.emitted[which][1])
            command = [COMPILE, "-O1", "-static", "-o", made, source, code]
            subprocess.run(list(map(str, command)), check=True, timeout=120)
        return made

    def run(self, job: int) -> None:
        """Run a job where its words say so; the tensors it wrote are written here."""
        which = ctypes.c_int64.from_address(job).value
        module = self.emitted[which][0]
        words = (ctypes.c_int64 * len(module.context.words)).from_address(job)
        blocks = tensors_in_memory()
        file = self.folder / "memory"
        file.write_bytes(memory_and_words(blocks, words))
        function = "forward" if "base.dy" not in module.context.words else "backward"
        program = self.program(which, function)
        subprocess.run([EMULATE, str(program), str(file)], check=True, timeout=300)
        content, at = file.read_bytes(), 0
        for start, size in blocks.items():
            ctypes.memmove(start, content[at : at + size], size)
            at += size


def tensors_in_memory() -> dict[int, int]:
    """The bytes of the storage of every tensor that there is, by address."""
    found = {}
    for each in gc.get_objects():
        if isinstance(each, torch.Tensor) and each.device.type == "cpu":
            storage = each.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return {start: size for start, size in found.items() if start and size}


def memory_and_words(blocks: dict[int, int], words: ctypes.Array) -> bytes:
    """What the main program reads."""
    parts = [struct.pack("<q", len(blocks))]
    for start, size in blocks.items():
        parts.append(struct.pack("<q", size) + ctypes.string_at(start, size))
    parts.append(struct.pack("<q", len(words)))
    for value in words:
        inside = [
            (k, value - start)
            for k, (start, size) in enumerate(blocks.items())
            if start <= value < start + size
        ]
        parts.append(struct.pack("<qq", *(inside[0] if inside else (-1, value))))
    return b"".join(parts)


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which(COMPILE) and shutil.which(EMULATE)), reason="no emulator of AArch64"
)
@pytest.mark.parametrize("name", ["lstm", "gru_original", "lstm_layer_norm", "cornn", "slstm"])
def test_kernels_run_in_an_emulator(name, emitted, tmp_path, monkeypatch):
    emulator = Emulator(tmp_path, emitted)
    monkeypatch.setattr(threads, "entry", lambda team: emulator.run)
    monkeypatch.setattr(threads, "available", lambda: 1)
    case = moderate(gw.cells.get(name).graph, T=4, B=3, I=5, H=19, P=7)
    assert_float64_equals_reference(case)
    assert_float32_equals_reference(case)
    assert len(emitted) == 6  # inference, training and its gradient, in two dtypes
    assert LLVM.describe(case.recurrence, case.operands).startswith("neoverse-n1, vectors of 2")
