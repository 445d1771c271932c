"""Fixed and slow points: states that a step, with its input held fast, leaves where they are.

Minima of q(s) = ½ ‖F(s, x) − s‖² (Sussillo & Barak 2013, doi:10.1162/NECO_a_00409), s
all states joined. Where q is 0 the point is fixed, and the eigenvalues λ of ∂F/∂s there say what
happens around it: all |λ| < 1, states are drawn in (an attractor, such as a memory); some |λ| > 1,
they leave along those directions (a saddle); |λ| ≈ 1, they stay where they are put (a line
attractor). Complex λ turn. Where q is small but not 0, the point is slow: states linger.

Points are found from many beginnings at once by damped Gauss–Newton steps (Levenberg, Marquardt)
with the exact Jacobian: quadratic near a fixed point, and a descent on q elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.backends import Operands
from gatewise.lens.jacobian import state_jacobians
from gatewise.lens.recorded import (
    Recorded,
    Run,
    alive_steps,
    state_sizes,
    states_after,
    states_before,
)
from gatewise.lens.table import format_table

SLOW = 1e-3
"""A point with ‖F(s) − s‖ below this share of 1 + ‖s‖ per step is slow."""


@dataclass(frozen=True)
class FixedPoints:
    """Fixed and slow points, the stillest first.

    Attributes:
        states: by name, ``(N, size)``.
        speed: ``(N,)``, ‖F(s) − s‖ there: how far a step moves it.
        eigenvalues: ``(N, S)`` complex, of ∂F/∂s, by falling modulus.
        tolerance: the speed below which a point counts as fixed, relative to 1 + ‖s‖.
    """

    states: Mapping[str, Tensor]
    speed: Tensor
    eigenvalues: Tensor
    tolerance: float

    def __len__(self) -> int:
        return len(self.speed)

    @property
    def fixed(self) -> Tensor:
        """``(N,)`` bool: which points are fixed, not merely slow."""
        size = torch.cat(list(self.states.values()), -1).norm(dim=-1)
        return self.speed <= self.tolerance * (1 + size)

    def kind(self, point: int) -> str:
        """What happens around a point: attractor, saddle with its number of ways out, repeller."""
        moduli = self.eigenvalues[point].abs()
        outward = int((moduli > 1 + 1e-6).sum())
        marginal = int(((moduli - 1).abs() <= 1e-6).sum())
        leading = self.eigenvalues[point][moduli >= moduli[0] * (1 - 1e-6)]
        turns = bool((leading.imag.abs() > 1e-9).any())
        slow = "" if bool(self.fixed[point]) else "slow, "
        spiral = ", turning" if turns else ""
        if outward == len(moduli):
            return f"{slow}repeller{spiral}"
        if outward:
            return f"{slow}saddle, {outward} way{'s' if outward > 1 else ''} out{spiral}"
        still = f", still along {marginal}" if marginal else ""
        return f"{slow}attractor{still}{spiral}"

    def table(self, count: int = 10) -> str:
        """One line per point."""
        rows = [
            [k, float(self.speed[k]), float(self.eigenvalues[k, 0].abs()), self.kind(k)]
            for k in range(min(count, len(self)))
        ]
        return format_table(["point", "speed", "largest |λ|", "kind"], rows)

    def __str__(self) -> str:
        return f"{int(self.fixed.sum())} fixed points, {len(self)} with slow ones\n{self.table()}"


def fixed_points(
    recorded: Recorded,
    inputs: Mapping[str, Tensor] | None = None,
    starts: int = 64,
    noise: float = 0.1,
    iterations: int = 100,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> FixedPoints:
    """Find the fixed and slow points of a cell under one input, in float64.

    Args:
        recorded: one layer and direction of a trace: gives the weights, and visited states to
            begin at.
        inputs: the input held fast, ``(size,)`` by name; zeros for every input left out.
        starts: how many visited states to begin at, drawn at random.
        noise: their displacement, relative to each unit's deviation over the recording.
        iterations: at most.
        tolerance: the speed, relative to 1 + ‖s‖, below which a point counts as fixed.
        seed: of the beginnings.

    Returns:
        Points that differ, fixed ones and slow ones, the stillest first. None at all where the
        descent ends nowhere slow. There may be others: only what these beginnings lead to is found.

    Raises:
        ValueError: an input has the wrong size, or no step was recorded.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.RNN(3, 5, bias=False)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(20, 2, 3))
        >>> found = fixed_points(t.only)
        >>> len(found), bool(found.states["h"].abs().max() < 1e-6), found.kind(0)[:9]
        (1, True, 'attractor')
    """
    step = _FixedStep(recorded, inputs or {})
    points = _beginnings(recorded, starts, noise, seed)
    damping = torch.full(points.shape[:1], 1e-3, dtype=torch.float64, device=points.device)
    moved = step(points) - points
    energy = moved.pow(2).sum(-1)
    eye = torch.eye(points.shape[1], dtype=torch.float64, device=points.device)
    for _ in range(iterations):
        if bool((energy.sqrt() <= 1e-3 * tolerance * (1 + points.norm(dim=-1))).all()):
            break
        slope = step.jacobian(points) - eye
        normal = slope.mT @ slope + damping[:, None, None] * eye
        change = torch.linalg.solve(normal, -(slope.mT @ moved[..., None]))[..., 0]
        tried = points + change
        tried_moved = step(tried) - tried
        tried_energy = tried_moved.pow(2).sum(-1)
        better = tried_energy < energy  # false for NaN
        points = torch.where(better[:, None], tried, points)
        moved = torch.where(better[:, None], tried_moved, moved)
        energy = torch.where(better, tried_energy, energy)
        damping = torch.where(better, damping / 10, damping * 10).clamp(1e-12, 1e12)
    return _collect(step, points, energy.sqrt(), tolerance)


class _FixedStep:
    """F(s, x) with x held fast, for many states at once."""

    def __init__(self, recorded: Recorded, inputs: Mapping[str, Tensor]):
        recurrence, operands = recorded.recurrence, recorded.operands
        self.recurrence, self.operands = recurrence, operands
        self.sizes = state_sizes(recurrence)
        unknown = set(inputs) - set(operands.inputs)
        if unknown:
            raise ValueError(
                f"cell {recurrence.graph.name!r} reads {', '.join(operands.inputs)}, not "
                f"{', '.join(sorted(unknown))}."
            )
        self.inputs = {
            name: _held(name, inputs.get(name), value) for name, value in operands.inputs.items()
        }

    def _run(self, points: Tensor) -> Run:
        """One step from every point, as a recording of N sequences of one step."""
        parts = points.split(list(self.sizes.values()), -1)
        past = {name: part[None] for name, part in zip(self.sizes, parts, strict=True)}
        N = len(points)
        wide = Operands(
            {name: value.expand(1, N, -1) for name, value in self.inputs.items()},
            {name: part[0] for name, part in past.items()},
            {name: value.detach().double() for name, value in self.operands.parameters.items()},
            {n: v.detach().double()[:1].expand(N, -1) for n, v in self.operands.givens.items()},
        )
        return Run(self.recurrence, wide, past)

    def __call__(self, points: Tensor) -> Tensor:
        after = states_after(self._run(points))
        return torch.cat([after[name][0] for name in self.sizes], -1)

    def jacobian(self, points: Tensor) -> Tensor:
        """∂F/∂s at every point, ``(N, S, S)``."""
        return state_jacobians(self._run(points))[0]

    def split(self, points: Tensor) -> dict[str, Tensor]:
        parts = points.split(list(self.sizes.values()), -1)
        return dict(zip(self.sizes, parts, strict=True))


def _held(name: str, value: Tensor | None, recorded: Tensor) -> Tensor:
    size = recorded.shape[-1]
    if value is None:
        counts = 1.0 if name == "alive" else 0.0
        return torch.full((size,), counts, dtype=torch.float64, device=recorded.device)
    if value.shape != (size,):
        raise ValueError(f"the input {name!r} is {tuple(value.shape)}; ({size},) is needed.")
    return value.detach().to(recorded.device, torch.float64)


def _beginnings(recorded: Recorded, starts: int, noise: float, seed: int) -> Tensor:
    """Visited states, all joined, a little displaced, ``(starts, S)``."""
    alive = alive_steps(recorded)
    before = states_before(recorded)
    visited = torch.cat([value[alive.to(value.device)].double() for value in before.values()], -1)
    if not len(visited):
        raise ValueError("fixed_points: no step was recorded to begin at.")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(visited), (starts,), generator=generator)
    shift = torch.randn(starts, visited.shape[1], generator=generator, dtype=torch.float64)
    deviation = visited.std(0, unbiased=False)
    return visited[drawn.to(visited.device)] + noise * deviation * shift.to(visited.device)


def _collect(step: _FixedStep, points: Tensor, speed: Tensor, tolerance: float) -> FixedPoints:
    """Points that are still or slow, those that are the same point merged, the stillest kept."""
    order = speed.argsort()
    points, speed = points[order], speed[order]
    slow = speed <= SLOW * (1 + points.norm(dim=-1))
    chosen: list[int] = []
    for k in torch.nonzero(slow).flatten().tolist():
        near = (points[chosen] - points[k]).norm(dim=-1) < 1e-3 * (1 + points[k].norm())
        if not bool(near.any()):
            chosen.append(k)
    points, speed = points[chosen], speed[chosen]
    jacobian = step.jacobian(points) if chosen else points[:, None].expand(0, *points.shape[1:] * 2)
    eigenvalues = torch.linalg.eigvals(jacobian)
    rank = eigenvalues.abs().argsort(-1, descending=True)
    return FixedPoints(step.split(points), speed, eigenvalues.gather(-1, rank), tolerance)
