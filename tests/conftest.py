"""What all tests share: one thread each, a fixed seed, no window for plots."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
# small tensors gain nothing from two threads, and workers of the suite share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def _reproducible():
    torch.set_num_threads(1)
    torch.manual_seed(0)
