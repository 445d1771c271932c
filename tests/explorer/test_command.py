"""`gatewise explore`: pages of model files, and clear words for what it cannot do."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.data.tokens.byte_pairs import BytePairTokenizer
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.explorer import export
from gatewise.tasks.language import LanguageModel
from gatewise.training import TextModel
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.text.settings import describe_cell
from tests.explorer.conftest import SENTENCE
from tests.explorer.test_classified import THREE, classifier, text_classifier

WORDS = "I live in France and I speak fluent French. 日本語 naïve 😀 "


def run(*words):
    return CliRunner().invoke(build_app(), ["explore", *map(str, words)])


def language_model(tokenizer):
    torch.manual_seed(0)
    sizes = {"embedding": 4, "hidden": 6, "layers": 1, "dropout": 0.0}
    model = LanguageModel(tokenizer.size, "gru", **sizes)
    config = {"tokenizer": tokenizer.to_dict(), "cell": describe_cell("gru"), "model": sizes}
    return TextModel(config, {}, model, tokenizer)


def file_of(model, path, task):
    tensors = dict(model.model.state_dict())
    write_model_file(path, ModelFile(task, model.config, model.training, tensors))
    return path


def test_it_writes_a_page_of_a_text_model(tmp_path, opened):
    model = language_model(CharacterTokenizer.build([WORDS]))
    file = file_of(model, tmp_path / "model.safetensors", "language")
    result = run(file, "--input", "I speak", "-o", tmp_path / "why.html")
    assert result.exit_code == 0, result.output
    assert re.search(r"why\.html \(0\.\d MB\): open it in any browser", result.output)
    page = opened(tmp_path / "why.html")
    assert page.tell("store.T") == 7
    assert page.tell("store.network.difference(store.original)") < 1e-6


def test_numbers_come_from_a_file(tmp_path):
    from gatewise.data.labelled.features import NumberFeatures

    features = NumberFeatures(["channel 1", "channel 2"], [0.0, 0.0], [1.0, 1.0], False)
    model = classifier(features, THREE, one_way=True)
    model.config["cell"] = describe_cell("lstm")
    file = file_of(model, tmp_path / "model.safetensors", "classification")
    np.savez(tmp_path / "data.npz", X=np.random.default_rng(0).normal(size=(3, 8, 2)))
    page = tmp_path / "page.html"
    result = run(file, "--input", tmp_path / "data.npz", "--row", 2, "-o", page)
    assert result.exit_code == 0, result.output
    assert page.exists()
    page.unlink()
    result = run(file, "--input", tmp_path / "data.npz", "--row", 3, "-o", page)
    assert result.exit_code == 1
    assert "has 3 examples" in result.output
    assert not page.exists()


def test_a_text_comes_from_a_file_where_that_holds_examples(tmp_path):
    model = text_classifier(THREE)
    model.config["cell"] = describe_cell("lstm")
    file = file_of(model, tmp_path / "model.safetensors", "classification")
    (tmp_path / "new.txt").write_text("good film\nbad film\n")
    page = tmp_path / "page.html"
    result = run(file, "--input", tmp_path / "new.txt", "--row", 1, "-o", page)
    assert result.exit_code == 0, result.output
    assert "bad film" in page.read_text()
    model = language_model(CharacterTokenizer.build([WORDS]))
    file = file_of(model, tmp_path / "language.safetensors", "language")
    result = run(file, "--input", tmp_path / "new.txt", "-o", tmp_path / "no.html")
    assert "is a file, where this model reads a text" in result.output
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.safetensors", "--input", "a"], "no such file"),
        (["MODEL", "--input", " "], "empty"),
        (["MODEL", "--input", "good", "-o", "no/such/folder/page.html"], "a folder that exists"),
    ],
)
def test_what_it_cannot_do_it_says(tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    model = text_classifier(THREE)
    model.config["cell"] = describe_cell("lstm")
    file = file_of(model, tmp_path / "model.safetensors", "classification")
    result = run(*(str(file) if word == "MODEL" else word for word in words))
    assert result.exit_code == 1
    assert says in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_byte_pairs_are_edited_token_by_token(tmp_path, opened):
    tokenizer = BytePairTokenizer.build([WORDS * 50], 300)
    model = language_model(tokenizer)
    page = opened(export(model, SENTENCE, tmp_path / "page.html"))
    tokens = page.tell("store.run.input.tokens")
    assert tokens == tokenizer.encode(SENTENCE).tolist()
    assert page.page.locator(".rewrite").count() == 0
    page.page.dblclick("[data-step='1']")
    page.page.fill(".editor input", "no token of any kind")
    page.page.keyboard.press("Enter")
    assert "is no token" in page.page.inner_text(".note")
    other = page.tell("store.tokenizer.tokens[a]", tokens[3])
    page.page.fill(".editor input", other)
    page.page.click(".editor button:has-text('Insert after')")
    page.settle()
    edited = [*tokens[:2], tokens[3], *tokens[2:]]
    assert page.tell("store.run.input.tokens") == edited
    with torch.no_grad():
        expected = model.model(torch.tensor(edited)[:, None])[0][-1, 0].softmax(-1)
    page.page.keyboard.press("End")
    page.settle()
    found = torch.tensor(page.tell("Array.from(store.prediction(store.T - 1))"))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_a_character_outside_the_vocabulary_is_refused_in_words(tmp_path, opened):
    model = language_model(CharacterTokenizer.build(["abc "]))
    page = opened(export(model, "abc", tmp_path / "page.html"))
    page.page.dblclick("[data-step='1']")
    page.page.fill(".editor input", "ß")
    page.page.keyboard.press("Enter")
    assert "lacks “ß”" in page.page.inner_text(".note")
    assert page.tell("store.isChanged") is False
