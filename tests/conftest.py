"""What all tests share: one thread each, a fixed seed, kernels, no window for plots."""

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


@pytest.fixture(autouse=True, scope="session")
def _object_cache(request, tmp_path_factory):
    """Code of kernels is kept between runs, apart from the user's own; all processes share it."""
    kept = getattr(request.config, "cache", None)  # none under -p no:cacheprovider
    directory = kept.mkdir("objects") if kept else tmp_path_factory.mktemp("objects")
    directory.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWISE_CACHE", str(directory))
        yield


@pytest.fixture(autouse=True)
def _reference_unless_kernels(request):
    """Tests of layers run on the reference: kernels have their own, and compiling takes time.

    ``tests/backends/llvm`` and tests marked ``kernels`` run with every backend.
    """
    everything = dict(BACKENDS)
    if "llvm" not in request.path.parts and not request.node.get_closest_marker("kernels"):
        del BACKENDS["llvm"]
    yield
    BACKENDS.clear()  # what was deleted would come back last, and the order says which is preferred
    BACKENDS.update(everything)
