"""Which kind of page suits a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from gatewise.explorer.classified import of_classifier
from gatewise.explorer.composed import of_music
from gatewise.explorer.continued import of_text
from gatewise.explorer.forecasted import of_forecast
from gatewise.explorer.generated import of_generator
from gatewise.explorer.layer import of_layer
from gatewise.explorer.subject import Subject
from gatewise.explorer.translated import of_translator

OF_TASK: dict[str, Callable[[Any, Any], Subject]] = {
    "language": of_text,
    "classification": of_classifier,
    "forecast": of_forecast,
    "generator": of_generator,
    "music": of_music,
    "translation": of_translator,
}


def subject_of(model: Any, given: Any) -> Subject:
    """What a page about a model and an input shows.

    Args:
        model: a trained model as `gatewise.load` returns it, or a recurrent layer.
        given: what it reads: a text for a text model; a file or frame of series for a forecast
            model; a roll or a file of music for a model of music; numbers ``(T, I)`` for a layer,
            or a mapping with them as ``x`` and the cell's further inputs.

    Raises:
        TypeError: the model is of no kind that can be shown, or the input does not suit it.
        ValueError: the input is empty, or not of the model's sizes.
    """
    of_task = OF_TASK.get(getattr(model, "task", ""))
    if of_task is not None:
        return of_task(model, given)
    if isinstance(model, nn.Module):
        return of_layer(model, given)
    raise TypeError(f"{type(model).__name__} cannot be explored; give a trained model or a layer.")
