"""Pages about generators of sequences."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import gatewise as gw
from gatewise.cli import build_app
from gatewise.explorer.choice import subject_of
from gatewise.explorer.export import write
from gatewise.tasks.generating import Sequences
from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.generator.training import train_generator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    settings = GeneratorSettings(hidden=6, steps=4, count=20, device="cpu")
    for name in ("reber", "sine"):
        train_generator(name, folder / f"{name}.safetensors", settings)
    return folder


@torch.no_grad()
def test_page_of_texts_scores_what_comes_next(folder):
    model, text = gw.load(folder / "reber.safetensors"), "BTX"
    tokens = model.tokenizer.encode(text).tolist()
    expected = 0.0
    for k, token in enumerate([*tokens, 0]):  # the end is token 0
        subject = subject_of(model, text[:k])
        assert subject.input["tokens"] == [0, *tokens[:k]]
        expected -= torch.log_softmax(subject.scores, -1)[token].item()
    said = Sequences(torch.tensor(tokens)[:, None], torch.tensor([len(tokens)]))
    assert model.model.surprise(said)[0].item() == pytest.approx(expected, rel=1e-4)


def test_page_of_numbers_shows_the_numbers_and_the_recurrent_layers(folder, opened, tmp_path):
    model = gw.load(folder / "sine.safetensors")
    values = np.linspace(-1, 1, 7, dtype=np.float32)[:, None]
    subject = subject_of(model, values)
    assert subject.outputs.shape == (8, 6)  # a step more: before the first number
    page = opened(write(subject, tmp_path / "page.html"))
    assert page.tell("store.network.difference(store.original)") < 1e-5
    read = page.tell("Array.from(store.run.input.numbers.data)")
    assert read == pytest.approx([*model.config["mean"], *values[:, 0]])
    page.take_tour()
    with pytest.raises(ValueError, match=r"not \(steps, 1\)"):
        subject_of(model, np.ones((7, 2)))


def test_command_writes_pages(folder, tmp_path):
    np.save(tmp_path / "waves.npy", np.ones((3, 9, 1)))
    for name, given in (("reber", "BTXSE"), ("sine", tmp_path / "waves.npy")):
        page = tmp_path / f"{name}.html"
        command = ["explore", folder / f"{name}.safetensors", "-i", given, "-o", page, "--row", 0]
        result = CliRunner().invoke(build_app(), [str(each) for each in command])
        assert result.exit_code == 0, result.output
        assert "<html" in page.read_text()
    command = ["explore", folder / "reber.safetensors", "-i", "xyz", "-o", tmp_path / "x.html"]
    result = CliRunner().invoke(build_app(), [str(each) for each in command])
    assert result.exit_code == 1
    assert "lacks" in result.output
