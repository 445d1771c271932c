"""Which kind of page suits a model."""

from __future__ import annotations

from typing import Any

from torch import nn

from gatewise.explorer.subject import Subject


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
    if getattr(model, "task", None) == "language":
        from gatewise.explorer.continued import of_text

        return of_text(model, given)
    if getattr(model, "task", None) == "classification":
        from gatewise.explorer.classified import of_classifier

        return of_classifier(model, given)
    if getattr(model, "task", None) == "forecast":
        from gatewise.explorer.forecasted import of_forecast

        return of_forecast(model, given)
    if getattr(model, "task", None) == "generator":
        from gatewise.explorer.generated import of_generator

        return of_generator(model, given)
    if getattr(model, "task", None) == "music":
        from gatewise.explorer.composed import of_music

        return of_music(model, given)
    if getattr(model, "task", None) == "translation":
        from gatewise.explorer.translated import of_translator

        return of_translator(model, given)
    if isinstance(model, nn.Module):
        from gatewise.explorer.layer import of_layer

        return of_layer(model, given)
    raise TypeError(f"{type(model).__name__} cannot be explored; give a trained model or a layer.")
