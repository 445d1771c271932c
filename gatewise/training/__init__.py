"""Training, and the model files that come of it.

`load` needs neither Lightning nor the text that the model learned from.
"""

from gatewise.training.load import load
from gatewise.training.model_file import ModelFileError
from gatewise.training.text.model import TextModel

__all__ = ["ModelFileError", "TextModel", "load"]
