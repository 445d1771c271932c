"""A language model with the text it learns from, as the training loop wants it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from gatewise.data.tokens.corpus import Corpus
from gatewise.data.tokens.streams import IGNORED, Cursor, TrainingStreams, ValidationStreams, Window
from gatewise.data.tokens.tokenizer import decode
from gatewise.layers import detach_state
from gatewise.tasks.sampling import Sampler, draw_tokens
from gatewise.tasks.vocabulary_output import AdaptiveOutput
from gatewise.training.checkpoint import Progress
from gatewise.training.model_file import write_model_file
from gatewise.training.plan import Plan, Task
from gatewise.training.text.model import build_model, model_file
from gatewise.training.text.settings import TextSettings

SAMPLED = 300  # tokens that TensorBoard shows of each validation


class LanguageTraining(Task):
    """Truncated backpropagation over parallel streams, the state carried on: a `Task`.

    Args:
        settings: With nothing left open.
        corpus: The text.

    Raises:
        ValueError: The text is too short for the batch size, or the sizes do not fit the cell.
    """

    def __init__(self, settings: TextSettings, corpus: Corpus):
        assert settings.batch_size is not None
        self.settings, self.corpus = settings, corpus
        self.streams = TrainingStreams(
            corpus.training.tokens(), settings.batch_size, settings.window, settings.seed
        )
        self.validation = ValidationStreams(corpus.validation.tokens())
        self.batches_per_epoch = self.streams.windows_per_epoch
        self.model = build_model(settings, corpus.tokenizer.size)
        if isinstance(self.model.head, AdaptiveOutput):
            counts = corpus.training.frequencies(corpus.tokenizer.size)
            self.model.head.order_by(torch.from_numpy(counts))

    def plan(self) -> Plan:
        """Return how long training lasts and how often it is measured."""
        streams = self.streams
        return self.settings.plan(
            streams.windows_per_epoch, streams.tokens_per_window, self.validation.targets
        )

    def batches(self, cursor: tuple[int, int]) -> Iterator[Window]:
        """See `Task.batches`."""
        return self.streams.windows(Cursor(*cursor))

    def validation_batches(self) -> Iterator[Window]:
        """See `Task.validation_batches`."""
        return self.validation.windows()

    def loss(self, batch: Window, state: Any) -> tuple[torch.Tensor, Any]:
        """See `Task.loss`."""
        loss, state = self.model.loss(batch.inputs, batch.targets, state)
        return loss, detach_state(state)

    def total_loss(self, batch: Window, state: Any) -> tuple[torch.Tensor, int, Any]:
        """See `Task.total_loss`."""
        loss, state = self.model.loss(batch.inputs, batch.targets, state, reduction="sum")
        return loss, int((batch.targets != IGNORED).sum()), state

    def sample(self) -> str:
        """See `Task.sample`."""
        tokenizer = self.corpus.tokenizer
        source = torch.Generator().manual_seed(self.settings.seed)
        start = [tokenizer.start()]
        drawn = draw_tokens(self.model, start, Sampler(0.8), source, tokenizer.unknown)
        return decode(tokenizer, islice(drawn, SAMPLED))

    def first_state(self) -> Any:
        """See `Task.first_state`."""
        token = torch.zeros(1, self.streams.batch_size, dtype=torch.long)
        with torch.no_grad():
            return self.model(token.to(self.model.embedding.weight.device))[1]

    def write_model(self, path: Path, progress: Progress) -> None:
        """See `Task.write_model`."""
        write_model_file(path, model_file(self.model, self.settings, self.corpus, progress))
