"""Linear probes: what can be read off a state by a weighted sum, against what any state allows.

Ridge regression from a state to a label, tested on sequences it has not seen: R² for numbers,
accuracy for classes (regression on one column per class, the largest wins). Its strength is chosen
on the training sequences alone, by the error of leaving one step out (Allen 1974, in closed form).

A probe that reads a label has shown little unless it fails on labels without meaning: the *control
task* gives each kind of input (each word) a random label that it keeps, drawn as the true ones are
(Hewitt & Liang 2019, arXiv:1909.03368). Accuracy minus that of the control is called
selectivity; a probe with little of it has memorised words, not found a concept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.recorded import counted_steps

PENALTIES = tuple(10.0**power for power in range(-6, 5))


@dataclass(frozen=True)
class Probe:
    """What a probe reads, and how much of that means something.

    Attributes:
        score: R² or accuracy on held-out steps.
        control: the same for the control task.
        baseline: accuracy of always saying the commonest class; 0 for R².
        classes: the classes; None where the label is a number.
        weights: ``(H, K)``, for the states as they are: ``states @ weights + bias``.
        bias: ``(K,)``.
        penalty: the strength of the ridge, relative to the number of steps.
    """

    score: float
    control: float
    baseline: float
    classes: Tensor | None
    weights: Tensor
    bias: Tensor
    penalty: float

    @property
    def selectivity(self) -> float:
        """Score minus that of the control task."""
        return self.score - self.control

    def predict(self, states: Tensor) -> Tensor:
        """Labels for states ``(..., H)``: classes, or numbers ``(...,)``."""
        found = states @ self.weights.to(states) + self.bias.to(states)
        return found[..., 0] if self.classes is None else self.classes[found.argmax(-1)]

    def __str__(self) -> str:
        name = "R²" if self.classes is None else "accuracy"
        usual = "" if self.classes is None else f", commonest class {self.baseline:.3g}"
        return (
            f"{name} {self.score:.3g} on held-out sequences (control task {self.control:.3g}"
            f"{usual}): selectivity {self.selectivity:.3g}"
        )


def linear_probe(
    states: Tensor,
    labels: Tensor,
    kinds: Tensor | None = None,
    alive: Tensor | None = None,
    held_out: float = 0.3,
    seed: int = 0,
) -> Probe:
    """Read a label off a state, and a meaningless one for comparison.

    Args:
        states: ``(T, B, H)``, such as the cell state at every step.
        labels: ``(T, B)``: whole numbers or bools are classes, others are predicted as numbers.
        kinds: ``(T, B)``, what kind of input stood at each step, such as its token: the control
            task gives each kind one label. Left out, each step gets a label of its own, which a
            probe cannot generalise: the control then shows chance alone.
        alive: ``(T, B)`` bool, steps that count; where left out, those without NaN.
        held_out: share of the sequences to test on.
        seed: of that division and of the control task.

    Raises:
        ValueError: shapes do not fit, there are too few sequences, or labels are all the same.

    Example:
        >>> states = torch.randn(30, 40, 6)
        >>> labels = states[..., 1] + states[..., 4] > 0
        >>> probe = linear_probe(states, labels)
        >>> probe.score > 0.9, abs(probe.control - 0.5) < 0.2
        (True, True)
    """
    T, B = states.shape[:2]
    for name, given in (("labels", labels), ("kinds", kinds)):
        if given is not None and given.shape != (T, B):
            raise ValueError(f"{name} are {tuple(given.shape)}, not one for each step {(T, B)}.")
    if B < 2:
        raise ValueError(
            "one sequence cannot be divided into known and unknown; give several, (T, B, H)."
        )
    generator = torch.Generator().manual_seed(seed)
    tested = torch.zeros(B, dtype=torch.bool)
    tested[torch.randperm(B, generator=generator)[: max(1, round(held_out * B))]] = True
    counted = counted_steps(states, alive).cpu()
    rows = states.detach().cpu().double()[counted]
    test = tested.expand(T, B)[counted]
    known = labels.detach().cpu()[counted]
    if not bool((known != known[0]).any()) or test.all():
        raise ValueError(
            "the label is the same at every step, or no sequence is left to learn from."
        )
    kind = torch.arange(len(known)) if kinds is None else kinds.cpu()[counted]
    ridge = _Ridge(rows[~test])
    score, weights, bias, penalty, classes, baseline = _fit(ridge, rows, known, test)
    control, *_ = _fit(ridge, rows, _control(known, kind, generator), test)
    return Probe(
        score, control, baseline, classes, weights.to(states.dtype), bias.to(states.dtype), penalty
    )


def _control(labels: Tensor, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """One random label per kind, drawn from those that there are."""
    _, number = kinds.unique(return_inverse=True)
    drawn = torch.randint(len(labels), (int(number.max()) + 1,), generator=generator)
    return labels[drawn][number]


def _fit(
    ridge: _Ridge, rows: Tensor, labels: Tensor, test: Tensor
) -> tuple[float, Tensor, Tensor, float, Tensor | None, float]:
    if labels.is_floating_point():
        targets = labels.double()[:, None]
        weights, bias, penalty = ridge.solve(targets[~test])
        missed = (rows[test] @ weights + bias - targets[test]).pow(2).sum()
        spread = (targets[test] - targets[test].mean()).pow(2).sum()
        return float(1 - missed / spread), weights, bias, penalty, None, 0.0
    classes, number = labels.unique(return_inverse=True)
    targets = torch.nn.functional.one_hot(number, len(classes)).double()
    weights, bias, penalty = ridge.solve(targets[~test])
    right = (rows[test] @ weights + bias).argmax(-1) == number[test]
    commonest = number[~test].mode().values
    baseline = (number[test] == commonest).double().mean()
    return float(right.double().mean()), weights, bias, penalty, classes, float(baseline)


class _Ridge:
    """Ridge regression of any targets on the same rows, its strength chosen by leaving one out."""

    def __init__(self, rows: Tensor):
        self.mean = rows.mean(0)
        deviation = rows.std(0, unbiased=False)
        self.scale = torch.where(deviation > 1e-12, deviation, 1.0)
        self.left, self.sizes, self.right = torch.linalg.svd(
            (rows - self.mean) / self.scale, full_matrices=False
        )

    def solve(self, targets: Tensor) -> tuple[Tensor, Tensor, float]:
        """Weights, bias and relative penalty."""
        n, centre = len(targets), targets.mean(0)
        projected = self.left.T @ (targets - centre)
        best: tuple[float, float, Tensor] | None = None
        for penalty in PENALTIES:
            shrunk = self.sizes.pow(2) / (self.sizes.pow(2) + penalty * n)
            fitted = self.left @ (shrunk[:, None] * projected)
            leverage = (self.left.pow(2) @ shrunk + 1 / n).clamp(max=1 - 1e-9)
            error = float(((targets - centre - fitted) / (1 - leverage)[:, None]).pow(2).sum())
            if best is None or error < best[0]:
                factors = self.sizes / (self.sizes.pow(2) + penalty * n)
                best = error, penalty, self.right.T @ (factors[:, None] * projected)
        assert best is not None
        _, penalty, weights = best
        weights = weights / self.scale[:, None]
        return weights, centre - self.mean @ weights, penalty
