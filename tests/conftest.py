"""What all tests share: one thread each, a fixed seed, no window for plots."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
# small tensors gain nothing from two threads, and workers of the suite share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from gatewise.backends.choose import BACKENDS


@pytest.fixture(autouse=True)
def _reproducible():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _reference_unless_kernels(request, monkeypatch):
    """Tests of layers run on the reference: kernels have their own, and compiling takes time.

    ``tests/backends/llvm`` and tests marked ``kernels`` run with every backend.
    """
    with_kernels = "llvm" in request.path.parts or request.node.get_closest_marker("kernels")
    if not with_kernels:
        monkeypatch.delitem(BACKENDS, "llvm")
