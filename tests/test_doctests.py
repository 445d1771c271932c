"""The examples in the docstrings run and show what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import gatewise


def modules() -> list[str]:
    """Every module of the package; one of an extra that is not installed is left out."""
    found = []
    for module in pkgutil.walk_packages(gatewise.__path__, "gatewise."):
        if not module.name.endswith("__main__"):
            found.append(module.name)
    return ["gatewise", *found]


@pytest.mark.parametrize("name", modules())
def test_examples(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)  # an example may write a file
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in tests:
        result = runner.run(test)
        assert not result.failed, f"{test.name}: see the output above"


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    with_examples = [
        test.name
        for name in modules()
        for test in finder.find(importlib.import_module(name), name)
        if test.examples
    ]
    for name in ("equations.cell.cell", "layers.recurrent.Recurrent", "layers.step.Step"):
        assert f"gatewise.{name}" in with_examples
