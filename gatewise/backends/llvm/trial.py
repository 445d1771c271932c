"""A kernel that was just compiled runs once beside the reference before it is trusted.

A compiler's mistake on a processor that we have never seen would else be a silent wrong number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.llvm.operation import run_kernel
from gatewise.backends.recurrence import Operands, Recurrence
from gatewise.backends.reference import ReferenceBackend
from gatewise.backends.rounded import RoundedProducts
from gatewise.equations.parameter import stored_shape
from gatewise.equations.size import Size, size_number

STEPS, SEQUENCES = 3, 7
"""Of the trial: every state is handed on twice, and a tile of rows has a tail."""

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""More than rounding does in so few steps, and less than a mistake of the compiler."""

CONDITIONS = ("reset", "alive", "clamped_")
"""Inputs that changes of the equations add and that are 0 or 1."""

ROUNDED = 2.0**-5
"""The same for rounded products: a factor that lies between two numbers of eight bits may be
rounded the other way, since sums in another order differ in their last bits."""

UNLUCKY = 16
"""How many times the reference's own rounding a kernel may be off by: rounding is chance."""

Change = Callable[[Tensor], Tensor]
RANGES: tuple[tuple[Change, Change], ...] = (
    (torch.clone, torch.clone),
    (torch.abs, torch.abs),
    (lambda drawn: 1 + 0.1 * drawn.abs(), torch.abs),
)
"""What becomes of drawn numbers, and of those in matrices: as they are, positive, close above one.
A cell may take the root or the logarithm of a weight, which need not be a number for the first."""

Ends = tuple[Tensor, list[Tensor]]


def mistrust(kernel: Kernel, recurrence: Recurrence, dtype: torch.dtype) -> str | None:
    """Run a kernel and the reference on the same random numbers.

    Args:
        kernel: what was compiled.
        recurrence: what it is to compute.
        dtype: of its numbers.

    Returns:
        Why the kernel must not be used; None where both agree.
    """
    # a thread of its own: the caller's may stand inside a checkpoint, autocast, a trace
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_mistrust, kernel, recurrence, dtype).result()


@threads.alone
def _mistrust(kernel: Kernel, recurrence: Recurrence, dtype: torch.dtype) -> str | None:
    training, rounds = kernel.specification.training, bool(kernel.specification.products)

    def ours() -> Ends:
        result = run_kernel(kernel, recurrence, operands, training, ())
        return result.output, list(result.states.values())

    def theirs(operands: Operands) -> Ends:
        with RoundedProducts() if rounds else nullcontext():
            result = ReferenceBackend().run(recurrence, operands)
        return result.output, list(result.states.values())

    def attempt(within: tuple[Change, Change]) -> tuple[Operands, list[Tensor]]:
        operands = _operands(recurrence, dtype, kernel.specification.input_gradients, within)
        return operands, _numbers(partial(theirs, operands), operands, training)

    operands, expected = attempt(RANGES[0])
    for within in RANGES[1:]:
        if not _are_finite(expected):
            operands, expected = attempt(within)
    if not _are_finite(expected):  # gradients of what is no number are whatever they happen to be
        expected = expected[: 1 + len(recurrence.graph.states)]
    found = _numbers(ours, operands, training)[: len(expected)]
    worst = max(map(_difference, found, expected))
    if worst <= (ROUNDED if rounds else TOLERANCE[dtype]):
        return None
    if not rounds and dtype == torch.float32:
        double = _in_double(operands)
        exact = _numbers(partial(theirs, double), double, training)[: len(expected)]
        if all(map(_is_rounding, found, expected, exact)):
            return None
    return (
        f"the kernel of {recurrence.graph.name} that was compiled for this processor differs from "
        f"the equations by {worst:.0e}: please report this with what `gatewise doctor` prints"
    )


def _numbers(run: Callable[[], Ends], operands: Operands, training: bool) -> list[Tensor]:
    """Output, last states and, in training, the gradients of everything learned."""
    with torch.set_grad_enabled(training):
        y, states = run()
        ends = [end for end in (y, *states) if end.requires_grad]
        values = [value.detach() for value in (y, *states)]
        if not training:
            return values
        kinds = (operands.inputs, operands.states, operands.parameters, operands.givens)
        leaves = [t for kind in kinds for t in kind.values() if t.requires_grad]
        signs = [torch.ones_like(end) for end in ends]
        found = torch.autograd.grad(ends, leaves, signs, allow_unused=True, materialize_grads=True)
    return [*values, *found]


def _are_finite(values: list[Tensor]) -> bool:
    return all(bool(value.isfinite().all()) for value in values)


def _difference(found: Tensor, expected: Tensor) -> float:
    """The greatest, relative to the greatest number; what is no number must be none in both."""
    if not torch.equal(found.isfinite(), expected.isfinite()):
        return float("inf")
    found, expected = (t.nan_to_num(0.0, 0.0, 0.0) for t in (found, expected))
    scale = max(1.0, float(expected.abs().max()))
    return float((found - expected).abs().max()) / scale


def _is_rounding(found: Tensor, expected: Tensor, exact: Tensor) -> bool:
    """Whether a kernel is off by no more than equations are that divide by almost nothing."""
    own = _difference(expected.double(), exact)
    allowed = max(TOLERANCE[torch.float32], UNLUCKY * own)
    return own < float("inf") and _difference(found.double(), exact) <= allowed


def _in_double(operands: Operands) -> Operands:
    """The same numbers in float64."""
    kinds = (operands.inputs, operands.states, operands.parameters, operands.givens)
    return Operands(
        *(
            {n: t.detach().double().requires_grad_(t.requires_grad) for n, t in kind.items()}
            for kind in kinds
        )
    )


def _operands(
    recurrence: Recurrence,
    dtype: torch.dtype,
    wanted: tuple[str, ...],
    within: tuple[Change, Change],
) -> Operands:
    """Random numbers of moderate size, drawn without touching torch's generator."""
    graph, numbers = recurrence.graph, recurrence.sizes
    generator = torch.Generator().manual_seed(0)

    def draw(*sizes: Size, leading: tuple[int, ...] = (SEQUENCES,)) -> Tensor:
        shape = (*leading, *(size_number(size, numbers) for size in sizes))
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    change, change_matrix = within
    inputs = {name: draw(size, leading=(STEPS, SEQUENCES)) for name, size in graph.inputs.items()}
    for name, value in inputs.items():
        if name.startswith(CONDITIONS):
            inputs[name] = (value > 0).to(dtype)
        else:  # a time since the last step is positive, and may be divided by
            inputs[name] = change(value if name == "x" else value.abs_())
    parameters = {}
    for name, parameter in graph.parameters.items():
        shape = stored_shape(parameter, numbers)
        if len(shape) == 2:
            parameters[name] = change_matrix(draw(leading=shape).mul_(0.5 * shape[-1] ** -0.5))
        else:
            parameters[name] = change(draw(leading=shape).mul_(0.5))
    # a state that must be positive (a stabiliser's denominator, say) starts above zero
    states = {name: change(draw(size).abs_()) for name, size in graph.states.items()}
    givens = {name: change(draw(size)) for name, size in graph.givens.items()}
    for learned in (*states.values(), *parameters.values(), *givens.values()):
        learned.requires_grad_()
    for name in wanted:
        inputs[name].requires_grad_()
    return Operands(inputs, states, parameters, givens)
