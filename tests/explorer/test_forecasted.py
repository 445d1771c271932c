"""Pages about forecast models: the network's forecast and its gradient, for a changed past too."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

from gatewise.data.time_series.covariates import find_encoding
from gatewise.data.time_series.series import read_series
from gatewise.explorer.export import write
from gatewise.explorer.forecasted import of_forecast
from gatewise.lens import inner_gradients
from gatewise.tasks.forecasting import ForecastNetwork, Windows
from gatewise.training.forecast.model import ForecastModel, describe_series
from tests.frames import long_frame, seasonal

CASES = {
    "segments": {"decoding": "segments", "anchor": "last", "scaling": "window"},
    "segments, two layers": {"decoding": "segments", "anchor": "adjusted", "layers": 2},
    "direct": {"decoding": "direct", "anchor": "seasonal", "scaling": "standard", "cell": "lstm"},
    "recursive": {"decoding": "recursive", "anchor": "last", "scaling": "mean"},
    "recursive, two layers": {"decoding": "recursive", "anchor": "none", "layers": 2},
    "segments, covariates": {"decoding": "segments", "covariates": True},
    "direct, covariates": {"decoding": "direct", "covariates": True},
    "recursive, covariates": {"decoding": "recursive", "covariates": True},
    "a minimum": {"decoding": "segments", "minimum": 84_700.0},
    "a minimum, recursive": {"decoding": "recursive", "minimum": 79_000.0},
    "one value": {"decoding": "segments", "scaling": "none", "loss": "mae", "segment": 1},
}
EDITED = 9  # a step of the past


def forecaster(covariates=False, minimum=None, **options):
    """A forecast model with drawn weights, and two series with gaps."""
    values = {"A": seasonal(80), "B": 1000 * seasonal(60, seed=1)}
    values["B"][-6:-4] = np.nan
    frame = long_frame(
        **{k: [*v, *[None] * 7] for k, v in values.items()} if covariates else values
    )
    known = []
    if covariates:
        told = pl.int_range(pl.len()).sin().alias("promo")
        frame = frame.with_columns(told)
        known = [find_encoding("promo", frame["promo"].to_list())]
    frame = frame.with_columns(pl.col("y").fill_nan(None))
    series = read_series(frame, known=["promo"] if covariates else [])
    torch.manual_seed(4)
    sizes = {"lookback": 16, "horizon": 7, "hidden": 6, "segment": 4, "season": 7, "dropout": 0.0}
    sizes["known"] = sum(each.size for each in known)
    network = ForecastNetwork(**{**sizes, **options})
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    config = {"series": describe_series(series, known, []), "best": "network", "minimum": minimum}
    return ForecastModel(config, {}, network), series


def forecast(model, series, row, change=None):
    """Quantiles in the series' own units, ``(F, Q)``, with a gradient."""
    rows = model.pack(series, np.array([each.steps for each in series.series]))
    chosen = np.array([row])
    cut = rows.cut(chosen, rows.steps[chosen], model.model.lookback, model.model.horizon)
    windows = Windows(*(getattr(cut, name) for name in Windows._fields))
    if change is not None:
        past = windows.past.clone()
        past[0, EDITED] = (change - rows.shift[row]) / rows.unit[row]
        windows = windows._replace(past=past)
    found, scale = model.model(windows)
    forecast = scale.undo(found)[0] * rows.unit[row] + rows.shift[row]
    return forecast.clamp(min=float(model.floors(rows)[row]))


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_the_forecast_and_its_gradient_are_pythons(opened, tmp_path, options):
    model, series = forecaster(**options)
    page = opened(write(of_forecast(model, series, 1), tmp_path / "page.html"))
    segment = model.model.segment
    for change in (None, 2500.0):
        if change is not None:
            page.tell("store.setCursor(a)", EDITED // segment)
            page.settle()
            page.page.select_option("#reading select:not(.asked *)", str(EDITED))
            page.page.fill("#reading input[type=number]", str(change))
            page.page.click("#reading button")
            page.tell("store.setCursor(store.T - 1)")
            page.settle()
        expected = forecast(model, series, 1, change).detach()
        found = torch.tensor(page.tell("Array.from(store.network.quantiles(store.run).data)"))
        size = float(expected.abs().max())
        torch.testing.assert_close(
            found.reshape(expected.shape).double(), expected.double(), atol=2e-6 * size, rtol=0
        )
        page.tell("store.set('asked', 5)")
        page.settle()
        middle = expected.shape[1] // 2

        def answer(change=change, middle=middle):
            return forecast(model, series, 1, change)[5, middle]

        encoder = inner_gradients(answer)[: options.get("layers", 1)]
        for track, inner in enumerate(encoder):
            for state, wanted in inner.values.items():
                found = page.tell(
                    "Array.from(store.gradient.tracks[a[0]].states[a[1]].data)", [track, state]
                )
                scale = float(wanted.abs().max()) or 1.0
                torch.testing.assert_close(
                    torch.tensor(found, dtype=torch.float32).reshape(wanted[:, 0].shape) / scale,
                    wanted[:, 0].float() / scale,
                    atol=1e-4,
                    rtol=1e-3,
                )


def test_what_is_shown_is_what_was_forecast(opened, tmp_path):
    model, series = forecaster()
    page = opened(write(of_forecast(model, series, 0), tmp_path / "page.html"))
    expected = forecast(model, series, 0).detach()
    shown = [
        float(text.replace("−", "-")) for text in page.page.locator(".bar-value").all_inner_texts()
    ]
    assert shown == pytest.approx(expected[:, 1].tolist(), abs=5.1e-3)
    assert "A" in page.page.inner_text("h1")
    page.page.select_option("#reading .asked select", "3")  # or the mouse, in the picture
    page.settle()
    assert page.tell("store.asked") == 3
    assert f"Forecast: {page.page.inner_text('.bar-value >> nth=3')}" in page.page.inner_text(
        "#reading .says"
    )
    page.tell("store.set('asked', 0)")
    page.page.click("text=Forget everything")
    page.settle()
    now = page.tell("store.prediction(store.T - 1)[0]")
    found = re.findall(r"sa(?:ys|id) (−?[\d.]+\d)", page.page.inner_text("#whatif .says"))
    assert [float(text.replace("−", "-")) for text in found] == pytest.approx(
        [now, float(expected[0, 1])], abs=5.1e-3
    )
    told = dict(page.take_tour())
    assert "group of 4 values" in told["One step at a time"]
    assert f"goes from {found[1]} to {found[0]}" in told["Why a plain RNN forgets"]


WATCH = """() => {
  const own = CanvasRenderingContext2D.prototype.fillText;
  window.written = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const wide = this.measureText(text).width;
    const begin = x - wide * { left: 0, center: 0.5, right: 1 }[this.textAlign];
    if (this.canvas.matches(".series")) window.written.push([text, begin, begin + wide, y]);
    own.call(this, text, x, y);
  };
}"""


@pytest.mark.parametrize("width", [320, 390, 560, 800, 1280])
@pytest.mark.parametrize("lookback", [8, 16, 40])
def test_times_on_the_axis_never_touch(opened, tmp_path, width, lookback):
    model, series = forecaster(lookback=lookback)
    page = opened(write(of_forecast(model, series, 0), tmp_path / "page.html"), width)
    page.page.evaluate(WATCH)
    page.tell("store.set('asked', 2)")
    page.settle()
    times = page.tell("store.network.forecast.decoder.times")
    written = page.page.evaluate("window.written")
    axis = sorted(each[1:3] for each in written if each[3] == max(y for *_, y in written))
    assert {times[0], times[-1]} <= {text for text, *_ in written}
    assert all(begin > end for (_, end), (begin, _) in pairwise(axis)), axis
    assert axis[-1][1] <= page.page.locator("canvas.series").evaluate("each => each.clientWidth")


def test_a_series_that_is_not_there_is_refused(tmp_path):
    model, series = forecaster()
    with pytest.raises(ValueError, match="there are 2 series"):
        of_forecast(model, series, 2)
