"""What a small change of the state before a step does to the state after it.

J_t = ∂s_t/∂s_{t−1}, with s all states of the cell joined: (h, c) for the LSTM. Products of these
matrices are what a gradient is multiplied with on its way back (Pascanu, Mikolov & Bengio 2013,
arXiv:1211.5063, equation 5; Vogt et al. 2022, arXiv:2006.14123): where their singular
values stay below 1 it vanishes, where some stay above 1 it may explode. The spectral radius max|λ|
says which directions a repeated step keeps; the largest singular value bounds one step.

Through `detach` (the stabiliser of sLSTM) no derivative flows here either, as in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gatewise.lens.recorded import Recorded, Run, evaluate, state_sizes, states_before
from gatewise.lens.table import format_table

LARGEST = 2**28
"""How many numbers all Jacobians of a call may have: 1 GiB of float32."""
BLOCK = 2**24
"""How many numbers are differentiated at once."""


@dataclass(frozen=True)
class JacobianSpectrum:
    """Eigenvalues and singular values of the Jacobian of every step.

    Attributes:
        eigenvalues: ``(T, B, S)`` complex, by falling modulus; S units of all states together.
        singular_values: ``(T, B, S)``, falling.
    """

    eigenvalues: Tensor
    singular_values: Tensor

    @property
    def radius(self) -> Tensor:
        """``(T, B)``: the spectral radius, max|λ|."""
        return self.eigenvalues.abs().amax(-1)

    @property
    def norm(self) -> Tensor:
        """``(T, B)``: the spectral norm, the most that one step can stretch a change."""
        return self.singular_values[..., 0]

    def table(self, row: int = 0) -> str:
        """One line per step for one sequence."""
        rows = [
            [t, float(radius), float(norm)]
            for t, (radius, norm) in enumerate(
                zip(self.radius[:, row], self.norm[:, row], strict=True)
            )
        ]
        return format_table(["step", "spectral radius", "spectral norm"], rows)

    def __str__(self) -> str:
        return (
            f"spectral radius {float(self.radius.median()):.3g} (median over steps, at most "
            f"{float(self.radius.max()):.3g}), spectral norm {float(self.norm.median()):.3g} "
            f"(at most {float(self.norm.max()):.3g})"
        )


def state_jacobians(recorded: Recorded) -> Tensor:
    """∂s_t/∂s_{t−1} at every step, all states joined in the cell's order.

    Args:
        recorded: one layer and direction of a trace. In reverse, t − 1 is the step that
            ran before: the later one.

    Returns:
        ``(T, B, S, S)``: row k is the gradient of unit k of the new state.

    Raises:
        ValueError: the result would have more than `LARGEST` numbers.
    """
    T, B = recorded.operands.x.shape[:2]
    S = sum(state_sizes(recorded.recurrence).values())
    if T * B * S * S > LARGEST:
        raise ValueError(
            f"{T} steps of {B} sequences with {S} units of state make {T * B * S * S:.1e} numbers; "
            "record fewer steps or sequences."
        )
    blocks = dict(jacobian_blocks(recorded))
    return torch.cat([blocks[begin] for begin in sorted(blocks)])


def jacobian_blocks(recorded: Recorded) -> Iterator[tuple[int, Tensor]]:
    """The Jacobians of a few steps at a time, in running order, so that none need be kept.

    Yields:
        The first step of a block in the order of the input, and ``(steps, B, S, S)``; steps within
        a block are in the order of the input.
    """
    T, B = recorded.operands.x.shape[:2]
    S = sum(state_sizes(recorded.recurrence).values())
    steps = max(1, BLOCK // max(1, B * S * S))
    begins = range(0, T, steps)
    for begin in reversed(begins) if recorded.recurrence.reverse else begins:
        yield begin, _jacobians(some_steps(recorded, slice(begin, begin + steps)))


def some_steps(recorded: Recorded, steps: slice) -> Run:
    """A part of a recording as one of its own, each step with the state that it started from."""
    operands = recorded.operands
    inputs = {name: value[steps] for name, value in operands.inputs.items()}
    past = {name: value[steps] for name, value in states_before(recorded).items()}
    return Run(recorded.recurrence, replace(operands, inputs=inputs), past)


def _jacobians(run: Run) -> Tensor:
    """Of all steps of a run at once: one vector–Jacobian product per unit, batched."""
    past = {name: value.detach().clone().requires_grad_() for name, value in run.past.items()}
    sizes, (T, B) = state_sizes(run.recurrence), run.operands.x.shape[:2]
    graph = run.recurrence.graph
    with torch.enable_grad():
        values = evaluate(Run(run.recurrence, run.operands, past), list(graph.new_states.values()))
        joined = torch.cat(
            [v.expand(T, B, size) for v, size in zip(values, sizes.values(), strict=True)], -1
        )
    S = joined.shape[-1]
    if not joined.requires_grad:
        return joined.new_zeros(T, B, S, S)
    basis = torch.eye(S, dtype=joined.dtype, device=joined.device)
    rows = torch.autograd.grad(
        joined,
        list(past.values()),
        basis[:, None, None].expand(S, T, B, S),
        allow_unused=True,
        is_grads_batched=True,
    )
    rows = [  # torch would make zeros without the batch of units for a state that nothing reads
        value.new_zeros(S, *value.shape) if row is None else row
        for row, value in zip(rows, past.values(), strict=True)
    ]
    return torch.cat(rows, -1).permute(1, 2, 0, 3)


def jacobian_spectrum(recorded: Recorded) -> JacobianSpectrum:
    """Eigenvalues and singular values of every step's Jacobian.

    Args:
        recorded: one layer and direction of a trace.

    Raises:
        ValueError: there would be too many numbers; see `state_jacobians`.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.LSTM(3, 5)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(7, 2, 3))
        >>> found = jacobian_spectrum(t.only)
        >>> found.eigenvalues.shape, found.radius.shape
        (torch.Size([7, 2, 10]), torch.Size([7, 2]))
    """
    jacobians = state_jacobians(recorded)
    if jacobians.element_size() < 4:  # linear algebra begins at float32
        jacobians = jacobians.float()
    eigenvalues = torch.linalg.eigvals(jacobians)
    order = eigenvalues.abs().argsort(-1, descending=True)
    return JacobianSpectrum(eigenvalues.gather(-1, order), torch.linalg.svdvals(jacobians))
