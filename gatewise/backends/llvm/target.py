"""What the compiler aims at: vector width, registers and the tile shapes that fit them."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache

import llvmlite.binding as llvm
import torch


@dataclass(frozen=True)
class Target:
    """A processor as kernels see it.

    Attributes:
        cpu: LLVM's name of it.
        features: LLVM's feature string.
        vector_bytes: 64 (AVX-512), 32 (AVX2) or 16 (SSE2, NEON).
        registers: how many vector registers there are.
        triple: LLVM's name of the machine and system.
        matrix_tiles: whether it multiplies tiles of bfloat16 (AMX).
    """

    cpu: str
    features: str
    vector_bytes: int
    registers: int
    triple: str
    matrix_tiles: bool = False

    def lanes(self, element_bytes: int) -> int:
        """Numbers per vector."""
        return self.vector_bytes // element_bytes

    @property
    def vectors_per_row(self) -> int:
        """Accumulators of one row of a register tile."""
        return 4 if self.registers >= 32 else 2

    def may_multiply_tiles(self) -> bool:
        """Whether it multiplies tiles of bfloat16, and the system lets this process do so."""
        return self.matrix_tiles and _ask_for_tiles()

    def tile_rows(self, vectors: int) -> int:
        """Rows of a register tile with so many accumulators in a row.

        Accumulators, one weight vector per accumulator column and one broadcast must fit.
        """
        return max(1, min(12, (self.registers - 2 - vectors) // vectors))


HOST_VARIABLE = "GATEWISE_CPU"
"""Names another CPU to compile for, such as x86-64-v3; it must run on this one."""

MATRIX_TILES = ("amx-tile", "amx-bf16", "avx512bf16")
"""Features of a processor that multiplies tiles of bfloat16 and rounds vectors to it."""

LEVELS = {"x86-64": 16, "x86-64-v2": 16, "x86-64-v3": 32, "x86-64-v4": 64}


def host() -> Target:
    """The processor that this process runs on, or the one that GATEWISE_CPU names."""
    return target_of(os.environ.get(HOST_VARIABLE, ""))


@lru_cache(maxsize=1)
def _ask_for_tiles() -> bool:
    """Ask Linux for the registers of matrix tiles, which it hands out on demand alone."""
    ask = getattr(torch.cpu, "_init_amx", None)  # torch's own operators ask in the same way
    return ask is not None and ask()


@lru_cache(maxsize=8)
def target_of(cpu: str) -> Target:
    """The target for LLVM's name of a CPU; the host's for an empty name."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    if cpu:
        width = LEVELS.get(cpu, 16)
        wide = "-prefer-256-bit" if width == 64 else ""
        return Target(cpu, wide, width, 32 if width == 64 else 16, triple)
    features = llvm.get_host_cpu_features()
    name = llvm.get_host_cpu_name()
    if platform.machine() in ("x86_64", "AMD64"):
        if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
            # without this LLVM keeps to 256 bits on some processors that have 512
            flat = features.flatten().replace("+prefer-256-bit", "-prefer-256-bit")
            tiles = all(features.get(each) for each in MATRIX_TILES)
            return Target(name, f"{flat},-prefer-256-bit", 64, 32, triple, tiles)
        width = 32 if features.get("avx2") and features.get("fma") else 16
        return Target(name, features.flatten(), width, 16, triple)
    return Target(name, features.flatten(), 16, 32, triple)
