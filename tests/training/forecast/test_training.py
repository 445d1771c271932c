import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import torch

import gatewise as gw
from gatewise.data.source import DataError
from gatewise.training.checkpoint import RunError
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.forecast.training import train_forecast
from gatewise.training.model_file import read_model_file
from gatewise.training.plan import Display, Stopped
from tests.frames import long_frame, seasonal


class KilledError(Exception):
    """As if the process had ended."""


class KillAt(Display):
    """Ends the run behind a step, without a chance to save."""

    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            raise KilledError


class KeepTask(Display):
    """Remembers the run."""

    def started(self, run):
        self.run = run


def small(**changes):
    values = {"horizon": 7, "hidden": 12, "batch_size": 16, "steps": 30, "validate_every": 10}
    return ForecastSettings(**(values | {"device": "cpu"} | changes))


@pytest.fixture
def panel(tmp_path):
    """Three series in a file."""
    path = tmp_path / "panel.csv"
    long_frame(
        A=seasonal(120), B=1000 * seasonal(90, seed=1), C=seasonal(60, trend=-0.2, seed=2)
    ).write_csv(path)
    return path


def results(path):
    file = read_model_file(path)
    return file.tensors, file.config, file.training["history"]


def assert_equal_models(one, other):
    (tensors, config, history), (tensors_too, config_too, history_too) = map(results, (one, other))
    assert history == history_too
    assert config == config_too
    assert all(torch.equal(tensors[name], tensors_too[name]) for name in tensors)


def test_it_learns_what_naive_forecasts_cannot_know(tmp_path):
    """A season on a steep trend: the seasonal naive is a season behind, Naive2 never rises."""
    path = tmp_path / "series.csv"
    frame = long_frame(
        **{f"S{k}": seasonal(150, trend=0.5 + 0.1 * k, noise=0.05, seed=k) for k in range(6)}
    )
    frame.write_csv(path)
    output = tmp_path / "model.safetensors"
    train_forecast(path, output, small(hidden=32, steps=300, validate_every=50, learning_rate=0.01))
    model = gw.load(output)
    found = model.backtest().accuracy
    assert model.best == "network"
    assert found["network"].mase < 0.5 * found["seasonal naive"].mase
    assert found["network"].owa < 0.5
    # series that it never met, ten thousand times as large
    new = long_frame(X=1e4 * seasonal(100, trend=0.8, noise=0.05, seed=77))
    unseen = model.backtest(new).accuracy
    assert unseen["network"].mase < 0.5 * unseen["seasonal naive"].mase
    beside = ["model-forecast.png", "model.html", "model.md", "model.safetensors"]
    assert sorted(os.listdir(tmp_path)) == [*beside, "series.csv"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cell": "peephole", "decoding": "direct"},
        {"decoding": "recursive", "loss": "mse", "scaling": "mean"},
        {"scaling": "none", "anchor": "none", "layers": 2},
    ],
)
def test_a_killed_run_that_goes_on_equals_one_that_was_not(panel, tmp_path, changes):
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_forecast(panel, straight, small(**changes))
    torch.manual_seed(99)  # what the caller did before must not matter
    for seconds, step in [(1e9, 5), (1e9, 14), (0, 20), (0, 23)]:
        with pytest.raises(KilledError):
            train_forecast(
                panel, broken, small(**changes), checkpoint_seconds=seconds, display=KillAt(step)
            )
    train_forecast(panel, broken, small(**changes))
    assert_equal_models(straight, broken)


def test_seeds_matter(panel, tmp_path):
    for seed in (0, 1):
        train_forecast(panel, tmp_path / f"{seed}.safetensors", small(seed=seed, steps=10))
    assert results(tmp_path / "0.safetensors")[2] != results(tmp_path / "1.safetensors")[2]


def test_the_windows_learned_from_end_before_validation_and_test(panel, tmp_path):
    display = KeepTask()
    train_forecast(panel, tmp_path / "m.safetensors", small(steps=1), display=display)
    task = display.run.task
    every = task._moments(np.arange(task.total))
    assert len(set(zip(every.rows.tolist(), every.steps.tolist(), strict=True))) == task.total
    ends = display.run.task.split.training[every.rows]
    assert (every.steps + 7 <= ends).all()
    assert (task.moments.steps >= display.run.task.split.training[task.moments.rows]).all()
    validation = display.run.task.split.validation[task.moments.rows]
    assert (task.moments.steps + 7 <= validation).all()


def test_the_test_part_changes_nothing_of_the_model(tmp_path):
    values = seasonal(120)
    models = []
    for name, last in (("a", values[96:]), ("b", -values[96:])):
        path = tmp_path / f"{name}.csv"
        long_frame(S=[*values[:96], *last]).write_csv(path)
        train_forecast(path, tmp_path / f"{name}.safetensors", small(test=24))
        models.append(results(tmp_path / f"{name}.safetensors"))
    assert models[0][1:] == models[1][1:]
    assert all(torch.equal(models[0][0][k], models[1][0][k]) for k in models[0][0])


