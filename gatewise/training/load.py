"""Load a model file, whatever its task."""

import importlib
import os
from pathlib import Path
from typing import Any

from gatewise.training.model_file import ModelFileError, read_model_file

MODELS = {
    "classification": "classifier_model:Classifier",
    "language": "text_model:TextModel",
    "forecast": "forecast_model:ForecastModel",
    "generator": "generator_model:GeneratorModel",
    "music": "music_model:MusicModel",
    "translation": "translation_model:TranslationModel",
}
"""The module in this package, and the class in it, of each task's trained model.

The class has `from_file(ModelFile, Path)`; neither it nor its module may import Lightning.
"""


def load(path: str | os.PathLike[str]) -> Any:
    """Load a trained model.

    Args:
        path: A model file that `gatewise train` wrote.

    Returns:
        The model of its task, ready to use, such as `TextModel` for a language model.

    Raises:
        ModelFileError: The file is missing, damaged, foreign, or of a later version.
    """
    path = Path(path)
    file = read_model_file(path)
    if file.task not in MODELS:
        known = ", ".join(MODELS)
        raise ModelFileError(
            f"{path}: a model for the task {file.task!r}, but this Gatewise knows {known}; "
            "upgrade gatewise"
        )
    module, _, name = MODELS[file.task].partition(":")
    kind = getattr(importlib.import_module(f"gatewise.training.{module}"), name)
    return kind.from_file(file, path)
