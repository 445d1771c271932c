"""What the outputs of a classifier mean: classes, ordered classes or a number; and their losses."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Outcome(Protocol):
    """The meaning of outputs `(B, K)`.

    Attributes:
        outputs: K.
        shared: Whether they share their weights.
    """

    outputs: int
    shared: bool

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the loss of targets `(B,)`, their mean or sum."""
        ...

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return those of the classes, `(B, K)`; for a number, the number itself, `(B, 1)`."""
        ...


class ClassOutcome:
    """Classes without an order: cross entropy.

    Args:
        classes: How many.
        weights: How much an example of each class counts; None is 1 for all.
    """

    shared = False

    def __init__(self, classes: int, weights: Tensor | None = None):
        self.outputs, self.weights = classes, weights

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """See `Outcome.loss`; nats. With a sum, every example counts as one."""
        weights = None if self.weights is None or reduction == "sum" else self.weights
        if weights is not None:
            weights = weights.to(outputs.device)
        return functional.cross_entropy(outputs, targets.long(), weights, reduction=reduction)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """See `Outcome.probabilities`."""
        return outputs.softmax(-1)


class OrdinalOutcome:
    """Ordered classes: is it above class k, for each k but the last? CORAL, Cao et al. (2020).

    Args:
        classes: How many.
        weights: How much an example of each class counts; None is 1 for all.
    """

    shared = True

    def __init__(self, classes: int, weights: Tensor | None = None):
        self.outputs, self.weights = classes - 1, weights

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """See `Outcome.loss`; nats, all questions of an example together."""
        above = targets[:, None] > torch.arange(self.outputs, device=targets.device)
        each = functional.binary_cross_entropy_with_logits(
            outputs, above.to(outputs.dtype), reduction="none"
        ).sum(-1)
        if reduction == "sum":
            return each.sum()
        if self.weights is None:
            return each.mean()
        weights = self.weights.to(outputs.device)[targets.long()]
        return (weights * each).sum() / weights.sum()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """See `Outcome.probabilities`; thresholds out of order give no negative ones."""
        above = outputs.sigmoid().cummin(-1).values
        ends = above.new_ones(len(above), 1), above.new_zeros(len(above), 1)
        bounds = torch.cat([ends[0], above, ends[1]], -1)
        return bounds[:, :-1] - bounds[:, 1:]


class NumberOutcome:
    """A number, learned in units of its spread: squared error.

    Args:
        mean: Of the numbers learned from.
        deviation: Their standard deviation.
    """

    shared = False
    outputs = 1

    def __init__(self, mean: float, deviation: float):
        self.mean, self.deviation = mean, deviation

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """See `Outcome.loss`; targets in units of the spread, the loss in squares of it."""
        return functional.mse_loss(outputs[:, 0], targets.to(outputs.dtype), reduction=reduction)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """See `Outcome.probabilities`."""
        return outputs * self.deviation + self.mean
