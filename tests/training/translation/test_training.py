"""Training translators, from pairs to the model file: what comes out, and going on after a kill."""

import os
import random
import signal

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.data.pairs.reader import read_pairs
from gatewise.data.source import DataError
from gatewise.training.checkpoint import RunError
from gatewise.training.model_file import ModelFile, ModelFileError, write_model_file
from gatewise.training.plan import Display, Stopped
from gatewise.training.translation.model import TranslationModel
from gatewise.training.translation.module import divide_pairs
from gatewise.training.translation.settings import TranslationSettings
from gatewise.training.translation.training import train_translator

SMALL = {"hidden": 12, "steps": 45, "validate_every": 20, "device": "cpu", "beam": 2}


def settings(**changes):
    return TranslationSettings(**(SMALL | changes))


def words(count, seed=0, letters="abcdef"):
    draw = random.Random(seed)
    return ["".join(draw.choices(letters, k=draw.randint(2, 6))) for _ in range(count)]


@pytest.fixture
def reversals(tmp_path):
    """A file of words and the same words from behind."""
    path = tmp_path / "words.tsv"
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words(300)))
    return path


@pytest.mark.kernels
def test_strings_are_reversed(tmp_path):
    pairs = [(word, word[::-1]) for word in words(1_500)]
    chosen = settings(hidden=48, steps=300, validate_every=100, learning_rate=0.005, dropout=0.0)
    output = tmp_path / "m.safetensors"
    new = sorted({*words(150, seed=1)} - {source for source, _ in pairs})
    result = train_translator(
        pairs, None, output, chosen, test=[(word, word[::-1]) for word in new]
    )
    assert result.figures["test"]["exact"] > 0.97
    assert result.figures["test"]["cer"] < 0.01
    model = gw.load(output)
    assert isinstance(model, TranslationModel)
    assert model.translate(["fedab", " ", "cafe"]) == ["badef", "", "efac"]
    alignment = model.align("abcdef")
    assert alignment.target == [*"fedcba", "</s>"]
    np.testing.assert_allclose(alignment.weights.sum(1), 1, rtol=1e-5)
    report = (tmp_path / "m.md").read_text()
    assert "1 layer of 48 units" in report
    assert "| exactly right |" in report
    names = ["m.course.png", "m.html", "m.md", "m.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru"},
        {"cell": "sru"},
        {"cell": "peephole", "layers": 2, "target_tokens": "words"},
    ],
)
def test_sentences_are_learned_with_any_cell(tmp_path, options):
    nouns, verbs = {"hund": "dog", "kuh": "cow", "maus": "mouse"}, {"rennt": "runs", "isst": "eats"}
    pairs = [
        (f"Der {noun} {verb} nun", f"Now the {nouns[noun]} {verbs[verb]}")
        for noun in nouns
        for verb in verbs
    ] * 5
    sizes = {"hidden": 24, "steps": 150, "dropout": 0.0}
    chosen = settings(learning_rate=0.02, lower=True, **sizes, **options)
    result = train_translator(pairs, None, tmp_path / "m.safetensors", chosen, validation=pairs[:6])
    assert result.figures["validation"]["bleu"] > 90
    found = gw.load(tmp_path / "m.safetensors").translate(["der MAUS rennt nun"])
    assert found == ["now the mouse runs"]


