"""A trained translator: load it, translate with it, measure it, see what it attends to."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gatewise.data.pairs.reader import Pairs
from gatewise.data.pairs.vocabulary import PairsVocabulary
from gatewise.data.tokens.tokenizer import UnknownTokenError
from gatewise.tasks.translation import Translator
from gatewise.tasks.translation_measures import measure_translations
from gatewise.tasks.translation_search import Hypothesis, search
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import cell_from_description

AT_ONCE = 64  # sources


class Alignment(NamedTuple):
    """What the decoder attended to.

    Attributes:
        source: Its tokens as text, S, the end last.
        target: Its tokens as text, T, the end last.
        weights: How much each source token counted for each target token, `(T, S)` in float32.
    """

    source: list[str]
    target: list[str]
    weights: np.ndarray


class TranslationModel:
    """A trained translator, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file: vocabulary, cell, sizes, search.
        training: How it was trained: settings, steps, measurements.
        model: The network, in evaluation mode.
        vocabulary: How texts become tokens and back.
    """

    task = "translation"

    def __init__(self, config: dict[str, Any], training: dict[str, Any], model: Translator):
        self.config, self.training, self.model = config, training, model.eval()
        self.vocabulary = PairsVocabulary.from_dict(config["vocabulary"])

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "TranslationModel":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            config = file.config
            vocabulary = PairsVocabulary.from_dict(config["vocabulary"])
            cell = cell_from_description(config["cell"])
            model = assemble(vocabulary, cell, config["model"])
            made = cls(config, file.training, model)
            made.limits(torch.ones(1, dtype=torch.long))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a translator: {error}"
            ) from error
        load_weights(model, file.tensors, path)
        return made

    def translate(
        self,
        texts: Sequence[str],
        beam: int | None = None,
        length_penalty: float | None = None,
    ) -> list[str]:
        """Translate texts.

        Args:
            texts: One or several; a text without anything in it has an empty translation.
            beam: Hypotheses kept; 1 is fastest; None is the training's.
            length_penalty: 0 favours short translations; None is the training's.

        Raises:
            ValueError: The beam is below 1, or the penalty below 0.
        """
        if isinstance(texts, str):
            raise ValueError("translate takes a list of texts: [text]")
        found = self.hypotheses(texts, beam, length_penalty)
        return ["" if not row else self.vocabulary.decode(row[0].tokens) for row in found]

    def hypotheses(
        self, texts: Sequence[str], beam: int | None = None, length_penalty: float | None = None
    ) -> list[list[Hypothesis]]:
        """Return the best translations of each text, the best first; see `translate`."""
        K = self.config["search"]["beam"] if beam is None else beam
        strength = self.config["search"]["length_penalty"]
        strength = strength if length_penalty is None else length_penalty
        if K < 1 or strength < 0:
            raise ValueError(f"beam {K} and length penalty {strength}: at least 1 and 0")
        found: list[list[Hypothesis]] = [[] for _ in texts]
        for numbers, sources, lengths in self.batches(texts):
            memory = self.model.encode(sources, lengths)
            rows = search(self.model, memory, self.limits(lengths), K, strength, self.forbidden)
            for number, row in zip(numbers, rows, strict=True):
                found[number] = row
        return found

    def batches(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Yield texts as tokens `(S, B)` with their lengths, about equally long ones together."""
        encoded = {
            number: torch.from_numpy(self.encode(text, "source"))
            for number, text in enumerate(texts)
            if text.strip()
        }
        order = sorted(encoded, key=lambda number: len(encoded[number]))
        for begin in range(0, len(order), AT_ONCE):
            chosen = order[begin : begin + AT_ONCE]
            several = [encoded[number] for number in chosen]
            with torch.inference_mode():
                yield chosen, pad(several), torch.tensor(list(map(len, several)))

    def encode(self, text: str, side: str) -> np.ndarray:
        """Return the tokens of a text, the end last."""
        try:
            return self.vocabulary.encode(text, side)
        except UnknownTokenError as error:
            raise ValueError(f"the {side} {text[:40]!r}: {error}") from error

    def limits(self, lengths: torch.Tensor) -> torch.Tensor:
        """Return how many tokens the translations of so long sources may have."""
        return 2 * lengths + int(self.config["search"]["margin"])

    @property
    def forbidden(self) -> list[int]:
        """Target tokens that are never written: the one for what is unknown."""
        return forbidden_tokens(self.vocabulary)

    def evaluate(self, pairs: Pairs, beam: int | None = None) -> dict[str, float]:
        """Translate pairs, and compare with their targets; see `measure_translations`.

        Both are compared in single spaces, and in small letters where the model knows no others.
        """
        return self.compare(self.translate(pairs.sources, beam), pairs.targets)

    def compare(self, found: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """Measure translations against references."""
        whole = [self.vocabulary.prepare(text) for text in references]
        words = self.config["bleu_words"]
        figures = measure_translations(found, whole, tokenization=words)
        if words in ("13a", "intl") and max(len(text.split()) for text in whole) < 4:
            del figures["bleu"]  # which compares runs of four words
        return figures

    def align(self, source: str, target: str | None = None) -> Alignment:
        """Return what the decoder attends to as it writes a translation.

        Args:
            source: A text.
            target: A translation; None is the model's own.
        """
        if target is None:
            target = self.translate([source])[0]
        sides = [
            torch.from_numpy(self.encode(text, side))[:, None]
            for text, side in ((source, "source"), (target, "target"))
        ]
        with torch.inference_mode():
            memory = self.model.encode(sides[0], torch.tensor([len(sides[0])]))
            _, weights, _ = self.model.decode(self.model.begin(memory, sides[1]), memory)
        pieces = [
            self.vocabulary.pieces(tokens[:, 0].tolist(), side)
            for tokens, side in zip(sides, ("source", "target"), strict=True)
        ]
        return Alignment(pieces[0], pieces[1], weights[0].numpy())

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        kinds = f"{self.vocabulary.source.kind} to {self.vocabulary.target.kind}"
        return f"TranslationModel({weights:,} weights, {kinds})"


def pad(several: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return tokens `(n,)` side by side, `(S, B)`, zeros past their ends."""
    return torch.nn.utils.rnn.pad_sequence(list(several))


def forbidden_tokens(vocabulary: PairsVocabulary) -> list[int]:
    """Return the target tokens that are never written."""
    return [] if vocabulary.target.unknown is None else [vocabulary.target.unknown]


def assemble(vocabulary: PairsVocabulary, cell: Any, sizes: dict[str, Any]) -> Translator:
    """Return a new network.

    Args:
        vocabulary: Of both sides.
        cell: A name of the catalogue, or a cell.
        sizes: `hidden`, `layers` and `dropout`.
    """
    sides = vocabulary.source.size + 1, vocabulary.target.size + 1
    return Translator(
        *sides,
        cell,
        sizes["hidden"],
        sizes["layers"],
        sizes["dropout"],
        vocabulary.shared,
    )