def test_covariates_and_several_targets_are_learned_from(tmp_path):
    """What is known in advance decides the value: only a network that reads it can tell."""
    draw = np.random.default_rng(0)
    promo = draw.integers(0, 2, size=160)
    frame = long_frame(S=10 + 5 * promo + 0.1 * draw.normal(size=160)).with_columns(
        promo=pl.Series(promo), kind=pl.lit("shop"), z=pl.Series(20 + 5.0 * promo)
    )
    settings = small(
        targets=("y", "z"),
        known=("promo",),
        static=("kind",),
        steps=250,
        learning_rate=0.01,
        hidden=24,
        segment=1,
        scaling="standard",
        anchor="none",
        dropout=0.0,
    )
    train_forecast(frame, tmp_path / "m.safetensors", settings)
    model = gw.load(tmp_path / "m.safetensors")
    assert model.backtest(frame).accuracy["network"].mase < 0.4
    with pytest.raises(DataError, match="'promo' of series 'S' has no value at 2020-06-09, but"):
        model.forecast(frame)
    ahead = (
        long_frame(S=[None] * 167)
        .slice(160)
        .with_columns(
            promo=pl.Series([0, 1, 0, 1, 0, 1, 0]), kind=pl.lit("shop"), z=pl.lit(None, pl.Float64)
        )
    )
    found = model.forecast(pl.concat([frame, ahead.select(frame.columns)], how="vertical_relaxed"))
    assert found.columns == ["unique_id", "ds", "y", "y_0.1", "y_0.9", "z", "z_0.1", "z_0.9"]
    assert (found["y"].to_numpy() > 12.5).tolist() == [False, True] * 3 + [False]


def test_forecasts_of_other_methods_are_at_hand(panel, tmp_path):
    train_forecast(panel, tmp_path / "m.safetensors", small(steps=10))
    model = gw.load(tmp_path / "m.safetensors")
    found = model.forecast(method="naive")
    last = pl.read_csv(panel).filter(pl.col("unique_id") == "B")["y"][-1]
    assert np.allclose(found.filter(pl.col("unique_id") == "B")["y"], last)
    for quantile in ("y_0.1", "y_0.9"):
        assert found[quantile].is_finite().all()
    network, naive2, blend = (
        model.forecast(method=name)["y"].to_numpy() for name in ("network", "Naive2", "blend")
    )
    assert np.allclose(blend, (network + naive2) / 2)
    assert (found["y_0.1"] <= found["y"]).all()
    with pytest.raises(ValueError, match="'best' is none of network, blend"):
        model.forecast(method="best")


def test_frames_are_learned_from_too(panel, tmp_path):
    frame = pl.read_csv(panel)
    train_forecast(frame, tmp_path / "m.safetensors", small(steps=5))
    model = gw.load(tmp_path / "m.safetensors")
    with pytest.raises(DataError, match="not there any more"):
        model.forecast()
    assert len(model.forecast(frame)) == 3 * 7


@pytest.mark.parametrize("as_frame", [False, True])
def test_the_data_of_training_is_tested_on_the_part_that_was_kept(panel, tmp_path, as_frame):
    data = pl.read_csv(panel) if as_frame else panel
    train_forecast(data, tmp_path / "m.safetensors", small(steps=5, test=20))
    model = gw.load(tmp_path / "m.safetensors")
    assert model.backtest(data).origins == 3 * (20 - 7 + 1)
    assert model.backtest(data, test=9, stride=2).origins == 3 * 2
    assert model.backtest(long_frame(Z=seasonal(100)), test=30).origins == 24


def test_a_stopped_run_goes_on_only_with_the_same_command_and_data(panel, tmp_path):
    output = tmp_path / "m.safetensors"

    class Stop(Display):
        def stepped(self, progress, loss, spent):
            if progress.step == 12:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped):
        train_forecast(panel, output, small(), display=Stop())
    with pytest.raises(RunError, match="--horizon was 7, now 8"):
        train_forecast(panel, output, small(horizon=8))
    panel.write_text(panel.read_text().replace("2020-01-01", "2020-01-01"))
    assert train_forecast(panel, output, small()).step == 30
    with pytest.raises(RunError, match="exists already"):
        train_forecast(panel, output, small())
    assert train_forecast(panel, output, small(steps=3), restart=True).step == 3


@pytest.mark.parametrize(
    ("steps", "changes", "message"),
    [
        (8, {}, "no series keeps 8 steps|too few|long enough"),
        (60, {"horizon": 50}, "long enough|no series keeps"),
        (60, {"known": ("promo",)}, "--known promo: no such column"),
        (60, {"lookback": 7, "anchor": "seasonal", "season": 9}, "does not reach back"),
        (60, {"frequency": "fortnight"}, "--frequency fortnight"),
        (60, {"cell": "nothing"}, "nothing"),
    ],
)
def test_what_cannot_be_learned_leaves_nothing_behind(tmp_path, steps, changes, message):
    frame = long_frame(A=seasonal(steps))
    with pytest.raises((ValueError, KeyError), match=message):
        train_forecast(frame, tmp_path / "m.safetensors", small(**changes))
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_whole_files_and_goes_on(panel, tmp_path):
    output = tmp_path / "m.safetensors"
    arguments = f"{str(panel)!r}, {str(output)!r}, ForecastSettings(horizon=7, hidden=8, minutes=5)"
    code = (
        "from gatewise.training.forecast.training import *\n"
        f"train_forecast({arguments}, checkpoint_seconds=0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 240
    while not output.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gw.load(output)
    assert (tmp_path / "m.run" / "checkpoint.safetensors").exists()

    class Resumed(Display):
        def started(self, run):
            self.step = run.progress.step
            raise KilledError

    display = Resumed()
    settings = ForecastSettings(horizon=7, hidden=8, minutes=5)
    with pytest.raises(KilledError):
        train_forecast(panel, output, settings, display=display)
    assert display.step > 0


def test_a_single_value_is_forecast_at_the_steps_that_the_model_learned(panel, tmp_path):
    train_forecast(panel, tmp_path / "m.safetensors", small(steps=5))
    model = gw.load(tmp_path / "m.safetensors")
    series = model.read(long_frame(Z=[5.0]))
    assert any("a single time tells no step: day is taken" in said for said in series.said)
    found = model.forecast(series, method="naive")
    assert found["ds"].cast(pl.String).to_list()[::6] == ["2020-01-02", "2020-01-08"]
    assert np.allclose(found["y"], 5.0)
