"""The model file: weights, configuration and vocabulary in one `.safetensors`, never a pickle."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from gatewise.data.whole_file import write_whole

FORMAT = "gatewise-model"
VERSION = 1


class ModelFileError(ValueError):
    """A file that is no usable model file; the message names it and the mend."""


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        task: The name of its task, such as `"language"`.
        config: Everything that is needed to rebuild the model, JSON-ready.
        training: How it was trained: seed, steps, losses and so on, JSON-ready.
        tensors: The weights by their names.
    """

    task: str
    config: dict[str, Any]
    training: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def write_model_file(path: str | os.PathLike[str], model: ModelFile) -> None:
    """Write a model file, whole or not at all.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    # Copies: safetensors refuses tensors that share memory or are not contiguous.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.tensors.items()
    }
    description = {
        "format": FORMAT,
        "version": VERSION,
        "task": model.task,
        "config": model.config,
        "training": model.training,
    }
    # Keys keep their order: that of a cell's values decides how its weights are stacked.
    text = json.dumps(description, ensure_ascii=False, allow_nan=False)
    metadata = {"gatewise": text, "sha256": digest(text, tensors)}
    write_whole(Path(path), save(tensors, metadata))


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read and verify a model file.

    Raises:
        ModelFileError: The file is missing, damaged, foreign, or of a later version.
    """
    path = Path(path)
    metadata, tensors = read_safetensors(path)
    if "gatewise" not in metadata:
        raise ModelFileError(
            f"{path}: a safetensors file, but not one that Gatewise wrote; "
            "make one with `gatewise train`"
        )
    if metadata.get("sha256") != digest(metadata["gatewise"], tensors):
        raise ModelFileError(
            f"{path}: damaged (its contents do not match its checksum); "
            "copy it again from where it was made, or train again"
        )
    description = json.loads(metadata["gatewise"])
    if description.get("format") != FORMAT or description.get("version") != VERSION:
        raise ModelFileError(
            f"{path}: version {description.get('version')} of {description.get('format')}, "
            f"but this Gatewise reads version {VERSION} of {FORMAT}; upgrade gatewise"
        )
    return ModelFile(description["task"], description["config"], description["training"], tensors)


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return a safetensors file's metadata and tensors.

    Raises:
        ModelFileError: There is no such file, or it is none.
    """
    if path.is_dir():
        raise ModelFileError(f"{path}: a folder, not a model file")
    try:
        with safe_open(path, framework="pt") as file:
            # A copy owns its memory: the file may be replaced while the tensors live.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file; `gatewise train` makes one") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path}: not a whole safetensors file ({error}); "
            "copy it again from where it was made, or train again"
        ) from error


def load_weights(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put weights into a model.

    Raises:
        ModelFileError: Names or shapes differ from the model's.
    """
    expected = model.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    wrong = [
        f"{name} is {describe(tensors[name])}, not {describe(expected[name])}"
        for name in sorted(expected.keys() & tensors.keys())
        if describe(tensors[name]) != describe(expected[name])
    ]
    faults = [f"lacks {name}" for name in missing] + [f"has an extra {name}" for name in extra]
    if faults or wrong:
        raise ModelFileError(
            f"{path}: the weights do not fit the configuration: {'; '.join([*faults, *wrong][:4])}"
            "; train again, or take the file as it was first written"
        )
    model.load_state_dict(dict(tensors))


def describe(tensor: torch.Tensor) -> str:
    """Show a tensor's type and shape."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def digest(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of a description and of every tensor's name, shape and bytes."""
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"\n{name} {describe(tensor)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
