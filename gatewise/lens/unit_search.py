"""Units by what they do: those that are on over a span, where else they are, and for which label.

By span, as LSTMVis does it (Strobelt et al. 2018, arXiv:1606.07461): a span of steps and a
threshold select the units that stay above it all along; elsewhere in the data, stretches of steps
are ranked by how many of these units stay on together (the largest intersection), then by how few
others do (the smallest union), then by their length.

By label: the correlation of each unit with a label of every step, against what shuffled labels
reach. Labels are shuffled by dealing them out anew, whole sequences each, and rotating each by a
random distance, so that they keep their own rhythm; the best of all units under each shuffle makes
the threshold, so that trying many units is paid for (Westfall & Young 1993, maxT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.recorded import counted_steps
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Match:
    """A stretch of steps in which selected units stay on.

    Attributes:
        row: which sequence.
        begin: its first step.
        end: the step after its last.
        units: the selected units that stay on all along.
        others: how many units besides do.
    """

    row: int
    begin: int
    end: int
    units: tuple[int, ...]
    others: int

    def __str__(self) -> str:
        return (
            f"sequence {self.row}, steps {self.begin} to {self.end - 1}: units "
            f"{', '.join(map(str, self.units))}, {self.others} others"
        )


def units_on(
    values: Tensor, span: slice | range, row: int = 0, threshold: float = 0.3, only: bool = False
) -> tuple[int, ...]:
    """The units that stay above a threshold over a span of one sequence.

    Args:
        values: ``(T, B, H)``, such as the hidden or the cell state.
        span: steps, such as ``slice(3, 6)``.
        row: which sequence.
        threshold: a unit is on at steps where its value is at least this.
        only: whether it must be off at the step before and at the step after the span.

    Raises:
        IndexError: the span has no step.

    Example:
        >>> values = torch.tensor([[0.0, 0.9], [0.8, 0.9], [0.7, 0.9], [0.1, 0.9]])[:, None]
        >>> units_on(values, slice(1, 3)), units_on(values, slice(1, 3), only=True)
        ((0, 1), (0,))
    """
    on = values[:, row] >= threshold
    steps = range(len(on))[span] if isinstance(span, slice) else span
    if not steps or steps.step != 1 or steps.start < 0 or steps.stop > len(on):
        raise IndexError(f"span {span}: one step or more in a row, of the {len(on)} there are.")
    found = on[steps.start : steps.stop].all(0)
    if only:
        for neighbour in (steps.start - 1, steps.stop):
            if 0 <= neighbour < len(on):
                found &= ~on[neighbour]
    return tuple(torch.nonzero(found).flatten().tolist())


def find_matches(
    values: Tensor,
    units: Sequence[int],
    threshold: float = 0.3,
    count: int = 10,
    alive: Tensor | None = None,
) -> list[Match]:
    """Where else selected units are on together: the best stretches of steps first.

    Args:
        values: ``(T, B, H)`` of the data to search.
        units: the selection, such as `units_on` gives it.
        threshold: as there.
        count: how many stretches.
        alive: ``(T, B)`` bool, steps that count.

    Raises:
        ValueError: no unit is selected.

    Example:
        >>> values = torch.tensor([[0.0, 0.9], [0.8, 0.9], [0.7, 0.0], [0.1, 0.9]])[:, None]
        >>> print(find_matches(values, [0, 1])[0])
        sequence 0, steps 1 to 1: units 0, 1, 0 others
    """
    if not units:
        raise ValueError("no unit is selected; lower the threshold, or choose another span.")
    on = values >= threshold
    if alive is not None:
        on &= alive[..., None]
    found = []
    chosen = on[..., list(units)].cpu()
    for row in range(values.shape[1]):
        masks = [
            sum(1 << k for k in torch.nonzero(step).flatten().tolist()) for step in chosen[:, row]
        ]
        for begin, end, mask in _stretches(masks):
            together = tuple(unit for k, unit in enumerate(units) if mask >> k & 1)
            others = int(on[begin:end, row].all(0).sum()) - len(together)
            found.append(Match(row, begin, end, together, others))
    found.sort(key=lambda m: (-len(m.units), m.others, m.begin - m.end, m.row, m.begin))
    return found[:count]


def _stretches(masks: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Every longest stretch with some set of units on all along: begin, end, the set as bits."""
    open_: dict[int, int] = {}  # sets that hold up to this step, each with its earliest begin
    for t, mask in enumerate([*masks, 0]):
        following: dict[int, int] = {}
        for held, begin in [*open_.items(), (mask, t)]:
            both = held & mask
            if both:
                following[both] = min(begin, following.get(both, begin))
        for held, begin in open_.items():
            if held not in following:
                yield begin, t, held
        open_ = following


