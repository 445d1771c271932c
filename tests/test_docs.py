"""The documentation: its examples run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatewise as gw
from docs import build
from docs.pages import FENCE, ROOT, blocks, label, run_examples
from gatewise.cli import build_app

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TUTORIAL = ROOT / "docs" / "tutorial"  # trains networks: tests/test_tutorial.py runs it
LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|source)[^>]*?src(?:set)?=\"([^\"]+)\"")


def with_blocks(*languages: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, *languages)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    """A model file such as the examples load, of a network that has learned next to nothing."""
    from gatewise.training.text.settings import TextSettings
    from gatewise.training.text.training import train_text

    folder = tmp_path_factory.mktemp("model")
    text = folder / "text.txt"
    text.write_text((ROOT / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
    train_text([text], folder / "model.safetensors", TextSettings(hidden=8, steps=2, device="cpu"))
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.kernels
@pytest.mark.parametrize(
    "page", [page for page in with_blocks("python") if page.parent != TUTORIAL], ids=label
)
def test_examples_run(page, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = "".join(block.text for block in blocks(page, "python"))
    for name in re.findall(r'gw\.load\("(.+?)"\)', loaded):
        (tmp_path / name).write_bytes(request.getfixturevalue("model"))
    for block, place, printed in run_examples(page):
        if block.output is not None:
            assert printed.rstrip() == block.output.rstrip(), place


def shown_commands(page: Path) -> Iterator[list[str]]:
    """Every call of `gatewise` in the page's shell blocks, word by word."""
    for block in blocks(page, "sh", "bash", "console"):
        prompts = block.language == "console"
        for line in block.text.replace("\\\n", " ").splitlines():
            if prompts and not line.startswith("$ "):
                continue
            words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            for operator, part in itertools.groupby(words, lambda word: set(word) <= set("&|;()")):
                called = list(part)
                if not operator and called[0] == "gatewise":
                    yield called


@pytest.mark.parametrize("page", with_blocks("sh", "bash", "console"), ids=label)
def test_commands_exist(page):
    commands = dict(build.commands())
    for words in shown_commands(page):
        called = " ".join(words)
        names = [name for name in commands if f"{called} ".startswith(f"{name} ")]
        assert names or "--help" in words, called
        for name in names:
            options = commands[name].params
            known = {opt for each in options for opt in (*each.opts, *each.secondary_opts)}
            known.add("--help")
            given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert given <= known, f"{called}: no option {', '.join(given - known)}"


def shown_outputs(page: Path) -> Iterator[tuple[list[str], str]]:
    """Calls of `gatewise cells` with the output that the page shows after them, if it shows any."""
    for block in blocks(page, "console"):
        for entry in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, output = entry.partition("\n")
            words = shlex.split(line, comments=True)
            if words[:2] == ["gatewise", "cells"] and output.strip():
                yield words[1:], output


@pytest.mark.parametrize("page", [p for p in PAGES if list(shown_outputs(p))], ids=label)
def test_shown_output_is_what_the_command_prints(page):
    from typer.testing import CliRunner

    for words, output in shown_outputs(page):
        result = CliRunner().invoke(build_app(), words)
        assert result.output.rstrip() == output.rstrip(), " ".join(words)


def test_generated_pages_are_current():
    assert not build.outdated(), "run `make docs`"


def anchors(page: Path) -> set[str]:
    """What a link into a page may name after #, as GitHub makes it of the headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target) if target else page
        assert path.exists(), f"{label(page)} links to {target}"
        assert not anchor or anchor in anchors(path), f"{label(page)} links to {target}#{anchor}"


def test_every_page_is_listed():
    start = ROOT / "docs" / "index.md"
    for page in set((ROOT / "docs").rglob("*.md")) - {start}:
        own = page.parent / "index.md"  # a folder's pages stand in its own index, that in docs'
        index = start if page == own or not own.exists() else own
        name = str(page.relative_to(index.parent))
        listed = index.read_text(encoding="utf-8")
        assert f"({name})" in listed, f"{label(index)} does not list {name}"


@pytest.mark.parametrize("name", gw.__all__)
def test_public_name_is_documented(name):
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert re.search(rf"\bgw\.{name}\b|\bgatewise\.{name}\b", pages)


def test_readme_shows_the_cell_file_as_it_is():
    shown = [block.text for block in blocks(ROOT / "README.md", "python")]
    assert (ROOT / "gatewise" / "cells" / "lstm.py").read_text(encoding="utf-8") in shown


def command_after(mark: str) -> str:
    """The one shell line of the README's block after ``<!-- mark -->``."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)\n```", text, re.DOTALL)
    assert match, f"README.md has no command after <!-- {mark} -->"
    assert "\n" not in match[1], "one line that a person can paste"
    return match[1]


@pytest.mark.parametrize("mark", ["main job", "tests"])
def test_readme_command_makes_its_own_environment(mark):
    command = command_after(mark)
    assert command.startswith("python3 -m venv .venv && . .venv/bin/activate && pip install -c ")
    assert "constraints.txt" in command


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- tests -->" in script
    assert 'eval "$tests"' in script
    assert command_after("tests").split(" && ")[-1].startswith("pytest")


def test_contributing_names_what_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)
    assert len(named) >= 5
    for name, path in named:
        assert re.search(rf"^ *{name}\b", (ROOT / "gatewise" / path).read_text(), re.MULTILINE), (
            name
        )
    for path in re.findall(r"`((?:gatewise|equations|backends|cells|cli|tests)/[\w/]+\.py)`", text):
        assert (ROOT / path).exists() or (ROOT / "gatewise" / path).exists(), path
