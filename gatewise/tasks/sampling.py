"""Draw tokens from a language model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from gatewise.tasks.language import LanguageModel


@dataclass(frozen=True)
class Sampler:
    """How the next token is drawn.

    Attributes:
        temperature: Divides the logits; below 1 the likely becomes likelier, 0 always takes the
            likeliest.
        top_k: Only the k likeliest tokens; None is all. Equal ones go by their number.
        top_p: Only the fewest likeliest tokens whose probability reaches p, at least one. It is
            applied after `top_k`, to the probabilities that remain.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature is 0 or more, not {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top-k is at least 1, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top-p lies above 0 and up to 1, not {self.top_p}")

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probabilities to draw from.

        Args:
            logits: `(V,)`.
        """
        if self.temperature == 0:
            likeliest = torch.zeros_like(logits)
            likeliest[logits.argmax()] = 1.0
            return likeliest
        # The largest is taken away first: a tiny temperature then cannot overflow.
        scaled = (logits.double() - logits.max()) / self.temperature
        probabilities, order = torch.softmax(scaled, 0).sort(descending=True, stable=True)
        if self.top_k is not None:
            probabilities[self.top_k :] = 0.0
        if self.top_p is not None:
            before = probabilities.cumsum(0) - probabilities
            probabilities[before >= self.top_p * probabilities.sum()] = 0.0
        return torch.zeros_like(probabilities).scatter(
            0, order, probabilities / probabilities.sum()
        )

    def draw(self, logits: torch.Tensor, generator: torch.Generator) -> int:
        """Draw one token from logits `(V,)`."""
        return int(torch.multinomial(self.probabilities(logits), 1, generator=generator))


def draw_tokens(
    model: LanguageModel,
    prompt: Sequence[int],
    sampler: Sampler,
    generator: torch.Generator,
    never: int | None = None,
) -> Iterator[int]:
    """Yield tokens after a prompt, for ever.

    Args:
        model: The model; its dropout is off meanwhile if it is in evaluation mode.
        prompt: At least one token.
        sampler: How each is drawn.
        generator: What random numbers come from.
        never: A token that is not drawn, such as the one for unknown words.
    """
    if not prompt:
        raise ValueError("drawing tokens needs a prompt of at least one")
    device = model.embedding.weight.device
    state, logits = None, torch.empty(0)
    with torch.inference_mode():
        # A long prompt is read in parts: its logits would take V numbers for every token.
        for begin in range(0, len(prompt), 256):
            part = torch.tensor(prompt[begin : begin + 256], device=device)[:, None]
            logits, state = model(part, state)
    while True:
        last = logits[-1, 0].cpu().clone()
        if never is not None:
            last[never] = -math.inf
        token = sampler.draw(last, generator)
        yield token
        with torch.inference_mode():
            logits, state = model(torch.tensor([[token]], device=device), state)
