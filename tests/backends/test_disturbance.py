"""Who asks for more than a plain call disturbs it, inside their block and nowhere else."""

from __future__ import annotations

import threading

import pytest

import gatewise as gw
from gatewise.backends.disturbance import is_disturbed
from gatewise.backends.explanation import explaining
from gatewise.backends.interception import intercepting

pytestmark = pytest.mark.kernels


class Watcher:
    """An interceptor that changes nothing."""

    rank = 0

    def run(self, recurrence, operands, keep, proceed):
        return proceed(recurrence, operands, keep)


BLOCKS = {
    "another backend": lambda: gw.use_backend("reference"),
    "torch's operators": lambda: gw.use_backend("torch"),
    "an interceptor": lambda: intercepting(Watcher()),
    "explanations": explaining,
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_inside_a_block(block):
    assert not is_disturbed()
    with block():
        assert is_disturbed()
        with gw.use_backend("llvm"):
            assert is_disturbed()
    assert not is_disturbed()


def test_after_an_error():
    with pytest.raises(ZeroDivisionError), gw.use_backend("reference"):
        raise ZeroDivisionError
    assert not is_disturbed()


@pytest.mark.parametrize("name", [None, "llvm"])
def test_the_usual_choice_disturbs_nothing(name):
    with gw.use_backend(name):
        assert not is_disturbed()


def test_other_threads_are_their_own():
    found = []
    with gw.use_backend("reference"):
        thread = threading.Thread(target=lambda: found.append(is_disturbed()))
        thread.start()
        thread.join()
    assert found == [False]
