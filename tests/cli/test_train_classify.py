import os
from inspect import signature

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import gatewise as gw
from gatewise.cli import build_app

SMALL = ["--hidden", "8", "--embedding", "6", "--steps", "50", "--validate-every", "25"]
SMALL += ["--learning-rate", "0.03", "--device", "cpu", "--threads", "1"]
REPORT = ["m.calibration.png", "m.confusion.png", "m.course.png", "m.html", "m.md"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command line in a folder with `data.csv`."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{'a fine' if k % 2 else 'a bad'} film {k},{k % 2}" for k in range(80)]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n")

    def invoke(*arguments):
        return CliRunner().invoke(build_app(), [str(each) for each in arguments])

    return invoke


def train(run, *arguments):
    result = run("train", "classify", "data.csv", "-o", "m.safetensors", *SMALL, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_one_command_makes_a_model_and_a_report(run, tmp_path):
    output = train(run, "--test", "data.csv")
    assert "each row is a text: input text; label label" in output
    assert "classes   2: 0, 1" in output
    assert "72 for training, 8 for validation, 80 for test" in output
    assert "Done in" in output
    assert "accuracy" in output
    assert "gatewise predict m.safetensors DATA" in output
    assert sorted(os.listdir(tmp_path)) == sorted([*REPORT, "data.csv", "m.safetensors"])
    report = (tmp_path / "m.html").read_text()
    assert report.count("data:image/png;base64") == 3
    assert "How sure it is" in report
    assert "| accuracy |" in (tmp_path / "m.md").read_text()


def test_the_options_are_those_of_the_settings_and_roles():
    from gatewise.cli.train_classify import classify
    from gatewise.data.labelled.examples import Roles
    from gatewise.training.classification.settings import ClassificationSettings

    command, settings, roles = signature(classify).parameters, ClassificationSettings(), Roles()
    for name in ClassificationSettings.__dataclass_fields__:
        assert command[name].default == getattr(settings, name), name
    for name in Roles.__dataclass_fields__:
        assert (command[name].default or None) == (getattr(roles, name) or None), name


def test_every_option_reaches_the_model(run):
    options = {
        "--cell": "gru",
        "--hidden": "9",
        "--layers": "2",
        "--embedding": "7",
        "--pooling": "mean",
        "--dropout": "0.15",
        "--word-dropout": "0.05",
        "--optimizer": "rmsprop",
        "--learning-rate": "0.003",
        "--batch-size": "3",
        "--clip": "0.7",
        "--clip-value": "0.5",
        "--epochs": "1",
        "--steps": "12",
        "--minutes": "2.5",
        "--validate-every": "6",
        "--patience": "4",
        "--seed": "5",
        "--tokens": "words",
        "--vocabulary-size": "12",
        "--minimum-count": "3",
        "--longest": "5",
        "--monitor": "loss",
        "--target": "ordinal",
        "--order": "1,0",
        "--validation-fraction": "0.25",
        "--device": "cpu",
    }
    flat = [each for pair in options.items() for each in pair]
    flat += ["--balance", "--one-way", "--keep-case", "--input", "text", "--label", "label"]
    result = run("train", "classify", "data.csv", "-o", "m.safetensors", *flat)
    assert result.exit_code == 0, result.output
    model = gw.load("m.safetensors")
    settings = {"cell": model.config["cell"]["name"], **model.training["settings"]}
    for option, value in options.items():
        assert str(settings[option[2:].replace("-", "_")]) in (value, f"{value}.0"), option
    assert settings["balance"]
    assert settings["one_way"]
    assert settings["keep_case"]
    assert model.classes == ["1", "0"]
    assert model.features.tokenizer.size == 5  # a, bad, film, fine and <unk>
    assert not model.features.lower
    assert model.model.members[0].recurrent.num_layers == 2
    assert not model.model.members[0].recurrent.bidirectional


def test_predictions_are_written_with_probabilities(run, tmp_path):
    train(run)
    for ending, read in ((".csv", pl.read_csv), (".parquet", pl.read_parquet)):
        result = run("predict", "m.safetensors", "data.csv", "-o", f"out{ending}")
        assert result.exit_code == 0, result.output
        assert "80 examples labelled" in result.stderr
        assert "80 of 80 labels are right (100.00%)" in result.stderr
        frame = read(tmp_path / f"out{ending}")
        assert frame.columns == ["row", "label", "prediction", "p(0)", "p(1)"]
        assert frame["row"].to_list() == list(range(2, 82))
        np.testing.assert_allclose(frame["p(0)"] + frame["p(1)"], 1, atol=2e-6)
    for ending in (".tsv", ".jsonl"):
        assert run("predict", "m.safetensors", "data.csv", "-o", f"out{ending}").exit_code == 0
    assert len(pl.read_ndjson(tmp_path / "out.jsonl")) == 80
    assert len(pl.read_csv(tmp_path / "out.tsv", separator="\t")) == 80


def test_data_without_labels_is_labelled_on_the_terminal(run, tmp_path):
    train(run)
    (tmp_path / "new.csv").write_text("number,text\n1,fine\n2,a bad one\n")
    result = run("predict", "m.safetensors", "new.csv")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "row,prediction,p(0),p(1)"
    assert [line.split(",")[1] for line in lines[1:]] == ["1", "0"]
    (tmp_path / "new.txt").write_text("fine\na bad one\nbad\n")
    result = run("predict", "m.safetensors", "new.txt")
    assert [line.split(",")[1] for line in result.stdout.splitlines()[1:]] == ["1", "0", "0"]


def test_texts_of_a_folder_are_called_by_their_files(run, tmp_path):
    train(run)
    for name, text in (
        ("1/old.txt", "a fine\nfilm"),
        ("0/new.txt", "a bad film"),
        ("0/no.txt", ""),
    ):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    result = run("predict", "m.safetensors", "texts")
    assert "2 of 2 labels are right" in result.stderr
    lines = [line.split(",")[:3] for line in result.stdout.splitlines()]
    assert lines == [
        ["file", "label", "prediction"],
        ["0/new.txt", "0", "0"],
        ["1/old.txt", "1", "1"],
    ]
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "new.txt").write_text("a bad film\na fine film\n")
    result = run("predict", "m.safetensors", "flat")
    assert "new.txt:2,new,1," in result.stdout
    assert "none of the labels in flat is a class of the model" in result.stderr