def weights(path):
    return gw.load(path).model.state_dict()


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_seed_decides_everything(reversals, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        output = tmp_path / f"{name}.safetensors"
        train_translator(reversals, None, output, settings(seed=seed, steps=10))
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


@pytest.mark.parametrize("step", [7, 40])
def test_a_stopped_run_goes_on_to_the_same_model(reversals, tmp_path, step):
    train_translator(reversals, None, tmp_path / "straight.safetensors", settings())
    output = tmp_path / "stopped.safetensors"
    with pytest.raises(Stopped):
        train_translator(reversals, None, output, settings(), display=StopAt(step))
    result = train_translator(reversals, None, output, settings())
    assert same(weights(output), weights(tmp_path / "straight.safetensors"))
    assert len(result.progress.history) == 3
    assert not (tmp_path / "stopped.run").exists()


def test_an_unfinished_run_goes_on_only_with_the_same_settings_and_pairs(reversals, tmp_path):
    output = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        train_translator(reversals, None, output, settings(), display=StopAt(5))
    with pytest.raises(RunError, match="--hidden was 12, now 9"):
        train_translator(reversals, None, output, settings(hidden=9))
    reversals.write_text(reversals.read_text() + "abc\tcba\n")
    with pytest.raises(RunError, match="has changed since"):
        train_translator(reversals, None, output, settings())
    train_translator(reversals, None, output, settings(steps=5), restart=True)


def test_what_cannot_be_learned_from_leaves_nothing_behind(tmp_path):
    output = tmp_path / "m.safetensors"
    (tmp_path / "de").write_text("a\nb\n")
    (tmp_path / "en").write_text("a\n")
    with pytest.raises(DataError, match="has 2 lines"):
        train_translator(tmp_path / "de", tmp_path / "en", output, settings())
    several = [(word, word) for word in words(30)]
    with pytest.raises(DataError, match="every pair is longer than --longest 1"):
        train_translator(several, None, output, settings(longest=1))
    with pytest.raises(DataError, match="1 different sources cannot be divided"):
        train_translator([("abc", "abc")] * 30, None, output, settings())
    mixed = settings(source_tokens="bpe", target_tokens="characters", separate=False)
    with pytest.raises(ValueError, match="cannot be of bpe and of characters"):
        train_translator(several, None, output, mixed)
    with pytest.raises(DataError, match="3 files where one"):
        train_translator([("a", "b")], None, output, settings(), test=["a", "b", "c"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["de", "en"]


def test_few_pairs_are_all_learned_and_it_is_said(tmp_path):
    pairs = [("one", "eins"), ("two", "zwei"), ("three", "drei")]
    output = tmp_path / "m.safetensors"
    result = train_translator(pairs, None, output, settings(hidden=32, steps=150, dropout=0.0))
    assert list(result.figures) == ["pairs learned from"]
    assert gw.load(output).translate(["two", "three"]) == ["zwei", "drei"]
    assert "the figures say nothing about others" in (tmp_path / "m.md").read_text()


def test_a_model_without_use_is_called_so(tmp_path):
    pairs = [(word, word) for word in words(60)]
    train_translator(pairs, None, tmp_path / "m.safetensors", settings(steps=3))
    assert "The model is no better than that: do not use it." in (tmp_path / "m.md").read_text()


def test_equal_sources_are_never_divided():
    pairs = read_pairs([(f"source {k % 50}", f"target {k}") for k in range(400)])
    learned, held, spared = divide_pairs(pairs, None, None, 0)
    assert spared
    assert not {*learned.sources} & {*held.sources}
    assert len(learned) + len(held) == 400
    assert len({*held.sources}) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"source_tokens": "letters"}, "source-tokens: 'letters' is none of"),
        ({"monitor": "rouge"}, "monitor: 'rouge' is none of"),
        ({"hidden": 0}, "hidden is at least 1"),
        ({"target_tokens": "bpe", "vocabulary_size": 200}, "vocabulary-size is at least 257"),
        ({"label_smoothing": 1.0}, "label-smoothing lies from 0 to below 1"),
        ({"minutes": -1}, "minutes is a number above 0"),
    ],
)
def test_settings_that_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        TranslationSettings(**wrong)


def test_a_model_file_of_another_make_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    write_model_file(path, ModelFile("translation", {"vocabulary": 3}, {}, {}))
    with pytest.raises(ModelFileError, match="is not that of a translator"):
        gw.load(path)


def test_wrong_calls_are_named(reversals, tmp_path):
    output = tmp_path / "m.safetensors"
    train_translator(reversals, None, output, settings(steps=2))
    model = gw.load(output)
    with pytest.raises(ValueError, match="takes a list of texts"):
        model.translate("abc")
    with pytest.raises(ValueError, match="beam 0"):
        model.translate(["abc"], beam=0)
