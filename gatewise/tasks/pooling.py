"""From all steps of a sequence to one vector."""

import torch
from torch import Tensor, nn

KINDS = ("last", "mean", "max", "attention")


class Pooling(nn.Module):
    """One vector out of the outputs of all steps; steps past a sequence's end never count.

    Args:
        kind: `"last"`: the output after the last step, of the reverse direction after the first;
            `"mean"`; `"max"` of each unit; `"attention"`: a mean weighted by a learned score of
            each step (Yang et al. 2016, equations 5 to 7).
        size: Of an output, D.
        directions: 1, or 2 where the second half of an output runs from the end.
    """

    def __init__(self, kind: str, size: int, directions: int = 1):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"pooling: {kind!r} is none of {', '.join(KINDS)}")
        self.kind, self.directions = kind, directions
        if kind == "attention":
            self.key = nn.Linear(size, size)
            self.query = nn.Linear(size, 1, bias=False)

    def forward(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return `(B, D)` of outputs `(T, B, D)`.

        Args:
            y: The outputs.
            lengths: Steps of each sequence, `(B,)` in int64; None is T for all.
        """
        if self.kind == "last":
            return self.last(y, lengths)
        if lengths is None:
            lengths = torch.full(y.shape[1:2], len(y), device=y.device)
        past = torch.arange(len(y), device=y.device)[:, None] >= lengths
        if self.kind == "mean":
            return y.masked_fill(past[..., None], 0.0).sum(0) / lengths[:, None]
        if self.kind == "max":
            return y.masked_fill(past[..., None], -torch.inf).amax(0)
        return (self.weights(y, past)[..., None] * y).sum(0)

    def weights(self, y: Tensor, past: Tensor) -> Tensor:
        """Return how much each step counts, `(T, B)`; the steps of a sequence add up to 1."""
        scores = self.query(torch.tanh(self.key(y)))[..., 0]
        return scores.masked_fill(past, -torch.inf).softmax(0)

    def last(self, y: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the output after the last step; of the reverse direction after the first."""
        if lengths is None:
            ends = y[-1]
        else:
            at = (lengths - 1)[None, :, None].expand(1, -1, y.shape[2])
            ends = y.gather(0, at)[0]
        if self.directions == 1:
            return ends
        half = y.shape[2] // 2
        return torch.cat([ends[:, :half], y[0, :, half:]], -1)
