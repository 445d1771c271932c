"""Kernels for any cell as LLVM IR, compiled for the host's CPU."""

from gatewise.backends.llvm.backend import LlvmBackend

__all__ = ["LlvmBackend"]
