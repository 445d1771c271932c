"""Checks of settings that every task has."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatewise.cells import get
from gatewise.equations.memory import has_forget_bias


def check_choices(settings: Any, choices: Mapping[str, Sequence[Any]]) -> None:
    """Raise `ValueError` for a setting that is none of its choices; None may always be one."""
    for name, known in choices.items():
        value = getattr(settings, name)
        if value not in known:
            shown = ", ".join(str(each) for each in known if each is not None)
            raise ValueError(f"{written(name)}: {value!r} is none of {shown}")


def check_least(settings: Any, least: Mapping[str, float]) -> None:
    """Raise `ValueError` for a setting below its smallest value, or infinite; None may be."""
    for name, smallest in least.items():
        value = getattr(settings, name)
        if value is not None and not smallest <= value < math.inf:
            raise ValueError(f"{written(name)} is at least {smallest}, not {value}")


def check_above_zero(settings: Any, names: Sequence[str]) -> None:
    """Raise `ValueError` for a setting that is not above zero, or infinite; None may be."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{written(name)} is a number above 0, not {value}")


def check_shares(settings: Any, names: Sequence[str]) -> None:
    """Raise `ValueError` for a setting that does not lie from 0 to below 1; None may be."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 <= value < 1:
            raise ValueError(f"{written(name)} lies from 0 to below 1, not {value}")


def check_fraction(settings: Any, name: str) -> None:
    """Raise `ValueError` for a setting that does not lie between 0 and 1; None may be."""
    value = getattr(settings, name)
    if value is not None and not 0 < value < 1:
        raise ValueError(f"{written(name)} lies between 0 and 1, {value} does not")


def check_forget_bias(settings: Any) -> None:
    """Raise `ValueError` for a forget bias that is no number, or that the cell has no gate for."""
    bias = settings.forget_bias
    if bias is None:
        return
    if not math.isfinite(bias):
        raise ValueError(f"forget-bias is a number, not {bias}")
    cell = get(settings.cell)
    if not has_forget_bias(cell.graph):
        raise ValueError(
            f"forget-bias: cell {cell.name!r} has no forget gate with a bias; leave forget-bias "
            "out, or take a cell that has one, such as lstm or gru"
        )


def written(name: str) -> str:
    """Return a setting's name as the command line writes it."""
    return name.replace("_", "-")


def described(settings: Mapping[str, Any]) -> str:
    """Return settings in a line.

    Example:
        >>> described({"learning_rate": 0.0123456, "batch_size": 16})
        'learning-rate 0.0123, batch-size 16'
    """
    return ", ".join(f"{written(name)} {brief(value)}" for name, value in settings.items())


def brief(value: Any) -> str:
    """Return a setting's value, a fraction with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