@dataclass(frozen=True)
class LabelSearch:
    """How well each unit follows a label.

    Attributes:
        correlation: ``(H,)``, Pearson's r with the label; 0 for a unit that never changes.
        chance: ``(shuffles,)``, the largest |r| of any unit with labels shuffled.
        p: ``(H,)``, the share of shuffles (the true order counted among them) in which some unit
            follows the label as well as this one does.
    """

    correlation: Tensor
    chance: Tensor
    p: Tensor

    def table(self, count: int = 10) -> str:
        """The units that follow the label best, one a line."""
        order = self.correlation.abs().argsort(descending=True, stable=True)[:count].tolist()
        rows = [[u, float(self.correlation[u]), float(self.p[u])] for u in order]
        return format_table(["unit", "correlation", "p"], rows)

    def __str__(self) -> str:
        best = int(self.correlation.abs().argmax())
        return (
            f"unit {best} follows the label best (r = {float(self.correlation[best]):.2f}, "
            f"p = {float(self.p[best]):.2g}); the best of {len(self.correlation)} units reaches "
            f"{float(self.chance.median()):.2f} by chance"
        )


def search_label(
    values: Tensor,
    labels: Tensor,
    alive: Tensor | None = None,
    shuffles: int = 200,
    seed: int = 0,
) -> LabelSearch:
    """Correlate every unit with a label of each step, and compare with shuffled labels.

    Args:
        values: ``(T, B, H)``.
        labels: ``(T, B)``: numbers, or whether something holds.
        alive: ``(T, B)`` bool, steps that count, at the beginning of each sequence; where left out,
            those without NaN.
        shuffles: how many times the labels are dealt out anew.
        seed: of the shuffles.

    Raises:
        ValueError: shapes do not fit, the label is always the same, or sequences are too short.

    Example:
        >>> labels = (torch.rand(50, 4) < 0.3)
        >>> values = torch.randn(50, 4, 6)
        >>> values[..., 2] += 5 * labels
        >>> found = search_label(values, labels)
        >>> int(found.correlation.argmax()), bool(found.p[2] < 0.01)
        (2, True)
    """
    T, B = values.shape[:2]
    if labels.shape != (T, B):
        raise ValueError(f"labels are {tuple(labels.shape)}, not one for each step {(T, B)}.")
    ends = counted_steps(values, alive).sum(0).tolist()
    lengths = [n for n in ends if n]
    if max(ends) < 3:
        raise ValueError("no sequence has three steps; its labels cannot be rotated.")
    rows = [values[:n, row].double() for row, n in enumerate(ends) if n]
    numbers = [labels[:n, row].to(values.device, torch.float64) for row, n in enumerate(ends) if n]
    if float(torch.cat(numbers).std()) == 0:
        raise ValueError("the label is the same at every step: nothing can follow it.")
    units = _standardized(torch.cat(rows))

    def correlate(labels: Sequence[Tensor]) -> Tensor:
        return units.T @ _standardized(torch.cat(list(labels))[:, None])[:, 0] / len(units)

    generator = torch.Generator().manual_seed(seed)
    chance = []
    for _ in range(shuffles):
        dealt = torch.randperm(len(rows), generator=generator).tolist()
        shuffled = [_turned(numbers[k], n, generator) for k, n in zip(dealt, lengths, strict=True)]
        chance.append(correlate(shuffled).abs().max())
    found, best = correlate(numbers), torch.stack(chance)
    as_good = (best[:, None] >= found.abs() - 1e-12).sum(0)
    p = (1 + as_good).double() / (1 + shuffles)
    return LabelSearch(found.to(values.dtype), best.to(values.dtype), p.to(values.dtype))


def _turned(label: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """A label's sequence from a random step on, around its end as often as the length needs."""
    begin = int(torch.randint(1, max(2, len(label)), (), generator=generator))
    steps = (begin + torch.arange(length, device=label.device)) % len(label)
    return label[steps]


def _standardized(columns: Tensor) -> Tensor:
    """Mean 0 and variance 1 over rows; zeros for a column that never changes."""
    centred = columns - columns.mean(0)
    deviation = centred.pow(2).mean(0).sqrt()
    return torch.where(deviation > 1e-12, centred / deviation, 0.0)
