"""Training classifiers, from data to the model file: what comes out, and going on after a kill."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch

import gatewise as gw
from gatewise.data.labelled.examples import Roles
from gatewise.data.source import DataError
from gatewise.explorer import export
from gatewise.training.checkpoint import RunError
from gatewise.training.classification.model import Classifier
from gatewise.training.classification.report import compare
from gatewise.training.classification.settings import ClassificationSettings
from gatewise.training.classification.training import train_classifier
from gatewise.training.model_file import read_model_file, write_model_file
from gatewise.training.plan import Display, Stopped
from gatewise.training.prediction_file import write_predictions

SMALL = {"hidden": 12, "embedding": 8, "steps": 60, "validate_every": 20, "device": "cpu"}


def settings(**changes):
    return ClassificationSettings(**(SMALL | changes))


@pytest.fixture
def reviews(tmp_path):
    """Texts whose label is plain from one of their words."""
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for k in range(240):
        words = rng.choice(["the", "film", "was", "a", "day", "and", "it"], rng.integers(3, 9))
        place = rng.integers(len(words))
        words[place] = ["bad", "fine"][k % 2]
        rows.append(f"{' '.join(words)},{['no', 'yes'][k % 2]}")
    (tmp_path / "reviews.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "reviews.csv"


@pytest.fixture
def waves(tmp_path):
    """Two channels of different length; the class is the sign of the first channel's slope."""
    rng = np.random.default_rng(0)
    lines = ["@dimensions 2", "@classLabel true down up", "@data"]
    for k in range(160):
        steps = rng.integers(5, 15)
        rise = np.linspace(0, 1, steps) * (1 if k % 2 else -1) + rng.normal(0, 0.1, steps)
        noise = rng.normal(50, 10, steps)
        channels = [",".join(f"{v:.4f}" for v in channel) for channel in (rise, noise)]
        lines.append(f"{':'.join(channels)}:{'up' if k % 2 else 'down'}")
    (tmp_path / "waves.ts").write_text("\n".join(lines) + "\n")
    return tmp_path / "waves.ts"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("tokens", ["words", "characters", "bpe"])
def test_texts_are_learned_and_labelled(reviews, tmp_path, tokens):
    options = {"tokens": tokens, "steps": 160, "learning_rate": 0.01}
    if tokens == "bpe":
        options["vocabulary_size"] = 300
    result = train_classifier(reviews, tmp_path / "m.safetensors", settings(**options))
    assert result.findings["validation"].figures["accuracy"] > 0.95
    model = gw.load(tmp_path / "m.safetensors")
    assert isinstance(model, Classifier)
    assert model.classes == ["no", "yes"]
    assert model.predict(["a fine day", "it was bad and a film"]) == ["yes", "no"]
    likely = model.probabilities(["a fine day", "bad"])
    assert likely.shape == (2, 2)
    np.testing.assert_allclose(likely.sum(1), 1, rtol=1e-5)
    found = model.evaluate(reviews).figures
    assert found["accuracy"] > 0.95
    expected = ["m.calibration.png", "m.confusion.png", "m.course.png", "m.html", "m.md"]
    assert files(tmp_path) == [*expected, "m.safetensors", "reviews.csv"]


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "pooling": "last"},
        {"cell": "peephole", "pooling": "attention", "one_way": True},
        {"cell": "sru", "layers": 2, "one_way": True, "balance": True, "monitor": "loss"},
    ],
)
def test_sequences_are_learned_with_any_cell(waves, tmp_path, options):
    result = train_classifier(
        waves,
        tmp_path / "m.safetensors",
        settings(steps=150, learning_rate=0.01, **options),
        test=waves,
    )
    assert result.findings["test"].figures["accuracy"] > 0.9
    model = gw.load(tmp_path / "m.safetensors")
    rising = np.stack([np.linspace(0, 1, 9), np.full(9, 50.0)], 1)
    assert model.predict([rising, -rising + [0, 100]]) == ["up", "down"]


def series_frame():
    rng = np.random.default_rng(0)
    rows = []
    for unit in range(80):
        life, wear = rng.integers(6, 12), rng.uniform(0.5, 1.5)
        rows += [(unit, t, wear * t, 100 - 10 * wear * life) for t in range(life)]
    return pl.DataFrame(rows, schema=["unit", "cycle", "wear", "left"], orient="row")


