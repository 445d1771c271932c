"""Which of the processors that kernels can be compiled for this machine can run."""

from __future__ import annotations

import llvmlite.binding as llvm

NEEDS = {
    "x86-64-v2": ("sse4.2",),
    "x86-64-v3": ("avx2", "fma"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}


def runs_here(cpu: str) -> bool:
    """Whether code for LLVM's name of a processor runs on this one."""
    features = llvm.get_host_cpu_features()
    return all(features.get(feature) for feature in NEEDS[cpu])
