"""What the demonstration measures, and what can be said of it in words."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gatewise.lens import gradient_by_lag, inner_gradients
from gatewise.tasks.language import TORCH_LAYERS
from gatewise.tasks.memory import Examples, MemoryModel, Vocabulary, measure_accuracy
from gatewise.tasks.sentences import KINDS, LANGUAGES, NAMES, Sentence


@dataclass(frozen=True)
class Findings:
    """What was measured of each cell.

    Attributes:
        distances: words between clue and answer, rising.
        accuracy: share of right answers by cell, kind of sentence and distance.
        untrained: by cell, the share of the gradient that reaches k words back, k = 0, 1, ...,
            before training.
        trained: likewise, after it.
    """

    distances: tuple[int, ...]
    accuracy: Mapping[str, Mapping[tuple[str, int], float]]
    untrained: Mapping[str, Sequence[float]]
    trained: Mapping[str, Sequence[float]]

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells, in the order in which they were asked for."""
        return tuple(self.accuracy)

    def right(self, cell: str, distance: int) -> float:
        """The share of right answers at a distance over all kinds of sentences."""
        return sum(self.accuracy[cell][kind, distance] for kind in KINDS) / len(KINDS)


def guessing() -> float:
    """The share that a network gets right which knows the possible answers and nothing else."""
    return (1 / len(LANGUAGES) + 1 / len(NAMES)) / 2


def measure_reach(
    model: MemoryModel, sentences: Sequence[Sentence], vocabulary: Vocabulary
) -> list[float]:
    """The share of the gradient at the last word that reaches k words back, k = 0, 1, ...

    That is ‖∂L/∂h‖ at the step k before the last, inside the recurrence and in float64, divided by
    its value at the last step; the median over the sentences.

    Args:
        model: is left as it is.
        sentences: of one distance, which is the greatest k.
        vocabulary: of the model.
    """
    wide = copy.deepcopy(model).double().eval()
    batch = vocabulary.batch(sentences)
    (inner,) = inner_gradients(lambda: wide.loss(batch, reduction="sum")[0])
    state = "h" if "h" in inner.values else next(iter(inner.values))
    norms = gradient_by_lag(inner.values[state], batch.last)[: sentences[0].distance + 1]
    return (norms / norms[0]).nanmedian(dim=1).values.tolist()


def measure(
    models: Mapping[str, MemoryModel],
    vocabulary: Vocabulary,
    examples: Examples,
    count: int,
    train: Callable[[], None],
) -> Findings:
    """Measure networks before and after they are trained.

    Args:
        models: by cell.
        vocabulary: of them all.
        examples: sentences to measure on.
        count: sentences of each kind, the farthest, for the gradient.
        train: trains the networks.
    """
    distances = tuple(sorted({distance for _, distance in examples}))
    farthest = [row for kind in KINDS for row in examples[kind, distances[-1]][:count]]

    def reach() -> dict[str, list[float]]:
        return {cell: measure_reach(model, farthest, vocabulary) for cell, model in models.items()}

    untrained = reach()
    train()
    accuracy = {
        cell: measure_accuracy(model, examples, vocabulary) for cell, model in models.items()
    }
    return Findings(distances, accuracy, untrained, reach())


def conclude(findings: Findings) -> list[str]:
    """What was seen, in two sentences that follow from the numbers."""
    return [_about_memory(findings), _about_gradient(findings)]


def _about_memory(findings: Findings) -> str:
    near, far = findings.distances[0], findings.distances[-1]
    last = {cell: findings.right(cell, far) for cell in findings.cells}
    scores = {
        cell: f"{shown(cell)} {last[cell]:.0%} (at {near} words {findings.right(cell, near):.0%})"
        for cell in sorted(last, key=last.__getitem__, reverse=True)
    }
    top = max(last.values())
    best = [cell for cell in scores if last[cell] > top - ALIKE]
    rest = [scores[cell] for cell in scores if cell not in best]
    text = f"After {far} words, {listed([scores[cell] for cell in best])} of the answers are right"
    if top < guessing() + ALIKE:
        return f"{text}: no better than guessing ({guessing():.0%})."
    if rest:
        remember = "remembers" if len(best) == 1 else "remember"
        names = listed([shown(cell) for cell in best])
        return f"{names} {remember} best: after {far} words, " + (
            f"{listed([scores[cell] for cell in best])} of the answers are right; "
            f"{listed(rest)}; guessing would give {guessing():.0%}."
        )
    return f"{text}{', alike' if len(best) > 1 else ''}; guessing would give {guessing():.0%}."


def _about_gradient(findings: Findings) -> str:
    far = findings.distances[-1]
    order = sorted(findings.cells, key=lambda cell: -_finite(findings.trained[cell][far]))
    before, after = (
        listed([f"{power(reach[cell][far])} ({shown(cell)})" for cell in order])
        for reach in (findings.untrained, findings.trained)
    )
    return (
        f"Of the gradient at the last word, {before} reached {far} words back before training, "
        f"and {after} after it."
    )


ALIKE = 0.05  # of 400 sentences; smaller differences may be chance


def shown(cell: str) -> str:
    """A cell's name as people write it."""
    return cell.upper() if cell in TORCH_LAYERS else cell


def power(share: float) -> str:
    """A small number in few characters: 0.31, 0.004, 2e-09."""
    if math.isnan(share):
        return "nan"
    return (
        f"{share:.1g}"
        if 0.001 <= share < 0.1
        else f"{share:.2g}"
        if share >= 0.1
        else (f"{share:.0e}" if share else "0")
    )


def listed(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _finite(share: float) -> float:
    return share if math.isfinite(share) else -1.0
