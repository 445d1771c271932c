import json
import math
import subprocess
import sys

import pytest
import torch

import gatewise as gw
from gatewise.equations import U, W, b, cell, tanh
from gatewise.training import ModelFileError, TextModel, load
from gatewise.training.model_file import read_model_file, write_model_file
from gatewise.training.text.model import build_model
from gatewise.training.text.settings import TextSettings
from gatewise.training.text.training import train_text


@cell(states=("h",))
def elman(x, h):
    h = tanh(W.h @ x + U.h @ h + b.h)
    return {"h": h}


@pytest.fixture
def train(english, small, tmp_path):
    """Train a small model; arguments replace settings."""

    def trained(**changes):
        output = tmp_path / "model.safetensors"
        train_text([english], output, small(**changes), restart=True)
        return output

    return trained


@pytest.mark.parametrize(
    ("name", "gate", "sign"),
    [("lstm", "f", 1), ("gru", "z", 1), ("peephole", "f", 1), ("mgu", "f", -1)],
)
def test_forget_gates_begin_with_the_bias_that_is_given(name, gate, sign):
    sizes = {"cell": name, "hidden": 6, "embedding": 4, "layers": 2, "dropout": 0.0}
    for layer in (0, 1):
        torch.manual_seed(0)
        given = build_model(TextSettings(**sizes, forget_bias=1.5), 9).recurrent.weights(layer)
        torch.manual_seed(0)
        own = build_model(TextSettings(**sizes), 9).recurrent.weights(layer)
        assert (given[f"b.{gate}"] == 1.5 * sign).all()
        changed = {each for each in given if not torch.equal(given[each], own[each])}
        assert changed == {f"b.{gate}"}


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_it_writes_text_the_same_for_the_same_seed(train, tokens):
    model = load(train(tokens=tokens))
    text = model.generate("The ", length=60, seed=1)
    assert text == model.generate("The ", length=60, seed=1)
    assert text == "".join(model.stream("The ", length=60, seed=1))
    assert text != model.generate("The ", length=60, seed=2)
    assert "<unk>" not in text
    if tokens == "characters":
        assert len(text) == 60


@pytest.mark.parametrize("output", [{"tie": True}, {"softmax": "adaptive"}])
def test_every_kind_of_output_writes_and_measures(train, output):
    model = load(train(tokens="words", minimum_count=1, **output))
    text = model.generate("The ", length=20, seed=1)
    assert text == model.generate("The ", length=20, seed=1)
    assert model.model.head.__class__.__name__.lower().startswith(("tied", "adaptive"))
    validation = model.training["validation_nats_per_token"]
    assert model.score("The statement is executed.") == pytest.approx(validation, abs=4)
    logits = model.model(torch.zeros(1, 1, dtype=torch.long))[0]
    assert logits.shape == (1, 1, model.tokenizer.size)


def test_without_a_seed_texts_differ(train):
    model = load(train())
    assert model.generate(length=80) != model.generate(length=80)


def test_greedy_text_does_not_depend_on_the_seed(train):
    model = load(train())
    greedy = model.generate("The", 30, temperature=0, seed=1)
    assert greedy == model.generate("The", 30, top_k=1, seed=2)
    assert greedy == model.generate("The", 30, top_p=1e-9, seed=3)


def test_byte_pairs_are_written_in_whole_characters(small, tmp_path):
    (tmp_path / "t").write_text("日本語 naïve 😀 " * 60)
    settings = small(tokens="bpe", vocabulary_size=257, steps=10)  # nearly every byte by itself
    train_text([tmp_path / "t"], tmp_path / "m.safetensors", settings)
    pieces = list(load(tmp_path / "m.safetensors").stream("日", 200, 0.3, seed=0))
    assert len(pieces) < 200
    for piece in pieces:
        piece.encode()


def test_the_prompt_must_be_in_the_vocabulary_of_characters(train):
    model = load(train())
    with pytest.raises(ValueError, match="lacks 'é'"):
        model.generate("café")


def test_unknown_words_of_the_prompt_count_as_unknown(train):
    assert load(train(tokens="words")).generate("qwertz", 5, seed=0)


def test_impossible_arguments_are_refused_before_anything_is_drawn(train):
    model = load(train())
    for arguments in ({"length": -1}, {"temperature": -1}, {"top_k": 0}, {"top_p": 2}):
        with pytest.raises(ValueError, match=next(iter(arguments)).replace("_", ".")):
            model.stream("a", **arguments)


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_scores_are_mean_surprise(train, tokens):
    model = load(train(tokens=tokens))
    text = "The value of the expression is a string." * 40
    found = model.log_probabilities(text)
    numbers = torch.from_numpy(model.tokenizer.encode(text))
    assert found.shape == numbers.shape
    before = torch.cat([torch.tensor([model.tokenizer.start()]), numbers[:-1]])
    with torch.no_grad():
        logits, _ = model.model(before[:, None])
    expected = torch.log_softmax(logits[:, 0], -1)[torch.arange(len(numbers)), numbers]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert model.score(text) == pytest.approx(-expected.mean().item(), rel=1e-4)
    with pytest.raises(ValueError, match="no tokens"):
        model.score("")


def test_a_loaded_model_measures_what_training_measured(train, english):
    path = train(steps=20)
    model, facts = load(path), read_model_file(path).training
    assert not model.model.training
    text = english.read_text()
    start = next(k for k in range(10_800, 12_000) if text[k].isspace())
    measured = -model.log_probabilities(text[start:])[1:].double().mean().item()
    assert measured == pytest.approx(facts["validation_nats_per_token"], abs=0.01)
    assert facts["validation_bits_per_character"] == pytest.approx(
        facts["validation_nats_per_token"] / math.log(2)
    )


def test_a_cell_of_ones_own_loads_without_its_code(train):
    path = train(cell=elman)
    program = (
        "import sys, gatewise as gw; model = gw.load(sys.argv[1]);"
        "assert 'lightning' not in sys.modules and 'tokenizers' not in sys.modules;"
        "print(len(model.generate('The', 20, seed=0)), model.config['cell']['name'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["20", "elman"]


def test_the_package_loads_it_by_its_short_name(train):
    model = gw.load(train())
    assert isinstance(model, TextModel)
    assert repr(model).startswith("TextModel(")


def rewrite(path, change):
    """Write a model file anew with its contents changed, checksum and all."""
    file = read_model_file(path)
    config = json.loads(json.dumps(file.config))
    change(config, file.tensors)
    write_model_file(path, type(file)(file.task, config, file.training, file.tensors))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config, _: config.pop("tokenizer"), "'tokenizer'"),
        (lambda config, _: config["tokenizer"].update(kind="syllables"), "unknown tokenizer"),
        (lambda config, _: config["tokenizer"].update(characters=5), "tokenizer"),
        (lambda config, _: config["model"].update(hidden="x"), "configuration"),
        (lambda config, _: config["model"].update(heads=8), "heads"),
        (lambda config, _: config["cell"].update(name="tesla"), "no layer is called 'tesla'"),
        (lambda config, _: config["cell"].update(equations={}), "configuration"),
        (lambda config, _: config["model"].update(hidden=13), "weights do not fit"),
        (lambda _, tensors: tensors.pop("head.bias"), "lacks head.bias"),
    ],
)
def test_contradictory_files_are_refused(train, change, message):
    path = train()
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_other_tasks_are_named(train):
    path = train()
    file = read_model_file(path)
    write_model_file(path, type(file)("telepathy", file.config, file.training, file.tensors))
    with pytest.raises(ModelFileError, match="the task 'telepathy', but this Gatewise knows"):
        load(path)
