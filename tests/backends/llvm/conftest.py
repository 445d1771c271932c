"""How kernels run in these tests: small calls wake all threads too."""

import pytest

from gatewise.backends.llvm.execution import division


@pytest.fixture(autouse=True, scope="session")
def _small_calls_are_divided():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "THREAD_WORK", 1)
        yield
