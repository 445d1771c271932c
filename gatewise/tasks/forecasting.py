"""Forecasting: the next steps of a series, with their uncertainty, from its past."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gatewise.equations import Cell
from gatewise.tasks.anchors import ANCHORS, place_anchor
from gatewise.tasks.language import recurrent_layers
from gatewise.tasks.scaling import SCALINGS, Scale, measure_scale

DECODINGS = ("segments", "direct", "recursive")
LOSSES = ("quantile", "mae", "mse")


class Windows(NamedTuple):
    """Pasts of B series, and what is known of their future.

    Attributes:
        past: `(B, L)`, the last L values, filled in where there are none.
        missing: `(B, L)`, 1 where a value is filled in, else 0.
        channel: `(B,)` int64, which of the targets this is; the number of targets for others.
        known: `(B, L + F, K)`, covariates of the past and of the F steps to forecast.
        static: `(B, S)`, what holds for a whole series.
    """

    past: Tensor
    missing: Tensor
    channel: Tensor
    known: Tensor
    static: Tensor


class ForecastNetwork(nn.Module):
    """Recurrent layers over segments of the past, and one of three ways to decode the future.

    The past is scaled, cut into segments of w steps, each embedded as one vector, and read by the
    recurrent layers. `"segments"` asks the last state for every segment of the future at once, by
    an embedding of its place and of its channel (Lin et al. 2023, SegRNN, arXiv:2308.11200,
    section 3.4); `"direct"` maps the last output to all steps by one matrix; `"recursive"` reads
    its own median forecast on, segment by segment.

    The network forecasts the difference to an anchor, a simple forecast, times a learned weight
    for each step. It begins with no difference and weights of one, so that training begins as good
    as that forecast.

    Args:
        cell: A cell of the catalogue by its name, or a cell of one's own.
        lookback: L, steps of the past; a multiple of `segment`.
        horizon: F, steps of the future.
        hidden: Hidden size H, and size of a segment's vector.
        layers: Number of recurrent layers.
        segment: w, steps of a segment.
        decoding: One of `DECODINGS`.
        scaling: One of `SCALINGS`; see `measure_scale`.
        anchor: See `gatewise.tasks.anchors.place_anchor`.
        season: Steps of a season, for the anchor.
        quantiles: Rising, strictly between 0 and 1, with 0.5 among them.
        loss: One of `LOSSES`; with all but `"quantile"` there is one forecast for all quantiles.
        channels: Number of targets.
        known: K, covariates known in advance.
        static: S, numbers that hold for a whole series.
        dropout: Probability of dropping a value, between layers and before the head.

    Raises:
        ValueError: The arguments do not fit each other, or the cell.
    """

    def __init__(
        self,
        cell: str | Cell = "gru",
        lookback: int = 96,
        horizon: int = 24,
        hidden: int = 128,
        layers: int = 1,
        segment: int = 8,
        decoding: str = "segments",
        scaling: str = "window",
        anchor: str = "last",
        season: int = 1,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        loss: str = "quantile",
        channels: int = 1,
        known: int = 0,
        static: int = 0,
        dropout: float = 0.1,
    ):
        super().__init__()
        check_choices(decoding=decoding, scaling=scaling, anchor=anchor, loss=loss)
        check_sizes(lookback, horizon, segment, season, anchor)
        self.lookback, self.horizon, self.segment = lookback, horizon, segment
        self.decoding, self.scaling, self.loss_kind = decoding, scaling, loss
        self.anchor, self.season = anchor, season
        self.quantiles = check_quantiles(quantiles)
        self.outputs = len(self.quantiles) if loss == "quantile" else 1
        self.segments = math.ceil(horizon / segment)
        self.values = nn.Linear(segment, hidden)
        self.gaps = nn.Linear(segment, hidden, bias=False)
        self.known = nn.Linear(segment * known, hidden, bias=False) if known else None
        self.static = nn.Linear(static, hidden, bias=False) if static else None
        self.recurrent = recurrent_layers(cell, hidden, hidden, layers, dropout)
        self.channel = nn.Embedding(channels, hidden)
        size = getattr(self.recurrent, "output_size", hidden)
        steps = horizon if decoding == "direct" else segment
        self.head = nn.Linear(size, steps * self.outputs)
        if decoding == "segments":
            self.place = nn.Parameter(torch.randn(self.segments, hidden))
        if decoding == "direct" and known:
            self.ahead = nn.Linear(horizon * known, hidden)
            self.told = nn.Linear(hidden, horizon * self.outputs, bias=False)
        self.trust = nn.Parameter(torch.ones(horizon))
        self.dropout = nn.Dropout(dropout)
        self.begin_at_anchor()

    def begin_at_anchor(self) -> None:
        """Let the first forecast be the anchor, and marks of gaps mean nothing until learned."""
        for linear in (self.head, self.gaps, getattr(self, "told", None)):
            if linear is not None:
                nn.init.zeros_(linear.weight)
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)
        nn.init.normal_(self.channel.weight, std=0.5)

    def scale(self, windows: Windows) -> Scale:
        """Measure what is taken out of each window."""
        return measure_scale(self.scaling, windows.past, windows.missing)

    def forward(self, windows: Windows, future: Tensor | None = None) -> tuple[Tensor, Scale]:
        """Forecast in scaled units.

        Args:
            windows: B pasts.
            future: `(B, F)`, the true values, finite; recursive decoding reads them on in training
                (teacher forcing), everything else leaves them alone.

        Returns:
            Quantiles, `(B, F, Q)` in scaled units, Q = 1 where the loss is no quantile's; and the
            scale to undo.
        """
        scale = self.scale(windows)
        past = scale.apply(windows.past)
        known, static = self._known(windows.known), self._static(windows)
        n = self.lookback // self.segment
        embedded = self._embed(self._cut(past), self._cut(windows.missing))
        if self.decoding != "segments":  # there, only the questions differ from series to series
            embedded = embedded + static
        # recursive decoding forecasts the following segment from each: it is told that one's
        ahead = int(self.decoding == "recursive")
        if known is not None:
            embedded = embedded + known[ahead : n + ahead]
        outputs, state = self.recurrent(torch.relu(embedded))
        if self.decoding == "direct":
            found = self._decode_directly(outputs[-1], windows, static)
        elif self.decoding == "segments":
            query = self.place[:, None] + static
            if known is not None:  # what it means may differ from channel to channel
                query = query + torch.relu(known[n:] + query)
            found = self._decode_segments(query, state)
        else:
            following = None if future is None else scale.apply(future)
            found = self._decode_recursively(outputs[-1:], state, known, static, following, past)
            return found[:, : self.horizon], scale
        return found[:, : self.horizon] + self._anchor(past)[..., None], scale

    def loss(
        self, found: Tensor, scale: Scale, future: Tensor, there: Tensor, reduction: str = "mean"
    ) -> Tensor:
        """Measure forecasts in scaled units.

        Args:
            found: What `forward` returned.
            scale: The same.
            future: `(B, F)`, the true values, finite.
            there: `(B, F)`, 1 where a value is true, 0 where it is filled in and does not count.
            reduction: `"mean"` or `"sum"` over the steps that count.

        Returns:
            Twice the pinball loss, its mean over quantiles (for the median, it is the absolute
            error); or the absolute or the squared error.
        """
        error = scale.apply(future)[..., None] - found
        if self.loss_kind == "quantile":
            q = torch.tensor(self.quantiles, device=error.device, dtype=error.dtype)
            each = 2 * torch.maximum(q * error, (q - 1) * error).mean(-1)
        else:
            each = error[..., 0].abs() if self.loss_kind == "mae" else error[..., 0].square()
        total = (each * there).sum()
        return total if reduction == "sum" else total / there.sum().clamp(min=1)

    # Parts

    def _cut(self, values: Tensor) -> Tensor:
        """`(B, n * w)` or `(B, n * w, K)` as `(n, B, w)` or `(n, B, w * K)`."""
        return values.reshape(
            len(values), -1, self.segment * math.prod(values.shape[2:])
        ).transpose(0, 1)

    def _embed(self, values: Tensor, missing: Tensor) -> Tensor:
        return self.values(values) + self.gaps(missing)

    def _known(self, known: Tensor) -> Tensor | None:
        """Covariates of every segment, past and future, `(n + m, B, H)`."""
        if self.known is None:
            return None
        beyond = self.segments * self.segment - self.horizon
        if beyond:  # the last segment reaches beyond the horizon
            known = torch.cat([known, known[:, -1:].expand(-1, beyond, -1)], 1)
        return self.known(self._cut(known))

    def _static(self, windows: Windows) -> Tensor:
        """What every segment of a series is told: its channel and its own numbers, `(B, H)`."""
        table = torch.cat([self.channel.weight, self.channel.weight.mean(0, keepdim=True)])
        told = table[windows.channel]
        return told if self.static is None else told + self.static(windows.static)

    def _anchor(self, past: Tensor) -> Tensor:
        """The forecast to begin from, `(B, F)` in scaled units."""
        return self.trust * place_anchor(self.anchor, past, self.horizon, self.season)

    def _split(self, flat: Tensor) -> Tensor:
        """`(..., w * Q)` as `(..., w, Q)`."""
        return flat.unflatten(-1, (-1, self.outputs))

    def _decode_segments(self, query: Tensor, state: Any) -> Tensor:
        m, B, _ = query.shape
        state = pytree.tree_map(lambda part: part.repeat(1, m, 1), state)
        outputs, _ = self.recurrent(query.reshape(1, m * B, -1), state)
        steps = self._split(self.head(self.dropout(outputs[0])))  # (m * B, w, Q)
        return steps.unflatten(0, (m, B)).transpose(0, 1).flatten(1, 2)

    def _decode_directly(self, last: Tensor, windows: Windows, static: Tensor) -> Tensor:
        steps = self.head(self.dropout(last))
        if self.known is not None:
            ahead = self.ahead(windows.known[:, self.lookback :].flatten(1))
            steps = steps + self.told(torch.relu(ahead + static))
        return self._split(steps)

    def _decode_recursively(
        self,
        output: Tensor,
        state: Any,
        known: Tensor | None,
        static: Tensor,
        future: Tensor | None,
        past: Tensor,
    ) -> Tensor:
        """Forecast a segment, read it (or the true one) on, and so forth."""
        anchor = self._anchor_segments(past)
        none = past.new_zeros(1, len(past), self.segment)
        found: list[Tensor] = []
        for number in range(self.segments):
            steps = self._split(self.head(self.dropout(output[0]))) + anchor[number][..., None]
            found.append(steps)
            if number + 1 == self.segments:
                break
            read = steps[..., self.outputs // 2]
            if future is not None:
                begin = number * self.segment
                read = future[:, begin : begin + self.segment]
            embedded = self._embed(read[None], none) + static
            if known is not None:
                following = self.lookback // self.segment + number + 1
                embedded = embedded + known[following : following + 1]
            output, state = self.recurrent(torch.relu(embedded), state)
        return torch.cat(found, 1)

    def _anchor_segments(self, past: Tensor) -> list[Tensor]:
        """The anchor of each segment, the last one filled up."""
        anchor = self._anchor(past)
        beyond = self.segments * self.segment - self.horizon
        whole = torch.cat([anchor, anchor[:, -1:].expand(-1, beyond)], 1)
        return list(whole.split(self.segment, 1))


def check_choices(**chosen: str) -> None:
    """Raise `ValueError` for a choice that there is not."""
    known = {"decoding": DECODINGS, "scaling": SCALINGS, "anchor": ANCHORS, "loss": LOSSES}
    for name, value in chosen.items():
        if value not in known[name]:
            raise ValueError(f"{name}: {value!r} is none of {', '.join(known[name])}")


def check_sizes(lookback: int, horizon: int, segment: int, season: int, anchor: str) -> None:
    """Raise `ValueError` for sizes that do not fit each other."""
    if min(lookback, horizon, segment, season) < 1:
        raise ValueError("lookback, horizon, segment and season are 1 or more")
    if lookback % segment:
        raise ValueError(
            f"a look-back of {lookback} steps does not divide into segments of {segment}; "
            f"take {segment * math.ceil(lookback / segment)}"
        )
    seasons = {"seasonal": 1, "adjusted": 2}.get(anchor, 0)
    if seasons * season > lookback:
        raise ValueError(
            f"the look-back of {lookback} steps does not reach back the {seasons} season(s) of "
            f"{season} that the anchor {anchor!r} needs; take a longer look-back, or the anchor "
            "'last'"
        )


def check_quantiles(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles as a tuple, or raise `ValueError`."""
    found = tuple(float(each) for each in quantiles)
    symmetric = all(math.isclose(a + b, 1) for a, b in zip(found, found[::-1], strict=True))
    if not found or list(found) != sorted(set(found)) or found[0] <= 0 or found[-1] >= 1:
        raise ValueError(f"quantiles rise between 0 and 1, {list(found)} do not")
    if not symmetric or len(found) % 2 == 0:
        raise ValueError(
            f"quantiles lie around 0.5 in pairs, as 0.1, 0.5, 0.9; {list(found)} do not"
        )
    return found
