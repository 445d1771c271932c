"""Which settings a search tries, and in what ranges around what a training would choose."""

from dataclasses import fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from gatewise.training.checkpoint import RunError
from gatewise.training.plan import Task
from gatewise.training.ranges import written

USUAL = ("learning_rate", "batch_size", "hidden", "layers", "dropout")
"""Settings that are tried where nobody names others and they were left open."""

SIZES = ("batch_size", "hidden", "embedding", "window", "segment", "components")
SHARES = ("dropout", "input_dropout", "recurrent_dropout", "embedding_dropout", "word_dropout")
SHARES += ("weight_drop", "zoneout", "label_smoothing")
SCALES = ("learning_rate", "clip", "memory")
TRIED = (*SIZES, *SHARES, *SCALES, "layers")


def find_space(
    given: Any, task: Task, names: tuple[str, ...]
) -> dict[str, tuple[BaseDistribution, Any]]:
    """Return the range of each setting that is tried, and what a training would take without.

    Args:
        given: The settings of the training.
        task: What it would train by them, with nothing left open.
        names: What is tried; none stands for all usual ones that were left open.

    Raises:
        RunError: The task has no such setting, or none is open.
    """
    defaults = {each.name: each.default for each in fields(given)}
    possible = [name for name in TRIED if name in defaults]
    for name in names:
        if name not in possible:
            listed = ", ".join(map(written, possible))
            raise RunError(f"--tune-over {written(name)}: what can be tried here is {listed}")
    usual = (name for name in USUAL if name in possible)
    wanted = names or [name for name in usual if getattr(given, name) == defaults[name]]
    if not wanted:
        raise RunError("--tune: every setting that it would try is given; name some: --tune-over")
    values = {name: getattr(task.settings, name) or 0 for name in wanted}
    if "learning_rate" in values:
        values["learning_rate"] = task.plan().learning_rate
    return {name: (find_range(name, value), value) for name, value in values.items()}


def find_range(name: str, value: Any) -> BaseDistribution:
    """Return where a setting is looked for, around its usual value.

    Example:
        >>> find_range("hidden", 128).choices, find_range("learning_rate", 0.002).low
        ((64, 128, 256), 0.0002)
    """
    if name in SIZES:
        shares = (4, 2) if name == "batch_size" else (2,)
        smaller = [value // share for share in shares if value // share]
        return CategoricalDistribution([*smaller, value, *(value * s for s in shares[::-1])])
    if name in SHARES:
        return FloatDistribution(0.0, max(0.6, value))
    if name == "layers":
        return IntDistribution(1, max(3, value))
    if not value:
        raise RunError(f"--tune-over {written(name)}: give it a value to look around")
    return FloatDistribution(value / 10, value * 5, log=True)