def test_sequences_are_called_as_the_table_calls_them(run, tmp_path):
    steps = [(f"unit {k}", t, k % 2 + t / 9, "ab"[k % 2]) for k in range(30) for t in range(4)]
    frame = pl.DataFrame(steps, ["sensor", "time", "x", "label"], orient="row")
    frame.write_csv(tmp_path / "steps.csv")
    known = ["--id", "sensor", "--input", "x", "--time", "time"]
    few = ["--hidden", "4", "--steps", "2", "--threads", "1"]
    trained = run("train", "classify", "steps.csv", "-o", "s.safetensors", *known, *few)
    assert trained.exit_code == 0, trained.output
    frame.sort("time", descending=True).drop("label").write_csv(tmp_path / "new.csv")
    assert run("predict", "s.safetensors", "new.csv", "-o", "out.csv").exit_code == 0
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["sensor", "prediction", "p(a)", "p(b)"]
    assert found["sensor"].to_list() == [f"unit {k}" for k in range(30)]


def test_numbers_are_predicted(run, tmp_path):
    rows = [f"{k},{t},{k * t / 10},{k}" for k in range(40) for t in range(4)]
    (tmp_path / "n.csv").write_text("\n".join(["id,time,v,size", *rows]) + "\n")
    options = ["--target", "regression", "--label", "size", *SMALL, "-o", "n.safetensors"]
    result = run("train", "classify", "n.csv", *options)
    assert result.exit_code == 0, result.output
    assert "mean absolute error" in result.output
    result = run("predict", "n.safetensors", "n.csv", "-o", "out.csv")
    assert "mean absolute error" in result.stderr
    assert pl.read_csv(tmp_path / "out.csv").columns == ["id", "label", "prediction"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv: no such file"),
        (["data.csv", "--label", "lable"], "did you mean 'label'"),
        (["data.csv", "--test", "gone.csv"], "gone.csv: no such file"),
        (["data.csv", "--vectors", "gone.txt"], "--vectors gone.txt: no such file"),
        (["data.csv", "--freeze-vectors"], "--freeze-vectors needs --vectors"),
        (["data.csv", "--cell", "tesla"], "no cell is called 'tesla'"),
        (["data.csv", "--cell", "cfc"], "reads x, dt at every step"),
        (["data.csv", "--pooling", "median"], "none of last, mean, max, attention"),
        (["data.csv", "--target", "regression", "--balance"], "no classes to balance"),
        (["data.csv", "--scan", "columns"], "none of pixels, rows"),
        (["data.csv", "-o", "model.bin"], "something.safetensors"),
        (["data.csv", "-o", "data.csv"], "something.safetensors"),
        (["bad.csv"], "row 3, column 'a': '?0.2' is no number"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(run, tmp_path, arguments, message):
    (tmp_path / "bad.csv").write_text("a,b,label\n1,2,x\n?0.2,3,y\n4,5,y\n")
    before = sorted(os.listdir(tmp_path))
    result = run("train", "classify", *arguments)
    assert result.exit_code == 1, result.output
    assert message in result.stderr.replace("\n", " ")
    assert result.stderr.startswith("Error: ")
    assert sorted(os.listdir(tmp_path)) == before


BAD_PREDICTIONS = [
    (["gone.safetensors", "data.csv"], "gone.safetensors: no such file"),
    (["m.safetensors", "gone.csv"], "gone.csv: no such file"),
    (["m.safetensors", "other.csv"], "--input text: no such column"),
    (["m.safetensors", "data.csv", "-o", "out.xlsx"], ".csv, .tsv, .jsonl, .parquet"),
    (["m.safetensors", "data.csv", "-o", "no/out.csv"], "not a file in a folder that exists"),
    (["m.safetensors", "cut.jsonl", "-o", "out.csv"], "row 2 is not JSON"),
]


def test_bad_predictions_write_nothing(run, tmp_path):
    train(run)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "cut.jsonl").write_text('{"text": "a", "label": "1"}\n{"text"\n')
    before = sorted(os.listdir(tmp_path))
    for arguments, message in BAD_PREDICTIONS:
        result = run("predict", *arguments)
        assert result.exit_code == 1, result.output
        assert message in result.stderr.replace("\n", " ")
        assert sorted(os.listdir(tmp_path)) == before


def test_a_language_model_is_no_classifier(run, tmp_path):
    (tmp_path / "t.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 20)
    short = ["--hidden", "8", "--steps", "2", "--device", "cpu", "-o", "t.safetensors"]
    assert run("train", "text", "t.txt", *short).exit_code == 0
    result = run("predict", "t.safetensors", "data.csv")
    assert result.exit_code == 1
    assert "a language model, not a classifier; `gatewise generate` uses it" in result.stderr
    train(run)
    result = run("generate", "m.safetensors")
    assert "a classifier, not a language model; `gatewise predict` uses it" in result.stderr
