"""Optimisers by name, and gradients that are cut: what the field trains recurrent networks with."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


class NTASGD(torch.optim.SGD):
    """SGD that averages its weights once validation stops improving: NT-ASGD.

    Merity, Keskar & Socher (2018), "Regularizing and optimizing LSTM language models", algorithm 1:
    averaging begins when a validation is worse than the best of those more than `interval` before
    it. The weights go on as SGD moves them; `averaged` puts the mean of all weights since then in
    their place, to validate and to keep. The learning rate stays constant.

    Args:
        params: As for every optimiser of torch.
        lr: The learning rate.
        weight_decay: The paper's.
        interval: How many validations may pass without improvement, n.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = NTASGD(model.parameters(), lr=0.1, interval=1)
        >>> for loss in (3.0, 2.0, 2.5, 2.6):  # as validations measure it, between steps
        ...     optimizer.validated(loss)
        >>> optimizer.is_averaging
        True
        >>> with optimizer.averaged():
        ...     y = model(torch.ones(2))
    """

    shows_averages = False
    """Whether the model has the averaged weights now."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 3.0,
        weight_decay: float = 1.2e-6,
        interval: int = 5,
    ):
        super().__init__(params, lr=lr, weight_decay=weight_decay)
        # beside the learning rate, where state_dict and copies find them
        self.param_groups[0] |= {"interval": interval, "losses": []}

    @property
    def losses(self) -> list[float]:
        """What validations have measured so far."""
        return self.param_groups[0]["losses"]

    @property
    def is_averaging(self) -> bool:
        """Whether averaging has begun."""
        return any("mean" in self.state[weight] for weight in self._weights())

    def validated(self, loss: float) -> None:
        """Take note of a validation; averaging begins when it is no better than those before."""
        before = self.losses[: -self.param_groups[0]["interval"]]
        if not self.is_averaging and before and loss > min(before):
            for weight in self._weights():
                self.state[weight] |= {"mean": weight.detach().clone(), "count": 1}
        self.losses.append(loss)

    def go_on_from(self, losses: Sequence[float]) -> None:
        """Take note of what validations measured before this process began."""
        self.param_groups[0]["losses"] = list(losses)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        """Do one step of SGD, and count its result in."""
        loss = super().step(closure)
        for weight in self._weights():
            memory = self.state[weight]
            if "mean" in memory:
                memory["count"] += 1
                memory["mean"].lerp_(weight, 1 / memory["count"])
        return loss

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the averaged weights, if there are any yet."""
        before = self.show_averages(True)
        try:
            yield
        finally:
            self.show_averages(before)

    @torch.no_grad()
    def show_averages(self, wanted: bool) -> bool:
        """Give the model its averaged weights, or its own back.

        Returns:
            What it had.
        """
        before = self.shows_averages
        if wanted != before and self.is_averaging:
            for weight in self._weights():
                mean = self.state[weight]["mean"]
                kept = weight.clone()
                weight.copy_(mean)
                mean.copy_(kept)
            self.shows_averages = wanted
        return before

    def _weights(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]


class Recipe(NamedTuple):
    """An optimiser as training uses it.

    Attributes:
        kind: Its class.
        learning_rate: The highest, where none is given.
        arguments: Further ones of the class.
        constant: Whether the learning rate stays; else it rises and falls with the budget.
    """

    kind: type[torch.optim.Optimizer]
    learning_rate: float
    arguments: dict[str, Any]
    constant: bool = False


OPTIMIZERS = {
    "adamw": Recipe(torch.optim.AdamW, 2e-3, {"betas": (0.9, 0.99), "weight_decay": 0.01}),
    "adam": Recipe(torch.optim.Adam, 2e-3, {"betas": (0.9, 0.99)}),
    "rmsprop": Recipe(torch.optim.RMSprop, 1e-3, {"alpha": 0.95}),
    "sgd": Recipe(torch.optim.SGD, 0.5, {"momentum": 0.9}),
    "ntasgd": Recipe(NTASGD, 3.0, {}, constant=True),
}


def build_optimizer(name: str, model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Return the optimiser of that name for a model's parameters."""
    recipe = OPTIMIZERS[name]
    return recipe.kind(model.parameters(), lr=learning_rate, **recipe.arguments)  # type: ignore[call-arg]


def clip_gradients(weights: Iterable[Tensor], norm: float, value: float) -> bool:
    """Cut gradients: each number first, then the norm of them all.

    Args:
        weights: Whose gradients.
        norm: The norm is cut to this; 0 never cuts.
        value: Each number is cut to lie within ± this; 0 never cuts.

    Returns:
        Whether anything was cut.
    """
    learned = [weight for weight in weights if weight.grad is not None]
    bites = False
    if value:
        gradients = [weight.grad for weight in learned if weight.grad is not None]
        bites = float(get_total_norm(gradients, float("inf"))) > value
        clip_grad_value_(learned, value)
    if norm:
        bites = float(clip_grad_norm_(learned, norm)) > norm or bites
    return bites