def test_a_number_is_learned(tmp_path):
    roles = Roles(input=("wear",), label="left", id="unit", time="cycle")
    chosen = settings(target="regression", steps=300, learning_rate=0.01, pooling="last")
    result = train_classifier(series_frame(), tmp_path / "m.safetensors", chosen, roles=roles)
    figures = result.findings["validation"].figures
    assert figures["r2"] > 0.9
    model = gw.load(tmp_path / "m.safetensors")
    found = model.predict(series_frame().drop("left").filter(pl.col("unit") < 3))
    assert len(found) == 3
    assert all(isinstance(each, float) for each in found)
    with pytest.raises(ValueError, match="predicts numbers"):
        model.probabilities(series_frame())


def test_ordered_classes_are_learned(tmp_path):
    sizes = ["small", "middle", "large"]
    rows = [(f"{'very ' * k} much", sizes[k]) for k in (0, 1, 2)] * 30
    frame = pl.DataFrame(rows, schema=["text", "label"], orient="row")
    chosen = settings(target="ordinal", order="small, middle,large", steps=200, learning_rate=0.02)
    result = train_classifier(frame, tmp_path / "m.safetensors", chosen)
    assert result.findings["validation"].figures["steps_off"] < 0.2
    model = gw.load(tmp_path / "m.safetensors")
    assert model.classes == sizes
    assert model.predict(["very very much"]) == ["large"]


def test_a_handful_of_words_is_learned_with_plain_words(tmp_path):
    (tmp_path / "w.txt").write_text("cat animal\nmat thing\nrat animal\n")
    result = train_classifier(
        tmp_path / "w.txt", tmp_path / "m.safetensors", settings(hidden=64, embedding=32, steps=60)
    )
    assert list(result.findings) == ["examples learned from"]
    model = gw.load(tmp_path / "m.safetensors")
    assert model.predict(["mat", "cat"]) == ["thing", "animal"]
    (tmp_path / "new.txt").write_text("mat\ncat\n")  # no labels this time, and no word beside them
    assert model.predict(tmp_path / "new.txt") == ["thing", "animal"]
    report = (tmp_path / "m.md").read_text()
    assert "too few to hold some back" in report
    assert "the figures say nothing about others" in report


def test_balance_helps_the_rare_class(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (400, 6, 1))
    y = np.zeros(400, int)
    y[:24] = 1
    x[:24] += 1.0
    np.savez(tmp_path / "a.npz", x=x, y=y)
    recalls = []
    for balance in (False, True):
        options = {"steps": 120, "monitor": "loss", "validation_fraction": 0.3}
        chosen = settings(balance=balance, learning_rate=0.005, **options)
        path = tmp_path / f"{balance}.safetensors"
        result = train_classifier(tmp_path / "a.npz", path, chosen)
        confusion = np.array(result.findings["validation"].confusion)
        recalls.append(confusion[1, 1] / confusion[1].sum())
    assert recalls[1] > recalls[0]


def test_as_right_as_the_usual_class_is_without_use():
    """146 of 150 in float32 is a little more than 146 / 150."""
    targets = SimpleNamespace(names=["rare", "usual"], kind="classes")
    task = SimpleNamespace(dataset=SimpleNamespace(targets=targets, spared=True))
    run = SimpleNamespace(task=task, settings=SimpleNamespace(balance=False))
    figures = {"accuracy": float(np.float32(146 / 150))}
    found = SimpleNamespace(figures=figures, confusion=[[0, 4], [0, 146]])
    told = compare(SimpleNamespace(run=run, findings={"validation": found}))
    assert "do not use it" in told
    assert "--balance" in told
    found.confusion = [[1, 3], [0, 146]]
    assert "do not use it" not in compare(SimpleNamespace(run=run, findings={"test": found}))


def test_a_model_without_use_is_called_so(tmp_path):
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "a.npz", x=rng.normal(size=(200, 4, 1)), y=np.arange(200) % 5 == 0)
    train_classifier(tmp_path / "a.npz", tmp_path / "m.safetensors", settings(steps=20))
    report = (tmp_path / "m.md").read_text()
    assert "Always saying 'False' would be right in 80.00% of the validation examples." in report
    assert "The model is no better than that: do not use it." in report
    y = rng.normal(size=200)
    np.savez(tmp_path / "b.npz", x=rng.normal(size=(200, 4, 1)), y=y)
    chosen = settings(target="regression", steps=100, learning_rate=0.03, validate_every=100)
    train_classifier(tmp_path / "b.npz", tmp_path / "n.safetensors", chosen)
    assert "Always saying the mean would be as good" in (tmp_path / "n.md").read_text()


