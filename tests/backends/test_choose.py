"""Which backend runs, and how a person asks for one."""

from __future__ import annotations

import importlib
import threading

import pytest
import torch

import gatewise as gw
from gatewise.backends import choose, explaining, run, use_backend
from gatewise.backends.choose import BACKENDS, asked_backend
from gatewise.backends.reference import ReferenceBackend
from tests.recurrences import sample

CASE = sample(gw.cells.lstm.graph)
MODULE = importlib.import_module("gatewise.backends.choose")  # `choose` is also the function's name


class Watching(ReferenceBackend):
    """The reference, counting what it runs; it refuses some of it."""

    name = "watching"

    def __init__(self, refuses: str | None = None):
        self.refuses, self.runs = refuses, 0

    def refusal(self, recurrence, operands):
        return self.refuses

    def run(self, recurrence, operands, keep=()):
        self.runs += 1
        return super().run(recurrence, operands, keep)


def test_reference_is_last_and_runs_everything():
    assert list(BACKENDS)[-1] == "reference"
    assert BACKENDS["reference"].refusal(CASE.recurrence, CASE.operands) is None


def test_nothing_is_asked_for_outside_a_block():
    assert asked_backend() is None
    assert choose(CASE.recurrence, CASE.operands).reason


def test_blocks_nest_and_end_with_errors():
    with use_backend("reference"):
        assert asked_backend() == "reference"
        with use_backend("torch"):
            assert asked_backend() == "torch"
        assert asked_backend() == "reference"
        with pytest.raises(KeyError), use_backend("torch"):
            raise KeyError
        assert asked_backend() == "reference"
        choice = choose(CASE.recurrence, CASE.operands)
        assert choice.backend is BACKENDS["reference"]
        assert "reference" in choice.reason
    assert asked_backend() is None


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ValueError, match=r"no backend 'cuda'; there are .*reference.*torch"):
        use_backend("cuda").__enter__()
    assert asked_backend() is None


def test_a_backend_of_ones_own_sees_what_is_run():
    watching = Watching()
    with use_backend(watching):
        gw.Recurrent("lstm", 3, 4, num_layers=2)(torch.randn(5, 2, 3))
        gw.LSTM(3, 4, bidirectional=True)(torch.randn(5, 2, 3))
        run(CASE.recurrence, CASE.operands)
    assert watching.runs == 2 + 2 + 1


def test_refusal_of_what_was_asked_for_is_an_error():
    with (
        use_backend(Watching("too small")),
        pytest.raises(
            RuntimeError, match="'watching' was asked for but cannot run this: too small"
        ),
    ):
        run(CASE.recurrence, CASE.operands)


def test_refusal_falls_through_to_the_next(monkeypatch):
    refusing = Watching("no kernel here")
    both = {"watching": refusing, "reference": ReferenceBackend()}
    monkeypatch.setattr(MODULE, "BACKENDS", both)
    monkeypatch.setattr(MODULE, "_warned", set())
    with pytest.warns(RuntimeWarning, match="slowly: watching: no kernel here"):
        choice = choose(CASE.recurrence, CASE.operands)
    assert choice.backend.name == "reference"
    assert "watching: no kernel here" in choice.reason
    choose(CASE.recurrence, CASE.operands)  # said once: a second warning would be an error here
    monkeypatch.setattr(MODULE, "BACKENDS", {"watching": refusing})
    with pytest.raises(RuntimeError, match="no backend runs this recurrence: watching: no kernel"):
        choose(CASE.recurrence, CASE.operands)


def test_other_threads_are_not_asked():
    seen = []
    with use_backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(asked_backend()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_torch_has_no_operator_for_other_cells():
    with use_backend("torch"):
        y, _ = gw.Recurrent("peephole", 3, 4)(torch.randn(5, 2, 3))
    assert y.shape == (5, 2, 4)


@pytest.mark.kernels
@pytest.mark.parametrize(("T", "B"), [(0, 2), (3, 0)])
def test_explanations_say_what_ran_in_place_of_a_kernel(T, B):
    case = sample(gw.cells.lstm.graph, T=T, B=B)
    with explaining() as found:
        run(case.recurrence, case.operands)
    assert [(each.backend, each.reason) for each in found] == [
        ("reference", "there are no steps to run")
    ]
