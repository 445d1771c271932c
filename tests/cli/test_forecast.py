import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import gatewise as gw
from gatewise.cli import build_app
from gatewise.training.forecast.report import report_forecast
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.forecast.training import train_forecast
from gatewise.training.model_file import read_model_file, write_model_file
from tests.frames import long_frame, seasonal


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with `panel.csv` and the model that was trained on it by the command line."""
    folder = tmp_path_factory.mktemp("forecast")
    long_frame(A=seasonal(120), B=1000 * seasonal(90, seed=1)).write_csv(folder / "panel.csv")
    result = run(
        "train",
        "forecast",
        folder / "panel.csv",
        "--horizon",
        7,
        "--hidden",
        12,
        "--steps",
        60,
        "--validate-every",
        20,
        "--device",
        "cpu",
        "-o",
        folder / "model.safetensors",
    )
    assert result.exit_code == 0, result.output
    return folder, result.output


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


def test_training_says_what_it_guessed_and_what_naive_forecasts_are_worth(trained):
    folder, output = trained
    for said in ("2 series, y: 210 steps", "told apart by column 'unique_id'", "a step is 1 day"):
        assert said in output
    for name in ("naive", "seasonal naive", "Naive2"):
        assert re.search(rf"{name} +\d+\.\d\d +\d+\.\d\d\d +\d\.\d\d\d", output)
    assert output.count("best") >= 1
    assert "In the test its MASE is" in output
    assert {path.name for path in folder.iterdir()} >= {
        "model.safetensors",
        "model.md",
        "model.html",
        "model-forecast.png",
    }


def test_the_report_has_tables_coverage_and_a_picture(trained):
    folder, _ = trained
    text = (folder / "model.md").read_text()
    assert text.count("| Naive2 |") == 2  # validation and test
    assert "should hold 80%" in text
    assert "![History, forecast and interval](model-forecast.png)" in text
    assert (folder / "model-forecast.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "model.html").read_text()
    assert "<td>Naive2</td>" in page
    assert "data:image/png;base64," in page


def test_forecasts_are_written_and_drawn(trained, tmp_path):
    folder, _ = trained
    result = run(
        "forecast",
        folder / "model.safetensors",
        "-o",
        tmp_path / "out.csv",
        "--plot",
        tmp_path / "out.png",
    )
    assert result.exit_code == 0, result.output
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["unique_id", "ds", "y", "y_0.1", "y_0.9"]
    assert found["ds"][0] == "2020-04-30"  # the day behind the last one of A
    assert found["ds"][7] == "2020-03-31"
    assert len(found) == 14
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert "as validation decided; MASE in validation: network" in result.output


def test_other_data_with_other_names_is_forecast(trained, tmp_path):
    folder, _ = trained
    other = tmp_path / "other.csv"
    frame = pl.DataFrame(
        {
            "Date": pl.date_range(pl.date(2021, 1, 1), pl.date(2021, 3, 1), eager=True),
            "Sales": seasonal(60, seed=9),
        }
    )
    frame.write_csv(other)
    result = run("forecast", folder / "model.safetensors", other, "-o", tmp_path / "out.parquet")
    assert result.exit_code == 0, result.output
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.columns == ["Date", "Sales", "Sales_0.1", "Sales_0.9"]
    printed = run("forecast", folder / "model.safetensors", other, "--method", "Naive2")
    assert printed.output.startswith("Date,Sales,Sales_0.1,Sales_0.9\n2021-03-02,")
    assert "forecast by Naive2, as asked" in printed.output


def test_forecasts_of_hours_have_a_clock_without_parts_of_a_second(trained, tmp_path):
    folder, _ = trained
    hours = pl.datetime_range(pl.datetime(2021, 1, 1), pl.datetime(2021, 1, 5), "1h", eager=True)
    frame = pl.DataFrame({"hour": hours, "load": seasonal(len(hours), seed=3)})
    frame.write_csv(tmp_path / "load.csv")
    model, out = folder / "model.safetensors", tmp_path / "out.csv"
    assert run("forecast", model, tmp_path / "load.csv", "-o", out).exit_code == 0
    assert out.read_text().splitlines()[1].startswith("2021-01-05T01:00:00,")
    printed = run("forecast", model, tmp_path / "load.csv").output
    assert "\n2021-01-05T01:00:00," in printed


def test_local_times_are_read_saved_and_written_with_their_offset(tmp_path):
    moments = pl.datetime_range(
        pl.datetime(2024, 10, 14), pl.datetime(2024, 10, 26, 23), "1h", time_zone="UTC", eager=True
    )
    clock = moments.dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)
    values = seasonal(len(moments), season=24)
    path, model, out = (tmp_path / name for name in ("load.csv", "m.safetensors", "out.csv"))
    pl.DataFrame({"ds": clock.dt.to_string("%Y-%m-%d %H:%M"), "y": values}).write_csv(path)
    options = ("--horizon", 4, "--steps", 2, "--hidden", 4, "--device", "cpu", "-o", model)
    trained = run("train", "forecast", path, "--time-zone", "Europe/Berlin", *options)
    assert trained.exit_code == 0, trained.output
    said = "times are those of Europe/Berlin, daylight saving included"
    assert said in trained.output
    assert said[1:] in model.with_suffix(".md").read_text()
    assert run("forecast", model, "-o", out, "--plot", tmp_path / "o.png").exit_code == 0
    written = [line.split(",")[0] for line in out.read_text().splitlines()]
    assert written[1:] == [
        f"2024-10-27T0{hour}:00:00+0{offset}:00"
        for hour, offset in ((2, 2), (2, 1), (3, 1), (4, 1))
    ]
    found = gw.load(model).forecast(path)
    assert found["ds"].dtype == pl.Datetime("us", "Europe/Berlin")
    other = run("forecast", model, path, "--time-zone", "America/New_York")
    assert "\n2024-10-27T02:00:00-04:00," in other.output
    wrong = run("forecast", model, path, "--time-zone", "Berlin")
    assert wrong.exit_code == 1
    assert "--time-zone Berlin: no such zone (did you mean Europe/Berlin?)" in wrong.output


def test_the_terminal_shows_eight_digits_of_large_and_small_numbers(trained, tmp_path):
    folder, _ = trained
    for size in (1e-12, 1e12):
        long_frame(Z=size * seasonal(60)).write_csv(tmp_path / "z.csv")
        shown = run(
            "forecast", folder / "model.safetensors", tmp_path / "z.csv", "--method", "naive"
        )
        first = shown.output.splitlines()[1].split(",")[2]
        assert float(first) == pytest.approx(size * seasonal(60)[-1], rel=1e-7)
        assert len(first.partition("e")[0].replace(".", "").rstrip("0")) <= 8


def test_backtests_of_met_and_unmet_series(trained, tmp_path):
    folder, _ = trained
    met = run("backtest", folder / "model.safetensors")
    assert met.exit_code == 0, met.output
    assert "| Naive2 |" in met.output
    assert "forecasts of 7 steps in 2 series, 1 step apart" in met.output
    long_frame(Z=seasonal(50, seed=4)).write_csv(tmp_path / "new.csv")
    options = ("--test", 20, "--stride", 3)
    new = run("backtest", folder / "model.safetensors", tmp_path / "new.csv", *options)
    assert "5 forecasts of 7 steps in 1 series, 3 steps apart" in new.output


def test_series_whose_future_is_not_told_are_named_and_the_others_forecast(tmp_path):
    promo = [k % 3 == 0 for k in range(67)]
    rows = long_frame(A=[*seasonal(60), *[None] * 7], B=[*seasonal(60, seed=1), *[None] * 7])
    table = rows.with_columns(promo=pl.Series([int(each) for each in promo * 2]))
    path, model = tmp_path / "panel.csv", tmp_path / "model.safetensors"
    table.write_csv(path)
    settings = ForecastSettings(horizon=7, hidden=4, steps=2, known=("promo",), device="cpu")
    train_forecast(path, model, settings)
    untold = (pl.col("unique_id") == "B") & (pl.col("ds") == pl.date(2020, 3, 3))
    gap = table.with_columns(promo=pl.when(~untold).then("promo"))
    gap.write_csv(path)
    result = run("forecast", model, path, "-o", tmp_path / "out.csv", "--plot", tmp_path / "o.png")
    assert result.exit_code == 3, result.output
    assert (
        "not forecast: covariate 'promo' of series 'B' has no value at 2020-03-03" in result.output
    )
    assert pl.read_csv(tmp_path / "out.csv")["unique_id"].to_list() == ["A"] * 7
    with pytest.warns(UserWarning, match="not forecast: covariate 'promo' of series 'B'"):
        assert len(gw.load(model).forecast(path)) == 7
    gap.filter(pl.col("unique_id") == "B").write_csv(path)
    alone = run("forecast", model, path, "-o", tmp_path / "alone.csv")
    assert alone.exit_code == 1
    assert alone.output.startswith("Error: covariate 'promo' of series 'B' has no value")
    assert not (tmp_path / "alone.csv").exists()


def test_a_repeated_time_leaves_its_series_out_unless_a_rule_says_what_counts(trained, tmp_path):
    folder, _ = trained
    model, path, out = folder / "model.safetensors", tmp_path / "panel.csv", tmp_path / "out.csv"
    table = long_frame(A=seasonal(60), B=seasonal(60, seed=1), C=seasonal(60, seed=2))
    pl.concat([table, long_frame(B=[1.0])]).write_csv(path)
    result = run("forecast", model, path, "-o", out)
    assert result.exit_code == 3, result.output
    assert "row 182: series 'B' has this time already in row 62: the series is" in result.output
    assert pl.read_csv(out)["unique_id"].unique(maintain_order=True).to_list() == ["A", "C"]
    with pytest.warns(UserWarning, match="series 'B' has this time already"):
        assert len(gw.load(model).forecast(path)) == 14
    ruled = run("forecast", model, path, "-o", out, "--repeated", "last")
    assert ruled.exit_code == 0, ruled.output
    assert "1 row repeats the time of another row of the series: their last counts" in ruled.output
    assert len(pl.read_csv(out)) == 21
    backtest = run("backtest", model, path, "--repeated", "sum")
    assert "in 3 series" in backtest.output
    fewer = run("backtest", model, path)
    assert "in 2 series" in fewer.output
    assert "Warning: row 182: series 'B' has this time already" in fewer.output


def test_counts_are_not_forecast_below_zero_unless_asked_for(tmp_path):
    few = np.random.default_rng(0).poisson(0.6, size=120)
    few[-20:] = np.arange(20, 0, -1)  # a trend that leads below zero
    path, model = tmp_path / "few.csv", tmp_path / "model.safetensors"
    long_frame(A=few.tolist(), B=(3 * few).tolist()).write_csv(path)
    options = ("--horizon", 10, "--steps", 2, "--hidden", 4, "--device", "cpu", "-o", model)
    result = run("train", "forecast", path, *options)
    assert result.exit_code == 0, result.output
    assert "forecasts of y do not fall below 0" in result.output
    assert "Forecasts of y do not fall below 0" in (tmp_path / "model.md").read_text()

    def least(*options):
        out = tmp_path / "out.csv"
        told = run("forecast", model, "--method", "naive", "-o", out, *options)
        assert told.exit_code == 0, told.output
        return pl.read_csv(out)["y_0.1"].min()

    assert least() == 0
    assert least("--minimum", "none") < 0
    assert least("--minimum", 0.5) == 0.5


def test_a_model_file_of_before_there_was_a_minimum_has_none(trained, tmp_path):
    folder, _ = trained
    file = read_model_file(folder / "model.safetensors")
    config = {k: v for k, v in file.config.items() if k not in ("minimum", "minimums")}
    path = tmp_path / "older.safetensors"
    write_model_file(path, replace(file, config=config))
    report, _ = report_forecast(path, folder / "panel.csv")
    assert "orecasts may take any value; --minimum says otherwise" in report.read_text()
    newer = gw.load(folder / "model.safetensors").forecast(folder / "panel.csv", minimum="none")
    assert gw.load(path).forecast(folder / "panel.csv").equals(newer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "best"], "'best' is none of network"),
        (["--minimum", "zero"], "minimum: 'zero' is neither a number nor none"),
        (["--plot", "out.jpg"], "a picture is called something.png"),
        (["-o", "out.xlsx"], "forecasts are written as .csv or .parquet"),
        (["--time", "when"], "--time when: no such column"),
        (["--target", "z"], "--target z: no such column"),
        (["nothing.csv"], "no such file"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(trained, tmp_path, monkeypatch, options, message):
    folder, _ = trained
    monkeypatch.chdir(tmp_path)
    result = run("forecast", folder / "model.safetensors", *options)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ds,y\n2020-01-01,1\n2020-01-02,?0.2\n", [], "row 3, column 'y': '?0.2' is no number"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", [], "no series keeps"),
        ("", [], "the file is empty"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", ["--quantile", "0.2"], "in pairs"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", ["-o", "model.csv"], "something.safetensors"),
        ("ds,y\n2020-01-01,1\n2020-01-02,2\n", ["--cell", "nothing"], "nothing"),
    ],
)
def test_bad_input_leaves_nothing_behind(tmp_path, monkeypatch, text, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(text)
    result = run("train", "forecast", "data.csv", *options)
    assert result.exit_code == 1
    assert message in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_a_model_of_another_task_is_refused(tmp_path, monkeypatch):
    from gatewise.training.text.settings import TextSettings
    from gatewise.training.text.training import train_text

    (tmp_path / "text.txt").write_text("ab " * 400)
    settings = TextSettings(hidden=4, embedding=4, steps=2, batch_size=2, window=8, device="cpu")
    train_text([tmp_path / "text.txt"], tmp_path / "text.safetensors", settings)
    result = run("forecast", tmp_path / "text.safetensors")
    assert result.exit_code == 1
    assert "a language model, not a model of series" in " ".join(result.output.split())


def test_where_a_naive_forecast_is_better_it_is_said_and_used(tmp_path, monkeypatch):
    """A step that nothing foretells: after it, only the last value is right."""
    monkeypatch.chdir(tmp_path)
    values = [0.0, 1.0] * 60
    values[-14:] = [float(k) for k in range(50, 64)]
    frame = long_frame(A=values)
    settings = ForecastSettings(
        horizon=7,
        steps=20,
        validate_every=20,
        validation=14,
        test=0,
        anchor="none",
        scaling="none",
        hidden=4,
        device="cpu",
    )
    frame.write_csv("step.csv")
    train_forecast("step.csv", "model.safetensors", settings)
    result = run("forecast", "model.safetensors")
    assert result.exit_code == 0, result.output
    assert "forecast by naive, as validation decided" in result.output
