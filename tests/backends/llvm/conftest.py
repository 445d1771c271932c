"""How kernels run in these tests.

Their code is kept between runs, apart from the user's own cache. Small calls wake all threads too.
"""

import pytest

from gatewise.backends.llvm.execution import division


@pytest.fixture(autouse=True, scope="session")
def _object_cache(request, tmp_path_factory):
    kept = getattr(request.config, "cache", None)  # none under -p no:cacheprovider
    directory = kept.mkdir("objects") if kept else tmp_path_factory.mktemp("objects")
    directory.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWISE_CACHE", str(directory))
        patch.setattr(division, "THREAD_WORK", 1)
        yield
