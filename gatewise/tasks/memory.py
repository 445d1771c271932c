"""Remembering: say the last word of a sentence that was settled many words before."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.cells import get
from gatewise.equations import Cell
from gatewise.equations.memory import has_forget_bias
from gatewise.tasks.language import recurrent_layers
from gatewise.tasks.sentences import KINDS, NEAREST, Sentence

Examples = dict[tuple[str, int], list[Sentence]]
"""Sentences by their kind and distance."""


@dataclass(frozen=True)
class Batch:
    """Sentences as numbers.

    Attributes:
        tokens: ``(T, B)`` int64, 0 after a sentence's end. Sentences begin at the first step:
            with padding before them, their length would tell a network how far back the clue is.
        last: ``(B,)``, the step of each sentence's last word.
        answers: ``(B,)``, the words that come next.
    """

    tokens: Tensor
    last: Tensor
    answers: Tensor


class Vocabulary:
    """Words and their numbers, from 1 on; 0 is no word.

    Args:
        words: each once.

    Example:
        >>> words = Vocabulary(["I", "French", "speak"])
        >>> words.batch([Sentence("language", "I speak", "French", 1)]).tokens.tolist()
        [[1], [3]]
    """

    def __init__(self, words: Iterable[str]):
        self.words = ["", *words]
        self.numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def batch(self, sentences: Sequence[Sentence]) -> Batch:
        """Sentences as numbers, side by side."""
        rows = [[self.numbers[word] for word in sentence.words] for sentence in sentences]
        T = max(map(len, rows))
        return Batch(
            torch.tensor([row + [0] * (T - len(row)) for row in rows]).T.contiguous(),
            torch.tensor([len(row) - 1 for row in rows]),
            torch.tensor([self.numbers[sentence.answer] for sentence in sentences]),
        )


class MemoryModel(nn.Module):
    """Embedding, one recurrent layer, and a linear head that reads its last step.

    Forget gates start open: their bias is 1 (Gers et al. 2000; Jozefowicz et al. 2015).

    Args:
        cell: a cell of the catalogue by its name, or a cell of one's own.
        vocabulary: how many words there are, V.
        hidden: hidden size H, and the size of a word's vector.
    """

    def __init__(self, cell: str | Cell, vocabulary: int, hidden: int = 64):
        super().__init__()
        biased = has_forget_bias(get(cell).graph)
        options: dict[str, Any] = {"forget_bias": 1.0} if biased else {}
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.recurrent = recurrent_layers(cell, hidden, hidden, **options)
        self.head = nn.Linear(self.recurrent(torch.zeros(1, 1, hidden))[0].shape[-1], vocabulary)

    def forward(self, batch: Batch) -> Tensor:
        """The logits of every word to come next, ``(B, V)``."""
        hidden, _ = self.recurrent(self.embedding(batch.tokens))
        rows = torch.arange(batch.tokens.shape[1])
        return self.head(hidden[batch.last, rows])

    def loss(self, batch: Batch, reduction: str = "mean") -> tuple[Tensor, Tensor]:
        """How surprising the answers are, in nats, and which the network gets right, ``(B,)``."""
        logits = self(batch)
        entropy = functional.cross_entropy(logits, batch.answers, reduction=reduction)
        return entropy, logits.argmax(1) == batch.answers


class Course:
    """Sentences to learn from, without end: near answers at first, then farther and farther ones.

    A network learns to remember over 100 words only after it has learned what to remember; the
    farthest distance grows evenly in its logarithm over the first `GROWING` of the course.

    Args:
        farthest: the greatest distance, in words.
        seed: what every random number comes from.
        held_out: sentences that must not be learned from.
    """

    BEGINNING = 8
    GROWING = 0.7

    def __init__(self, farthest: int, seed: int, held_out: Iterable[Sentence] = ()):
        self.farthest = farthest
        self.draw = random.Random(f"course {seed}")
        self.held_out = frozenset(sentence.text for sentence in held_out)

    def reach(self, share: float) -> float:
        """The farthest distance when this share of the course is done."""
        grown = min(1.0, share / self.GROWING)
        return min(self.BEGINNING, self.farthest) ** (1 - grown) * self.farthest**grown

    def sentences(self, count: int, share: float) -> list[Sentence]:
        """Sentences of all kinds for this point of the course.

        Distances are even in their logarithm up to a limit that is drawn first, so that sentences
        learned together are of similar lengths.
        """
        limit = self._distance(self.reach(share))
        kinds = tuple(KINDS.values())
        found: list[Sentence] = []
        while len(found) < count:
            kind = kinds[len(found) % len(kinds)]
            sentence = kind(round(self._distance(limit)), self.draw)
            if sentence.text not in self.held_out:
                found.append(sentence)
        return found

    def _distance(self, limit: float) -> float:
        return math.exp(self.draw.uniform(math.log(NEAREST), math.log(limit)))


def draw_examples(distances: Iterable[int], count: int, seed: int) -> Examples:
    """Sentences to measure on.

    Args:
        distances: in words.
        count: sentences of each kind and distance.
        seed: what every random number comes from; never the numbers of a `Course`.
    """
    draw = random.Random(f"examples {seed}")
    return {
        (kind, distance): [make(distance, draw) for _ in range(count)]
        for kind, make in KINDS.items()
        for distance in distances
    }


@torch.no_grad()
def measure_accuracy(
    model: MemoryModel, examples: Examples, vocabulary: Vocabulary
) -> dict[tuple[str, int], float]:
    """The share of sentences whose last word a network says, by kind and distance."""
    model.eval()
    return {
        key: float(model.loss(vocabulary.batch(sentences))[1].float().mean())
        for key, sentences in examples.items()
    }


@torch.no_grad()
def guess(
    model: MemoryModel, sentence: Sentence, vocabulary: Vocabulary, count: int = 3
) -> list[tuple[str, float]]:
    """The likeliest last words and their probabilities, the likeliest first."""
    model.eval()
    probabilities = torch.softmax(model(vocabulary.batch([sentence]))[0], 0)
    likeliest = probabilities.topk(count)
    return [
        (vocabulary.words[number], probability)
        for number, probability in zip(
            likeliest.indices.tolist(), likeliest.values.tolist(), strict=True
        )
    ]
