"""Load a model file, whatever its task."""

import importlib
import os
from pathlib import Path
from typing import Any

from gatewise.training.model_file import ModelFileError, read_model_file

MODELS = {
    "classification": "classification.model:Classifier",
    "language": "text.model:TextModel",
    "forecast": "forecast.model:ForecastModel",
    "generator": "generator.model:GeneratorModel",
    "music": "music.model:MusicModel",
    "translation": "translation.model:TranslationModel",
}
"""The module in this package, and the class in it, of each task's trained model.

The class has `from_file(ModelFile, Path)`; neither it nor its module may import Lightning.
"""

USES = {
    "classification": ("a classifier", "predict"),
    "language": ("a language model", "generate"),
    "forecast": ("a model of series", "forecast"),
    "generator": ("a generator of sequences", "sample"),
    "music": ("a model of music", "compose"),
    "translation": ("a translator", "translate"),
}
"""What a model of each task is called, and which command uses it."""


def load(path: str | os.PathLike[str], task: str | None = None) -> Any:
    """Load a trained model.

    Args:
        path: A model file that `gatewise train` wrote.
        task: What it must be for, such as `"language"`; None takes any.

    Returns:
        The model of its task, ready to use, such as `TextModel` for a language model.

    Raises:
        ModelFileError: The file is missing, damaged, foreign, of a later version, or for another
            task.
    """
    path = Path(path)
    file = read_model_file(path)
    if file.task not in MODELS:
        known = ", ".join(MODELS)
        raise ModelFileError(
            f"{path}: a model for the task {file.task!r}, but this Gatewise knows {known}; "
            "upgrade gatewise"
        )
    if task not in (None, file.task):
        (found, command), (wanted, _) = USES[file.task], USES[task]
        raise ModelFileError(
            f"{path}: {found}, not {wanted}; `gatewise {command}` uses it, and `gatewise explore` "
            "opens it"
        )
    module, _, name = MODELS[file.task].partition(":")
    kind = getattr(importlib.import_module(f"gatewise.training.{module}"), name)
    return kind.from_file(file, path)
