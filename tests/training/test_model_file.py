import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import gatewise as gw
from gatewise.equations import Cell
from gatewise.training.model_file import (
    ModelFile,
    ModelFileError,
    digest,
    load_weights,
    read_model_file,
    write_model_file,
)


def content():
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}
    return ModelFile("language", {"size": 3, "name": "日本"}, {"seed": 1}, tensors)


@pytest.fixture
def path(tmp_path):
    write_model_file(tmp_path / "m.safetensors", content())
    return tmp_path / "m.safetensors"


def test_what_is_written_is_read(path):
    found = read_model_file(path)
    assert (found.task, found.config, found.training) == (
        "language",
        {"size": 3, "name": "日本"},
        {"seed": 1},
    )
    assert torch.equal(found.tensors["a"], content().tensors["a"])
    assert found.tensors["b"].item() == 7


def test_tensors_that_share_memory_can_be_written(tmp_path):
    weight = torch.ones(3, 4)
    shared = {"a": weight, "b": weight.T}
    write_model_file(tmp_path / "m.safetensors", ModelFile("language", {}, {}, shared))
    assert read_model_file(tmp_path / "m.safetensors").tensors["b"].shape == (4, 3)


def test_every_changed_byte_is_found(path):
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] ^= 0x11
        path.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"m\.safetensors: "):
            read_model_file(path)


def test_every_shorter_file_is_found(path):
    whole = path.read_bytes()
    for length in [*range(0, 40), *range(40, len(whole), 17), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="not a whole safetensors file"):
            read_model_file(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ModelFileError):
        read_model_file(path)


@pytest.mark.parametrize("foreign", [b"PK\x03\x04 a pickle", b"plain text\n" * 99, b"\xff" * 99])
def test_other_files_are_refused(tmp_path, foreign):
    (tmp_path / "m").write_bytes(foreign)
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        read_model_file(tmp_path / "m")


def test_safetensors_of_others_are_refused(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "m")
    with pytest.raises(ModelFileError, match="not one that Gatewise wrote"):
        read_model_file(tmp_path / "m")
    with pytest.raises(ModelFileError, match="no such file"):
        read_model_file(tmp_path / "missing")
    with pytest.raises(ModelFileError, match="a folder"):
        read_model_file(tmp_path)


def test_another_version_is_named(tmp_path):
    text = json.dumps({"format": "gatewise-model", "version": 2})
    tensors = {"a": torch.ones(1)}
    save_file(tensors, tmp_path / "m", {"gatewise": text, "sha256": digest(text, tensors)})
    with pytest.raises(ModelFileError, match="version 2 of gatewise-model, but this"):
        read_model_file(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("bias"), "lacks bias"),
        (lambda tensors: tensors.update(more=torch.ones(1)), "has an extra more"),
        (lambda tensors: tensors.update(bias=torch.ones(3)), r"bias is float32 \(3,\), not .*2"),
        (lambda tensors: tensors.update(bias=torch.ones(2).long()), "bias is int64"),
    ],
)
def test_weights_must_fit(tmp_path, change, message):
    model = nn.Linear(3, 2)
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    load_weights(model, tensors, tmp_path)
    change(tensors)
    with pytest.raises(ModelFileError, match=message):
        load_weights(model, tensors, tmp_path)


def test_the_cell_of_a_file_stacks_its_weights_as_the_catalogue_does(tmp_path):
    path = tmp_path / "m.safetensors"
    cells = {name: gw.cells.get(name).to_dict() for name in gw.cells.names()}
    write_model_file(path, ModelFile("language", {"cells": cells}, {}, {"a": torch.ones(1)}))
    for name, equations in read_model_file(path).config["cells"].items():
        layers = [gw.Recurrent(cell, 4, 4) for cell in (name, Cell.from_dict(equations))]
        layers[1].load_state_dict(layers[0].state_dict())
        expected, found = (layer.weights() for layer in layers)
        assert expected.keys() == found.keys(), name
        assert all(torch.equal(expected[each], found[each]) for each in expected), name
