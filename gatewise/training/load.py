"""Load a model file, whatever its task."""

import os
from pathlib import Path

from gatewise.training.model_file import ModelFileError, read_model_file
from gatewise.training.text_model import TextModel

MODELS = {TextModel.task: TextModel}
"""The class of each task's trained model."""


def load(path: str | os.PathLike[str]) -> TextModel:
    """Load a trained model.

    Args:
        path: A model file that `gatewise train` wrote.

    Returns:
        The model of its task, ready to use; `TextModel` for a language model.

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
    return MODELS[file.task].from_file(file, path)