def test_pretrained_vectors(reviews, tmp_path):
    (tmp_path / "v.txt").write_text("fine 1 2 3\nbad -1 -2 -3\nfilm 0 0 1\n")
    options = {"tokens": "words", "freeze_vectors": True, "steps": 20}
    output = tmp_path / "m.safetensors"
    result = train_classifier(reviews, output, settings(**options), vectors=tmp_path / "v.txt")
    assert any("words have a vector in v.txt" in said for said in result.run.task.dataset.said)
    model = gw.load(output)
    number = model.features.tokenizer.numbers["fine"]
    assert model.model.members[0].source.embedding.weight[number].tolist() == [1.0, 2.0, 3.0]
    letters = settings(tokens="characters")
    with pytest.raises(DataError, match="vectors are for --tokens words"):
        train_classifier(reviews, output, letters, vectors=tmp_path / "v.txt", restart=True)
    with pytest.raises(DataError, match="--freeze-vectors needs --vectors"):
        train_classifier(reviews, tmp_path / "n.safetensors", settings(freeze_vectors=True))


def weights(path):
    return gw.load(path).model.state_dict()


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_seed_decides_everything(reviews, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_classifier(reviews, tmp_path / f"{name}.safetensors", settings(seed=seed, steps=25))
    a, b, c = (weights(tmp_path / f"{name}.safetensors") for name in "abc")
    assert same(a, b)
    assert not same(a, c)


class StopAt(Display):
    """Sends this process the signal of Ctrl-C at a step."""

    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("step", [7, 33])
def test_a_stopped_run_goes_on_to_the_same_model(reviews, tmp_path, step):
    chosen = settings(dropout=0.3, word_dropout=0.1, steps=45)
    train_classifier(reviews, tmp_path / "straight.safetensors", chosen)
    output = tmp_path / "stopped.safetensors"
    with pytest.raises(Stopped):
        train_classifier(reviews, output, chosen, display=StopAt(step))
    result = train_classifier(reviews, output, chosen)
    assert same(weights(output), weights(tmp_path / "straight.safetensors"))
    assert len(result.progress.history) == 3
    assert not (tmp_path / "stopped.run").exists()


def test_an_unfinished_run_goes_on_only_with_the_same_settings_and_data(reviews, tmp_path):
    output = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        train_classifier(reviews, output, settings(), display=StopAt(5))
    with pytest.raises(RunError, match="--hidden was 12, now 9"):
        train_classifier(reviews, output, settings(hidden=9))
    reviews.write_text(reviews.read_text() + "a fine film,yes\n")
    with pytest.raises(RunError, match="has changed since"):
        train_classifier(reviews, output, settings())
    train_classifier(reviews, output, settings(), restart=True)


def test_a_run_that_ended_while_it_was_measured_is_measured_again(reviews, tmp_path, monkeypatch):
    from gatewise.training.classification import report as classification_report

    output = tmp_path / "m.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(classification_report, "write_report", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_classifier(reviews, output, settings(steps=20))
    assert (tmp_path / "m.run").exists()
    result = train_classifier(reviews, output, settings(steps=20))
    assert result.progress.step == 20
    assert (tmp_path / "m.html").exists()
    assert not (tmp_path / "m.run").exists()


def test_frames_are_the_same_data_when_a_run_goes_on(reviews, tmp_path):
    frame = pl.read_csv(reviews)
    output = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        train_classifier(frame, output, settings(), display=StopAt(5))
    with pytest.raises(RunError, match="has changed since"):
        train_classifier(frame.reverse(), output, settings())
    train_classifier(frame, output, settings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "colour"}, "target: 'colour' is none of classes, ordinal, regression"),
        ({"pooling": "median"}, "pooling: 'median' is none of"),
        ({"monitor": "f2"}, "monitor: 'f2' is none of accuracy, macro_f1, loss"),
        ({"hidden": 0}, "hidden is at least 1"),
        ({"dropout": 1.0}, "dropout lies from 0 to below 1"),
        ({"validation_fraction": 1.5}, "validation-fraction lies between 0 and 1"),
        ({"target": "regression", "balance": True}, "numbers have no classes to balance"),
        ({"target": "regression", "monitor": "accuracy"}, "numbers have no accuracy"),
        ({"order": "a,b"}, "order is for --target ordinal"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_a_cell_that_reads_more_than_x_is_refused_and_nothing_is_left(reviews, tmp_path):
    with pytest.raises(ValueError, match="reads x, "):
        train_classifier(reviews, tmp_path / "m.safetensors", settings(cell="cfc"))
    assert files(tmp_path) == ["reviews.csv"]


def test_data_of_another_kind_is_refused(reviews, waves, tmp_path):
    train_classifier(reviews, tmp_path / "m.safetensors", settings(steps=10))
    model = gw.load(tmp_path / "m.safetensors")
    with pytest.raises(DataError, match=r"waves\.ts holds numbers, but the model was trained on"):
        model.predict(waves)
    with pytest.raises(DataError, match="has no labels to compare with"):
        model.evaluate(["one", "two"])


def test_members_learn_their_own_way_and_say_their_mean(reviews, tmp_path):
    chosen = settings(members=3, steps=100, learning_rate=0.01)
    result = train_classifier(reviews, tmp_path / "m.safetensors", chosen, test=reviews)
    assert result.findings["test"].figures["accuracy"] > 0.95
    model = gw.load(tmp_path / "m.safetensors")
    inputs = torch.from_numpy(model.features.encode("a fine film", ""))[:, None].long()
    with torch.no_grad():
        each = model.model.each(inputs)
        mean = model.calibrated(torch.stack(each).mean(0))
    assert not torch.equal(each[0], each[1])
    np.testing.assert_allclose(model.probabilities(["a fine film"]), mean, rtol=1e-5)
    assert "the mean of 3 networks" in (tmp_path / "m.md").read_text()
    page = export(model, "a fine film", tmp_path / "page.html")
    assert "the first of 3 networks" in page.read_text()


def test_a_file_from_before_there_were_members_is_read(reviews, tmp_path):
    train_classifier(reviews, tmp_path / "m.safetensors", settings(steps=20))
    file = read_model_file(tmp_path / "m.safetensors")
    del file.config["model"]["members"], file.config["roles"]["intervals"]
    tensors = {name.removeprefix("members.0."): each for name, each in file.tensors.items()}
    write_model_file(tmp_path / "old.safetensors", replace(file, tensors=tensors))
    new, old = (gw.load(tmp_path / f"{name}.safetensors") for name in ("m", "old"))
    np.testing.assert_array_equal(new.probabilities(reviews), old.probabilities(reviews))


def test_long_sequences_of_numbers_begin_with_long_memory(tmp_path):
    """The class is the sign of the first of 240 values."""
    rng = np.random.default_rng(0)
    x = np.zeros((200, 240), np.float32)
    x[:, 0] = rng.choice([-1.0, 1.0], 200)
    np.savez(tmp_path / "d.npz", x=x, y=(x[:, 0] > 0).astype(int))
    output = tmp_path / "m.safetensors"
    result = train_classifier(tmp_path / "d.npz", output, settings(steps=1))
    chosen = result.run.settings
    assert (chosen.memory, chosen.pooling, chosen.learning_rate) == (30, "max", 0.01)
    assert chosen.one_way
    plain = settings(steps=1, cell="rnn")  # which has no forget gate
    result = train_classifier(tmp_path / "d.npz", output, plain, restart=True)
    assert result.run.settings.memory == 0


def test_training_ends_where_all_is_learned(tmp_path):
    """The loss falls for ever; that is no reason to go on."""
    (tmp_path / "w.txt").write_text("cat animal\nmat thing\nrat animal\n")
    quick = settings(steps=2_000, validate_every=10, patience=3, learning_rate=0.05)
    result = train_classifier(tmp_path / "w.txt", tmp_path / "m.safetensors", quick)
    assert result.progress.step < 1_000
    assert "of the examples learned from." in (tmp_path / "m.md").read_text()


def test_targets_may_be_written_as_people_write_them(tmp_path):
    rows = "".join(f'"{"good " * (k % 3 + 1)}","${k % 3 + 1},000.50"\n' for k in range(12))
    (tmp_path / "a.csv").write_text("text,price\n" + rows)
    output = tmp_path / "model.safetensors"
    chosen = settings(target="regression", steps=1, validate_every=1)
    result = train_classifier(tmp_path / "a.csv", output, chosen, roles=Roles(label="price"))
    assert "labels are numbers: '$1,000.50' is read as 1000.5" in result.run.said
    model = gw.load(output)
    told = write_predictions(model, model.examples(tmp_path / "a.csv"), tmp_path / "found.csv")
    assert told.labelled == 12
    assert told.error is not None
