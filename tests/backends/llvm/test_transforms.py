"""Kernels under torch's other modes: inference, checkpoints, offloading, forward mode, batches."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from gatewise.backends import Backend
from tests.backends.llvm.comparison import (
    LLVM,
    REFERENCE,
    assert_equal,
    changed,
    inference,
    leaves_of,
    loss_of,
    lstm_case,
    training,
)


def test_inference_mode():
    case = lstm_case()
    with torch.inference_mode():
        found = LLVM.run(case.recurrence, case.operands)
    assert found.output.is_inference()
    assert torch.equal(found.output, inference(LLVM, case)["y"])


def test_what_inference_mode_made_cannot_be_kept_for_a_gradient():
    """As in torch: the error is its own, and says what to do."""
    case = lstm_case()
    with torch.inference_mode():
        x = case.operands.x.clone()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
        loss_of(case, {**leaves_of(case), "inputs x": x})


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_recompute_the_same(reentrant):
    case = lstm_case()
    leaves = leaves_of(case)

    def run(x):
        return LLVM.run(case.recurrence, case.with_leaves({**leaves, "inputs x": x})).output

    found = []
    for y in (
        run(leaves["inputs x"]),
        checkpoint(run, leaves["inputs x"], use_reentrant=reentrant),
    ):
        for leaf in leaves.values():
            leaf.grad = None
        y.backward(case.output_gradient)
        found.append({name: leaf.grad.clone() for name, leaf in leaves.items()})
    assert_equal(found[1], found[0], 0)


def test_saved_values_may_be_moved_away_and_back():
    case = lstm_case()
    leaves = leaves_of(case)
    with save_on_cpu():
        loss = loss_of(case, leaves)
    loss.backward()
    for name, value in training(LLVM, case).items():
        if name.startswith("gradient"):
            assert torch.equal(leaves[name.removeprefix("gradient of ")].grad, value)


def tangent(backend: Backend, learned: bool) -> torch.Tensor | None:
    """The derivative of the output along a direction of the input, by forward mode."""
    case = lstm_case()
    if learned:
        case = changed(case, lambda value: value.clone().requires_grad_())
    x = case.operands.x.detach()
    with forward_ad.dual_level():
        case.operands.inputs["x"] = forward_ad.make_dual(x, torch.ones_like(x))
        y = backend.run(case.recurrence, case.operands).output
        return forward_ad.unpack_dual(y).tangent


@pytest.mark.parametrize("learned", [False, True])
def test_forward_mode(learned):
    torch.testing.assert_close(tangent(LLVM, learned), tangent(REFERENCE, learned))


def test_a_batch_of_gradients_at_once():
    case = lstm_case()
    found = []
    for backend in (LLVM, REFERENCE):
        leaves = leaves_of(case)
        y = backend.run(case.recurrence, case.with_leaves(leaves)).output
        many = torch.stack([case.output_gradient, 2 * case.output_gradient])
        found += torch.autograd.grad(y, leaves["inputs x"], many, is_grads_batched=True)
    torch.testing.assert_close(*found)
