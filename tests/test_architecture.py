"""The house: what may import what, how large files are, what they are called."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatewise as gw
from gatewise.backends import evaluation, javascript
from gatewise.equations import derivative, document, latex, plain, primitives

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gatewise"
FOLDERS = ("gatewise", "tests", "docs", "benchmarks", "examples")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LINES = 450
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "stuff", "tools"}
EXTRAS = (
    *("charset_normalizer", "lightning", "pytorch_lightning", "matplotlib", "mido"),
    *(
        "platformdirs",
        "polars",
        "rich",
        "sacrebleu",
        "safetensors",
        "scipy",
        "tokenizers",
        "torchmetrics",
    ),
    *("optuna", "tensorboard", "typer"),
)
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def in_package(*folders: str) -> list[Path]:
    """The Python files of some of the package's folders; of all where none is named."""
    return [
        path
        for path in FILES
        if path.is_relative_to(PACKAGE)
        and (not folders or path.relative_to(PACKAGE).parts[0] in folders)
    ]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_were_found():
    assert len(in_package()) > 50
    assert in_package("cells")
    assert in_package("backends")


@pytest.mark.parametrize("path", FILES, ids=label)
def test_file_has_one_subject_and_a_name(path):
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= LINES, f"{count} lines; split it by subject"
    assert not {path.stem, path.parent.name} & VAGUE, "the name does not say what is inside"


@pytest.mark.parametrize("path", in_package("equations", "cells"), ids=label)
def test_equations_and_cells_need_the_standard_library_alone(path):
    for module in imported(path):
        top = module.split(".")[0]
        assert top == "gatewise" or top in sys.stdlib_module_names, module


@pytest.mark.parametrize("path", in_package(), ids=label)
def test_nothing_is_unpickled(path):
    assert not {module.split(".")[0] for module in imported(path)} & PICKLES
    for node in ast.walk(tree(path)):
        call = ast.unparse(node) if isinstance(node, ast.Call) else ""
        if call.startswith(("np.load(", "numpy.load(")):
            assert "allow_pickle=False" in call
        assert not call.startswith(("torch.load(", "torch.save(")), call


def words(path: Path) -> Iterator[str]:
    """Every identifier and every string of a file, comments and docstrings apart."""
    module = tree(path)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                yield word
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word) | ast.alias(name=word):
                yield word
            case ast.Constant(value=str(word)) if id(node) not in prose:
                yield word


@pytest.mark.parametrize("path", in_package("backends"), ids=label)
def test_backends_name_no_cell(path):
    named = {word.lower() for word in words(path)}
    assert not named & set(gw.cells.names())


PRIMITIVES = {
    name
    for name, made in vars(primitives).items()
    if inspect.isfunction(made) and made.__module__ == primitives.__name__ and name[0] != "_"
}
NO_ROW = {"block_diagonal", "layer_norm", "total", "mean", "unit_count", "inverse_deviation"}
"""Primitives that a target computes by a function of its own, or that only derivatives use."""


@pytest.mark.parametrize("name", sorted(PRIMITIVES - NO_ROW))
def test_primitive_has_a_row_for_every_target(name):
    targets = {
        "derivative": derivative.RULES,
        "torch": evaluation.TORCH,
        "JavaScript": javascript.JAVASCRIPT,
        "LaTeX": latex.Latex.functions,
        "plain text": plain.Plain.functions,
        "model file": document.SIGNATURES,
    }
    assert not [target for target, rows in targets.items() if name not in rows]


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {extras!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
import torch, gatewise as gw
y, state = gw.Recurrent("peephole", 3, 5)(torch.zeros(4, 2, 3))
assert y.shape == (4, 2, 5)
gw.LSTM(3, 5)(torch.zeros(4, 2, 3))
"""

SECONDS = """
import time
import torch, numpy
begin = time.perf_counter()
import gatewise
gatewise.LSTM, gatewise.use_backend  # the rest of the core is imported when it is asked for
print(time.perf_counter() - begin)
"""

WITHOUT_TORCH = """
import sys
import gatewise as gw
assert gw.cells.get("lstm").latex() and gw.cells.get("lstm").diagram()
assert gw.cells.get("gru").with_constants().parameter_count(8, 8)
assert "torch" not in sys.modules and "numpy" not in sys.modules
"""


def run_python(text: str) -> str:
    # bytecode is written, as it is for whoever imports a package twice
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equations_and_cells_import_no_torch():
    run_python(WITHOUT_TORCH)


def test_core_runs_without_the_extras():
    run_python(BLOCKED.format(extras=EXTRAS))


def test_import_adds_little_to_torch():
    found: list[float] = []
    # one of three: other processes may hold this machine at any moment
    while len(found) < 3 and min(found, default=1) >= 0.150:
        found.append(float(run_python(SECONDS)))
    least = min(found) * 1000
    assert least < 150, f"`import gatewise` takes {least:.0f} ms more than torch's import"
