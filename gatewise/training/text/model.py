"""A trained language model: load it, generate with it, measure texts with it."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from gatewise.data.tokens.corpus import Corpus
from gatewise.data.tokens.kinds import tokenizer_from_dict
from gatewise.data.tokens.tokenizer import Tokenizer
from gatewise.tasks.language import LanguageModel, bits_per_character
from gatewise.tasks.sampling import Sampler, draw_tokens
from gatewise.tasks.vocabulary_output import choose_cutoffs
from gatewise.training.checkpoint import Progress
from gatewise.training.model_file import ModelFile, ModelFileError, load_weights
from gatewise.training.text.settings import TextSettings, cell_from_description, describe_cell


class TextModel:
    """A trained language model, as `gatewise.load` returns it.

    Attributes:
        config: Its configuration as in the model file: tokenizer, cell, sizes.
        training: How it was trained: seed, steps, losses.
        model: The network, in evaluation mode.
        tokenizer: Text to tokens and back.
    """

    task = "language"

    def __init__(
        self,
        config: dict[str, Any],
        training: dict[str, Any],
        model: LanguageModel,
        tokenizer: Tokenizer,
    ):
        self.config, self.training = config, training
        self.model, self.tokenizer = model.eval(), tokenizer

    @classmethod
    def from_file(cls, file: ModelFile, path: Path) -> "TextModel":
        """Rebuild the model of a file.

        Raises:
            ModelFileError: Its configuration or its weights do not make a model.
        """
        try:
            tokenizer = tokenizer_from_dict(file.config["tokenizer"])
            sizes = file.config["model"]
            cell = cell_from_description(file.config["cell"])
            model = LanguageModel(tokenizer.size, cell, **sizes)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its configuration is not that of a language model: {error}"
            ) from error
        load_weights(model, file.tensors, path)
        return cls(file.config, file.training, model, tokenizer)

    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> str:
        """Return text that goes on after a prompt; the arguments are those of `stream`."""
        return "".join(self.stream(prompt, length, temperature, top_k, top_p, seed))

    def stream(
        self,
        prompt: str = "",
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Return text that goes on after a prompt, piece by piece, in whole characters.

        Args:
            prompt: What comes before; without it, a new line begins.
            length: How many tokens to write.
            temperature: Below 1 the likely becomes likelier; 0 always takes the likeliest.
            top_k: Only the k likeliest tokens.
            top_p: Only the fewest likeliest tokens whose probability reaches p.
            seed: Equal seeds write equal texts; None takes another each time.

        Raises:
            ValueError: An argument cannot be; with characters, the prompt has one that the
                vocabulary lacks.
        """
        if length < 0:
            raise ValueError(f"length is 0 or more, not {length}")
        sampler = Sampler(temperature, top_k, top_p)
        tokens = self.encode_prompt(prompt)
        generator = torch.Generator().manual_seed(
            random.SystemRandom().getrandbits(63) if seed is None else seed
        )
        drawn = draw_tokens(self.model, tokens, sampler, generator, self.tokenizer.unknown)
        decoder = self.tokenizer.decoder(prompt)

        def pieces() -> Iterator[str]:
            for _, token in zip(range(length), drawn, strict=False):
                piece = decoder.push(token)
                if piece:
                    yield piece
            rest = decoder.finish()
            if rest:
                yield rest

        return pieces()

    def encode_prompt(self, prompt: str) -> list[int]:
        """Return the tokens to go on after, at least one."""
        return self.tokenizer.encode(prompt).tolist() or [self.tokenizer.start()]

    def log_probabilities(self, text: str) -> torch.Tensor:
        """Return how likely the model holds each token of a text, given those before it.

        The text counts as the beginning of a new line.

        Args:
            text: At least one token.

        Returns:
            Natural logarithms, `(n,)` in float32 for n tokens.

        Raises:
            ValueError: The text is empty, or has a character that the vocabulary lacks.
        """
        tokens = torch.from_numpy(self.tokenizer.encode(text))
        if len(tokens) == 0:
            raise ValueError("the text has no tokens to measure")
        before = torch.cat([torch.tensor([self.tokenizer.start()]), tokens[:-1]])
        found, state = [], None
        with torch.inference_mode():
            # In parts: the logits of a long text would fill the memory.
            for inputs, targets in zip(before.split(1024), tokens.split(1024), strict=True):
                logits, state = self.model(inputs[:, None], state)
                likely = functional.log_softmax(logits[:, 0], -1)
                found.append(likely.gather(-1, targets[:, None])[:, 0])
        return torch.cat(found).clone()

    def score(self, text: str) -> float:
        """Return how surprising a text is, in nats per token; see `log_probabilities`."""
        return -float(self.log_probabilities(text).double().mean())

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.model.parameters())
        kind, size = self.tokenizer.kind, self.tokenizer.size
        return f"TextModel({weights:,} weights, {size:,} {kind})"


def build_model(settings: TextSettings, vocabulary: int) -> LanguageModel:
    """Return a new model for settings with nothing left open."""
    return LanguageModel(
        vocabulary,
        settings.cell,
        **sizes(settings, vocabulary),
        embedding_dropout=settings.embedding_dropout,
        activation_penalty=settings.activation_penalty,
        change_penalty=settings.change_penalty,
        options=settings.layer_options(),
    )


def sizes(settings: TextSettings, vocabulary: int) -> dict[str, Any]:
    """Return the arguments of `LanguageModel` that a trained one needs, but vocabulary and cell."""
    names = ("embedding", "hidden", "layers", "dropout")
    cutoffs = choose_cutoffs(vocabulary) if settings.softmax == "adaptive" else ()
    found = {name: getattr(settings, name) for name in names}
    return {**found, "tied": settings.tie, "cutoffs": list(cutoffs)}


def model_file(
    model: LanguageModel, settings: TextSettings, corpus: Corpus, progress: Progress
) -> ModelFile:
    """Return what the model file of a run holds."""
    from gatewise import __version__

    best, tokens = progress.history[-1], corpus.validation
    config = {
        "tokenizer": corpus.tokenizer.to_dict(),
        "cell": describe_cell(settings.cell),
        "model": sizes(settings, corpus.tokenizer.size),
    }
    training = {
        "gatewise": __version__,
        "torch": str(torch.__version__),
        "settings": {name: each for name, each in settings.to_dict().items() if name != "cell"},
        "step": best.step,
        "epoch": best.epoch,
        "seconds": progress.seconds,
        "clipped_share_of_steps": progress.clipped_share,
        "validation_nats_per_token": best.validation,
        "validation_bits_per_character": bits_per_character(
            best.validation, tokens.count, tokens.characters
        ),
        "history": [measured._asdict() for measured in progress.history],
    }
    return ModelFile(TextModel.task, config, training, dict(model.state_dict()))
