"""A health report: what is wrong with a recurrent layer on this data, and what to try.

It gathers single measures: saturation (Karpathy et al. 2015), units that never change, timescales
against the length of the data (Tallec & Ollivier 2018), the spectral radius of the state's Jacobian
and the gradient over time (Pascanu et al. 2013), and how often a gradient was clipped. Each line
has the number, what it means, and, where something should be looked at, what to try. The limits are
rules of thumb; a model that does its job needs no remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.equations.intervention import unchanged
from gatewise.equations.memory import forget_gates, has_forget_bias
from gatewise.lens.gradient_by_lag import gradient_by_lag
from gatewise.lens.jacobian import jacobian_spectrum, some_steps
from gatewise.lens.naming import Names
from gatewise.lens.recorded import (
    Recorded,
    Run,
    alive_steps,
    evaluate,
    in_running_order,
    state_sizes,
)
from gatewise.lens.saturation import saturation
from gatewise.lens.timescales import timescales

BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
SAMPLED = 2**21
"""How many numbers the Jacobians of the sampled steps have at most."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was measured.
        measured: the number, in words.
        meaning: what it says.
        remedy: what to try; None where all is well.
    """

    subject: str
    measured: str
    meaning: str
    remedy: str | None = None

    def __str__(self) -> str:
        mark = "ok  " if self.remedy is None else "look"
        text = f"{mark}  {self.subject}: {self.measured}. {self.meaning}"
        return text if self.remedy is None else f"{text}\n      Try: {self.remedy}"


@dataclass(frozen=True)
class HealthReport:
    """All findings about one layer and direction.

    Attributes:
        findings: one for each thing measured.
    """

    findings: tuple[Finding, ...]

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """The findings that have a remedy."""
        return tuple(finding for finding in self.findings if finding.remedy is not None)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))


@dataclass(frozen=True)
class _Patient:
    recorded: Recorded
    length: int
    gradient: Tensor | None
    clipped: float | None


def check_health(
    recorded: Recorded,
    length: int | None = None,
    gradient: Tensor | None = None,
    clipped: float | None = None,
) -> HealthReport:
    """Look a layer over.

    Args:
        recorded: one layer and direction of a trace, on data such as it is used on.
        length: how many steps back the data may matter; the recorded length where left out.
        gradient: ``(T, B, size)``, the gradient of a loss at *one* step of each sequence, such as
            its last, by the hidden state inside the recurrence: ``t["lstm"].gradient("h")`` of a
            trace with ``grads=True``.
        clipped: share of training steps whose gradient was clipped, 0 to 1.

    Returns:
        The report; print it.

    Raises:
        ValueError: nothing was recorded, or a share lies outside 0 and 1.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.LSTM(3, 5, forget_bias=-6.0)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(200, 2, 3))
        >>> for finding in check_health(t.only).troubles[:2]:
        ...     print(finding.subject, "->", finding.remedy[:30])
        gate f -> scale the input to mean 0 and
        memory of c -> chrono=200 or forget_bias=1 or
    """
    if clipped is not None and not 0 <= clipped <= 1:
        raise ValueError(f"clipped={clipped}: a share of steps, between 0 and 1.")
    lengths = alive_steps(recorded).sum(0)
    if not lengths.numel() or not int(lengths.max()):
        raise ValueError("check_health: no step was recorded.")
    patient = _Patient(recorded, length or int(lengths.max()), gradient, clipped)
    broken = list(_numbers(patient))
    checks = (_gates, _dead_units, _memory, _jacobians, _gradient, _clipping)
    return HealthReport(
        tuple(broken or (finding for check in checks for finding in check(patient)))
    )


def _numbers(patient: _Patient) -> Iterator[Finding]:
    graph = patient.recorded.recurrence.graph
    for name in graph.states:
        value = patient.recorded.before(name)
        wrong = ~value.isfinite().flatten(1).all(1)
        if bool(wrong.any()):
            first = int(wrong.nonzero()[0])
            yield Finding(
                f"state {name}",
                f"not finite from step {first} on (in the order of the input)",
                "An overflow, or a NaN in the input or in a weight: nothing else can be measured.",
                "look for NaN in the input; clip the gradient's norm at 1; lower the learning rate",
            )


def _gates(patient: _Patient) -> Iterator[Finding]:
    recorded = patient.recorded
    graph, alive = recorded.recurrence.graph, alive_steps(recorded)
    forget = {gate.gate: gate for gate in forget_gates(graph)}
    for name in Names(graph).gates:
        kind = unchanged(graph.values[name]).operation
        if kind not in BOUNDS:
            continue
        with torch.no_grad():
            (values,) = evaluate(recorded, [graph.values[name]])
        found = saturation(values, BOUNDS[kind], alive=alive.to(values.device))
        stuck, H = len(found.stuck()), values.shape[-1]
        low, high = float(found.low.mean()), float(found.high.mean())
        measured = (
            f"at its low end {low:.0%}, at its high end {high:.0%} of the time; "
            f"{stuck} of {H} units always at one"
        )
        subject = f"{'gate' if kind == 'sigmoid' else 'candidate'} {name}"
        if stuck <= H / 2:
            yield Finding(subject, measured, "It moves with the input.")
        elif name in forget and (high if forget[name].keeps else low) > 0.5:
            yield Finding(
                subject, measured, f"It keeps nearly all of {forget[name].state}: see its memory."
            )
        else:
            yield Finding(
                subject,
                measured,
                "More than half of its units are switches that are stuck; no gradient passes them.",
                "scale the input to mean 0 and deviation 1; a lower learning rate; weight decay; "
                "layer norm (the cell lstm_layer_norm)",
            )


def _dead_units(patient: _Patient) -> Iterator[Finding]:
    recorded = patient.recorded
    alive = alive_steps(recorded)
    with torch.no_grad():
        (output,) = evaluate(recorded, [recorded.recurrence.graph.output])
    rows = output[alive.to(output.device)]
    if len(rows) < 2:
        return
    deviation = rows.std(0)
    dead = (
        int((deviation <= 1e-3 * deviation.max()).sum())
        if float(deviation.max())
        else len(deviation)
    )
    H = len(deviation)
    measured = f"{dead} of {H} vary less than a thousandth of the liveliest"
    if dead <= 0.05 * H:
        yield Finding("output units", measured, "All units take part.")
    else:
        yield Finding(
            "output units",
            measured,
            "Units that always say the same cost time and add nothing.",
            "a smaller hidden size; for relu cells a lower learning rate, smaller initial weights",
        )


def _memory(patient: _Patient) -> Iterator[Finding]:
    if not forget_gates(patient.recorded.recurrence.graph):
        return
    for found in (each for each in timescales(patient.recorded) if each.gate is not None):
        steps = found.steps.double()
        slow = float(steps.quantile(0.9, interpolation="nearest"))
        measured = (
            f"a tenth of the units keep what they hold for {slow:.3g} steps or more (τ of gate "
            f"{found.gate}); the data has {patient.length}"
        )
        if slow >= patient.length / 10:
            yield Finding(f"memory of {found.state}", measured, "Some units span the data.")
        else:
            yield Finding(
                f"memory of {found.state}",
                measured,
                "What was written long ago decays before it is used, unless it is written anew.",
                f"chrono={patient.length} or forget_bias=1 or more when the layer is made; then "
                "train longer; compare gradient_by_lag"
                if has_forget_bias(patient.recorded.recurrence.graph)
                else "a forget gate with a bias; train longer; compare gradient_by_lag",
            )


def _jacobians(patient: _Patient) -> Iterator[Finding]:
    run = _sample(patient.recorded)
    found = jacobian_spectrum(run)
    middle, most = float(found.radius.median()), float(found.radius.max())
    steps, B = found.radius.shape
    measured = f"{middle:.3g} in the middle, at most {most:.3g} (of {steps * B} steps sampled)"
    if middle > 1.1:
        yield Finding(
            "spectral radius of ∂s_t/∂s_{t−1}",
            measured,
            "Above 1 a difference of states grows at every step: gradients may explode.",
            "clip the gradient's norm; orthogonal recurrent weights (initial={'U': 'orthogonal'}); "
            "a gated cell",
        )
    elif middle < 0.5:
        yield Finding(
            "spectral radius of ∂s_t/∂s_{t−1}",
            measured,
            "Each step loses more than half of every difference of states: little reaches back.",
            f"{_gating(patient)}; orthogonal recurrent weights",
        )
    else:
        lasting = "Near 1, differences of states last."
        fading = "At the slowest, differences of states fade by this factor a step."
        yield Finding(
            "spectral radius of ∂s_t/∂s_{t−1}", measured, lasting if middle > 0.8 else fading
        )


def _gating(patient: _Patient) -> str:
    """What makes gradients last: a bias where there is one to set, else a cell that has one."""
    biased = has_forget_bias(patient.recorded.recurrence.graph)
    return "forget_bias=1 or more, or chrono" if biased else "a gated cell"


def _sample(recorded: Recorded) -> Run:
    """A few steps, evenly spread, of a few sequences: enough for a spectrum, never too many."""
    T, B = recorded.operands.x.shape[:2]
    S = sum(state_sizes(recorded.recurrence).values())
    rows = min(B, 4)
    stride = -(-T // max(1, min(T, SAMPLED // max(1, rows * S * S))))
    run = some_steps(recorded, slice(None, None, stride))
    operands = run.operands
    cut = type(operands)(
        {name: value[:, :rows] for name, value in operands.inputs.items()},
        {name: value[:rows] for name, value in operands.states.items()},
        operands.parameters,
        {n: v[:rows] if v.dim() > 1 and len(v) == B else v for n, v in operands.givens.items()},
    )
    return Run(run.recurrence, cut, {name: value[:, :rows] for name, value in run.past.items()})


def _gradient(patient: _Patient) -> Iterator[Finding]:
    if patient.gradient is None:
        return
    gradient = in_running_order(patient.gradient, patient.recorded.recurrence)
    reached = gradient.norm(dim=-1) > 0
    steps = torch.arange(len(gradient), device=gradient.device)[:, None]
    last = torch.where(reached, steps, -1).amax(0)  # where the loss looks at each sequence
    norms = gradient_by_lag(gradient[:, last >= 0], last[last >= 0])
    ratio = (norms / norms[0]).nanmedian(1).values if norms.numel() else norms.new_zeros(0)
    finite = ratio[ratio.isfinite()]
    if len(finite) < 2:
        yield Finding(
            "gradient over time",
            "it is zero or not finite",
            "The loss does not depend on this layer, or has overflowed.",
            "give the gradient of the loss that is trained; look for NaN in it",
        )
        return
    far, most, back = float(finite[-1]), float(finite.max()), len(finite) - 1
    measured = f"‖∂L/∂h‖ {back} steps back is {far:.2g} of that at the last step"
    if most > 100:
        meaning = f"It grows up to {most:.2g} times on its way back: it explodes."
        remedy = (
            "clip the gradient's norm at 1; a lower learning rate; orthogonal recurrent weights"
        )
    elif far < 1e-4:
        half = int((finite < 0.5).nonzero()[0])
        meaning = (
            f"It vanishes: half is gone {half} steps back. What was longer ago teaches nothing."
        )
        remedy = f"{_gating(patient)}; a loss at every step, not the last"
    else:
        yield Finding("gradient over time", measured, "It reaches back.")
        return
    yield Finding("gradient over time", measured, meaning, remedy)


def _clipping(patient: _Patient) -> Iterator[Finding]:
    if patient.clipped is None:
        return
    measured = f"at {patient.clipped:.0%} of the training steps"
    if patient.clipped > 0.5:
        yield Finding(
            "gradient clipped",
            measured,
            "Clipped most of the time, the limit sets the step's size, not the gradient.",
            "a higher limit, or a lower learning rate; look at the spectral radius",
        )
    else:
        yield Finding("gradient clipped", measured, "Clipping catches the exceptions only.")
