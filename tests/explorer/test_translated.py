"""Pages about translators."""

import pytest
import torch

import gatewise as gw
from gatewise.explorer.choice import subject_of
from gatewise.explorer.export import write
from gatewise.training.translation.settings import TranslationSettings
from gatewise.training.translation.training import train_translator


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    settings = TranslationSettings(hidden=6, steps=4, device="cpu")
    train_translator([("one", "eins"), ("two", "zwei"), ("three", "drei")], None, path, settings)
    return gw.load(path)


def test_page_shows_what_the_decoder_reads(model, opened, tmp_path):
    subject = subject_of(model, "one")
    tokens = subject.input["tokens"]
    assert [subject.tokenizer["tokens"][token] for token in tokens] == [*"one", "</s>"]
    with torch.no_grad():
        memory = model.model.encode(torch.tensor(tokens)[:, None], torch.tensor([4]))
    torch.testing.assert_close(subject.outputs, memory.values[0])
    assert len(subject.tokenizer["tokens"]) == model.vocabulary.source.size + 1
    page = opened(write(subject, tmp_path / "page.html"))
    assert "The encoder of a translator" in page.page.inner_text(".about")
    assert page.page.inner_text("#reading h2") == "What it reads"
    page.take_tour()


def test_wrong_inputs_are_named(model):
    with pytest.raises(TypeError, match="a translator reads a text"):
        subject_of(model, 3)
    with pytest.raises(ValueError, match="the input is empty"):
        subject_of(model, "  ")
