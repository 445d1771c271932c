"""How good predictions are: accuracy, macro-F1, confusion, calibration; errors of numbers."""

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

BINS = 15  # of confidence, as in Guo et al. (2017)


class Findings(NamedTuple):
    """What was measured.

    Attributes:
        figures: By name: `accuracy`, `macro_f1`, `loss`, `calibration_error`; of numbers `mae`,
            `rmse`, `r2`.
        confusion: How often class i (row) was taken for class j (column), or None.
        reliability: For each bin of confidence its mean, the share that was right, and how many
            examples it holds; None for numbers.
    """

    figures: dict[str, float]
    confusion: list[list[int]] | None = None
    reliability: list[tuple[float, float, int]] | None = None


def measure_classes(probabilities: Tensor, targets: Tensor, ordered: bool = False) -> Findings:
    """Measure probabilities of classes.

    Args:
        probabilities: `(N, K)`.
        targets: `(N,)`, from 0 to K - 1.
        ordered: Whether the distance between classes counts too.

    Returns:
        `macro_f1` is the mean over the classes that occur in either; `calibration_error` the
        expected one (ECE, Guo et al. 2017, equation 3) in 15 bins.
    """
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_calibration_error,
        multiclass_confusion_matrix,
        multiclass_f1_score,
    )

    classes, targets = probabilities.shape[1], targets.long()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur
        accuracy = multiclass_accuracy(probabilities, targets, classes, average="micro")
        f1 = multiclass_f1_score(probabilities, targets, classes, average="macro")
        error = multiclass_calibration_error(probabilities, targets, classes, n_bins=BINS)
        confusion = multiclass_confusion_matrix(probabilities, targets, classes)
    likely = probabilities.gather(1, targets[:, None])[:, 0].clamp_min(1e-12)
    figures = {"accuracy": accuracy, "macro_f1": f1, "loss": likely.log().mean().neg().abs()}
    figures["calibration_error"] = error
    if ordered:
        figures["steps_off"] = (probabilities.argmax(-1) - targets).abs().float().mean()
    numbers = {name: float(value) for name, value in figures.items()}
    return Findings(numbers, confusion.tolist(), reliability(probabilities, targets))


def reliability(probabilities: Tensor, targets: Tensor) -> list[tuple[float, float, int]]:
    """Return for each bin that is not empty its mean confidence, its accuracy and its size."""
    confidence, guess = probabilities.max(-1)
    right = (guess == targets).float()
    bins = (confidence * BINS).long().clamp_max(BINS - 1)
    found = []
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            mean, share = float(confidence[inside].mean()), float(right[inside].mean())
            found.append((mean, share, int(inside.sum())))
    return found


def measure_numbers(predictions: Tensor, targets: Tensor) -> Findings:
    """Measure predicted numbers `(N,)` against the true ones.

    Returns:
        The mean absolute error, the root of the mean squared error, and the share of the variance
        that is explained (`r2`; left out where the targets are all the same).
    """
    from torchmetrics.functional import mean_absolute_error, mean_squared_error, r2_score

    predictions, targets = predictions.double(), targets.double()
    figures = {
        "mae": mean_absolute_error(predictions, targets),
        "rmse": mean_squared_error(predictions, targets, squared=False),
    }
    if len(targets) > 1 and float(targets.std()) > 0:
        figures["r2"] = r2_score(predictions, targets)
    return Findings({name: float(value) for name, value in figures.items()})


def fit_temperature(outcome: Any, outputs: Tensor, targets: Tensor) -> float:
    """Return what outputs are divided by so that confidence fits accuracy (Guo et al. 2017, eq. 9).

    One example more counts, of each class alike: N examples without an error are no proof that
    there never is one, and the model is then about as sure as N in N + 1.

    Args:
        outcome: With the loss that is made small.
        outputs: `(N, K)`, of examples that were not learned from.
        targets: `(N,)`.

    Returns:
        From 0.2 to 20; above 1 where the model was too sure.
    """
    outputs, targets = outputs.double(), targets.double()
    classes = outcome.probabilities(outputs).shape[-1]

    def loss(log_temperature: float) -> float:
        scaled = outputs / torch.tensor(log_temperature).exp()
        more = sum(float(outcome.loss(scaled, torch.full_like(targets, k))) for k in range(classes))
        return float(outcome.loss(scaled, targets, "sum")) + more / classes

    # one variable and a loss that is convex in 1 / temperature: golden section needs no gradient
    low, high, golden = -1.6, 3.0, 0.6180339887498949
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(torch.tensor((low + high) / 2).exp())
