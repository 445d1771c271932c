"""A trained generator of sequences: load it, and draw from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.tasks.generating import SequenceGenerator, Sequences
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import cell_from_description

AT_ONCE = 256  # sequences


class GeneratorModel:
    """A trained generator, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file: characters or scale, lengths, cell, sizes.
        training: How it was trained: settings, steps, losses.
        model: The network, in evaluation mode.
        tokenizer: The end of a text, token 0, and its characters; None where it makes numbers.
    """

    task = "generator"

    def __init__(self, config: dict[str, Any], training: dict[str, Any], model: SequenceGenerator):
        self.config, self.training, self.model = config, training, model.eval()
        text = config["characters"]
        self.tokenizer = None if text is None else CharacterTokenizer(text)

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "GeneratorModel":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            cell = cell_from_description(file.config["cell"])
            model = SequenceGenerator(cell=cell, **file.config["model"])
            made = cls(file.config, file.training, model)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a generator: {error}"
            ) from error
        load_weights(model, file.tensors, path)
        return made

    def generate(self, count: int = 10, seed: int | None = None, length: int | None = None) -> list:
        """Draw sequences from random inputs.

        Args:
            count: How many.
            seed: Equal seeds draw equal sequences; None takes another each time.
            length: Steps of numbers; None is that of sequences it learned from, drawn among them.
                Texts end where the model ends them, at the latest there; None is twice the longest
                that it learned from.

        Returns:
            Texts, or numbers `(T, C)` in float32 in the data's units.

        Raises:
            ValueError: The count or the length is below 1.
        """
        if count < 1 or (length is not None and length < 1):
            raise ValueError(f"count and length are at least 1, not {count} and {length}")
        source = torch.Generator()
        source.seed() if seed is None else source.manual_seed(seed)
        known: list[int] = self.config["lengths"]
        chosen = torch.randint(len(known), (count,), generator=source).tolist()
        found = []
        for at in range(0, count, AT_ONCE):
            lengths = [length or known[k] for k in chosen[at : at + AT_ONCE]]
            T = max(lengths) if self.tokenizer is None else length or 2 * max(known)
            drawn = self.model.generate(self.model.draw_noise(T, len(lengths), source))
            found += self.texts(drawn) if self.tokenizer else self.numbers(drawn, lengths)
        return found

    def texts(self, drawn: Sequences) -> list[str]:
        """Return drawn symbols as texts."""
        assert self.tokenizer is not None
        characters = self.tokenizer.characters
        rows = zip(drawn.values.T.tolist(), drawn.lengths.tolist(), strict=True)
        return ["".join(characters[token] for token in row[:length]) for row, length in rows]

    def numbers(self, drawn: Sequences, lengths: Sequence[int]) -> list[np.ndarray]:
        """Return drawn numbers in the data's units, each as long as it is to be."""
        mean, spread = (np.array(self.config[name], np.float32) for name in ("mean", "spread"))
        values = drawn.values.transpose(0, 1).numpy() * spread + mean
        return [row[:length] for row, length in zip(values, lengths, strict=True)]

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        channels = f"{self.config['model']['channels']} channels"
        kind = channels if self.tokenizer is None else f"{self.tokenizer.size - 1} symbols"
        return f"GeneratorModel({weights:,} weights, {kind})"
