"""Memory that kernels use again: touching a fresh page costs more than the arithmetic on it.

A *lease* is a tensor on such memory. It ends when the last reference to the tensor's storage is
gone, so saved values live exactly as long as the graph of gradients that needs them.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

ALIGNMENT = 2 << 20
"""A huge page's bytes: larger leases start on one and take whole ones."""

SMALLEST = 4096

SMALL = 128 << 10
"""Below, the allocator of torch is as good: it has such blocks at hand."""


class _Numbers(np.ndarray):
    """Numbers on a block of a pool, which has it again when the last tensor on them is gone.

    Attributes:
        pool: whose block it is; None for a view.
        block: the block.
    """

    pool: Workspace | None = None
    block: mmap.mmap

    def __del__(self) -> None:
        if self.pool is not None:
            self.pool._give(self.block)


class Workspace:
    """A pool of blocks of memory.

    Args:
        keep: bytes of free blocks that are kept for later; more are given back.
        small: leases of no more bytes come from torch's allocator instead.
    """

    def __init__(self, keep: int = 2 << 30, small: int = SMALL):
        self.keep, self.small = keep, small
        self._free: dict[int, list[mmap.mmap]] = {}
        self._kept = 0
        self._lock = threading.RLock()

    def lease(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor with arbitrary content.

        Its memory returns to the pool when nothing refers to the tensor's storage any more.
        """
        elements = math.prod(shape)
        if elements * dtype.itemsize <= self.small:
            return torch.empty(shape, dtype=dtype)
        return self._lease(_rounded(elements * dtype.itemsize), shape, dtype)

    def _lease(self, length: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        block = self._take(length)
        numbers = _Numbers(shape, _numpy_dtype(dtype), block)
        numbers.pool, numbers.block = self, block
        # no view of another tensor: autograd would forbid changing such a result in place
        return torch.from_numpy(numbers)

    def lease_like(self, tensor: Tensor) -> Tensor:
        """A contiguous tensor of the same shape and dtype."""
        if tensor.nbytes <= self.small and tensor.is_contiguous():
            return torch.empty_like(tensor)
        return self.lease(tensor.shape, tensor.dtype)

    def leaser(self, shape: Sequence[int], dtype: torch.dtype) -> Callable[[], Tensor]:
        """What leases tensors of one shape, call by call."""
        needed = math.prod(shape) * dtype.itemsize
        if needed > self.small:
            return partial(self._lease, _rounded(needed), tuple(shape), dtype)
        with torch.inference_mode(False):
            like = torch.empty((), dtype=dtype).expand(tuple(shape))  # one number's memory
        return partial(torch.empty_like, like, memory_format=torch.contiguous_format)

    def _take(self, length: int) -> mmap.mmap:
        with self._lock:
            blocks = self._free.get(length)
            if blocks:
                self._kept -= length
                return blocks.pop()
        block = _map(length)
        if length >= ALIGNMENT and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):
                block.madvise(mmap.MADV_HUGEPAGE)
        return block

    def _give(self, block: mmap.mmap) -> None:
        length = len(block)
        with self._lock:
            if self._kept + length <= self.keep:
                self._free.setdefault(length, []).append(block)
                self._kept += length

    def clear(self) -> None:
        """Give all free blocks back to the system."""
        with self._lock:
            self._free.clear()
            self._kept = 0


@cache
def _numpy_dtype(dtype: torch.dtype) -> np.dtype:
    return np.dtype(str(dtype).removeprefix("torch."))


def _map(length: int) -> mmap.mmap:
    """Fresh memory of this process alone: a forked child must not write into its parent's."""
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, length)


def _rounded(length: int) -> int:
    """A size out of few: four steps per power of two, so that ragged batches share blocks."""
    if length >= ALIGNMENT:
        step = max(ALIGNMENT, 1 << (length.bit_length() - 3))
    else:
        step = max(SMALLEST, 1 << (length.bit_length() - 3))
    return -(-length // step) * step


workspace = Workspace()
"""The pool of this process."""
