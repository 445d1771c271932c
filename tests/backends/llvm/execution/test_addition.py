"""The job that adds arrays to others."""

from __future__ import annotations

import pytest
import torch

from gatewise.backends.llvm.compiler import compile_text
from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.execution.addition import THREAD_NUMBERS, HeldGradients, add_arrays
from gatewise.backends.llvm.target import host

pytestmark = pytest.mark.kernels

COUNTS = (1, 15, 16, 17, 63, 64, 65, 3 * THREAD_NUMBERS + 5)
"""Numbers of arrays: one, about as many as a vector or several have, enough for a few threads."""


@pytest.fixture(scope="module", params=["float", "double"])
def compiled(request):
    bytes_ = 4 if request.param == "float" else 8
    intrinsics: dict[str, str] = {}
    text = add_arrays(Element(request.param, bytes_, host().lanes(bytes_)), intrinsics)
    text = "\n".join([*intrinsics.values(), text, "attributes #0 = { nounwind }"])
    return compile_text(text, host()), torch.float32 if bytes_ == 4 else torch.float64


def guarded(count: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A memory, and numbers within it that begin anywhere and that others follow."""
    memory = torch.randn(count + 6, dtype=dtype)
    return memory, memory[3 : 3 + count]


@pytest.mark.parametrize("team", [1, 2, 3])
def test_every_number_is_added_once_and_no_other_is_touched(team, compiled):
    code, dtype = compiled
    held = [guarded(count, dtype)[1] for count in COUNTS]
    memories, own = zip(*(guarded(count, dtype) for count in COUNTS), strict=True)
    expected = [memory.clone() for memory in memories]
    for memory, added, count in zip(expected, held, COUNTS, strict=True):
        memory[3 : 3 + count] += added
    HeldGradients(code.address("add_arrays"), held).add_to(own, team)
    for found, wanted in zip(memories, expected, strict=True):
        assert torch.equal(found, wanted)


def test_what_is_not_wanted_is_left_out(compiled):
    code, dtype = compiled
    held = [torch.ones(20, dtype=dtype), None, torch.ones(20, dtype=dtype)]
    gradients = HeldGradients(code.address("add_arrays"), held)
    first, last = torch.zeros(20, dtype=dtype), torch.zeros(20, dtype=dtype)
    gradients.add_to([None, None, last], 2)
    gradients.add_to([first, None, last], 2)
    assert first.eq(1).all()
    assert last.eq(2).all()
