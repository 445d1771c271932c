"""The file: one piece, safe, small, written whole or not at all; for every cell and layer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.explorer import export
from gatewise.explorer.cell_page import describe_cell
from gatewise.explorer.choice import subject_of
from gatewise.explorer.export import page
from gatewise.explorer.roles import roles_of
from tests.test_architecture import EXTRAS, run_python

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "gatewise" / "explorer" / "static"


def test_the_bundle_is_made_of_the_sources():
    sources = ROOT / "explorer_web" / "src"
    digest = hashlib.sha256()
    for path in sorted(sources.iterdir(), key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ("explorer.js", "explorer.css"):
        mark = (STATIC / name).read_text(encoding="utf-8").splitlines()[0]
        assert mark == f"/* sources {digest.hexdigest()} */", "run: npm run build, in explorer_web"


def test_the_page_is_alone(pages):
    for path in pages.paths.values():
        text = path.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        links = set(re.findall(r"https?://[\w./-]+", text))
        assert links <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"<(link|img|iframe|object)\b|\bsrc=|@import|\bfetch\(", text)


def test_a_text_cannot_end_its_script(lstm, tmp_path):
    text = "I live in </script><script>alert(1)</script><!-- France\u2028"
    found = page(subject_of(lstm, text))
    assert found.count("</script>") == 3
    assert "<script>alert" not in found
    assert "<!--" not in found
    assert "&lt;script&gt;alert" in found  # in the title


def test_a_hundred_steps_of_64_units_are_below_a_megabyte(tmp_path):
    path = export(gw.LSTM(32, 64), torch.randn(100, 32), tmp_path / "page.html")
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell_has_a_page(name):
    graph = gw.cells.get(name).graph
    H, I = 6, 6 if graph.sizes.equal else 4
    layer = gw.Recurrent(name, I, H)
    given = {"x": torch.randn(5, I)}
    for key, size in graph.inputs.items():
        if key != "x":
            given[key] = torch.rand(5, {"I": I, "H": H}.get(size, size))
    text = page(subject_of(layer, given))
    data = re.search(r'<script type="application/json" id="document">(.*?)</script>', text)
    document = json.loads(data[1])
    (cell,) = document["cells"].values()
    assert set(cell["values"]) == set(graph.values)
    assert {cell["nodes"][k].get("value") for k in cell["roots"].values()} <= set(graph.values)
    assert set(cell["roles"]) >= set(graph.gates) - {cell["output"]}
    assert set(cell["memory"]) | set(cell["noMemory"]) == set(graph.states)


def test_roles_are_those_of_the_article():
    def roles(name):
        return {k: v["role"] for k, v in roles_of(gw.cells.get(name).graph).items()}

    assert roles("lstm") == {
        **{"i": "input gate", "f": "forget gate", "g": "candidate", "o": "output gate"},
        **{"c": "state", "h": "output"},
    }
    assert roles("gru") == {"r": "reset gate", "z": "update gate", "n": "candidate", "h": "output"}
    assert roles("rnn") == {"h": "output"}


def test_what_is_added_to_a_graph_does_not_change_what_is_shown():
    found = describe_cell(gw.cells.lstm.graph).document
    names = {node.get("name") for node in found["nodes"]}
    assert not any(name and name.startswith(("clamp", "change")) for name in names)
    held = [node["value"] for node in found["nodes"] if "computed" in node]
    assert sorted(held) == ["c", "f", "g", "h", "i", "o"]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_torchs_layers_are_shown_as_they_are(kind):
    layer = kind(3, 5, num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(1, 7, 3)
    subject = subject_of(layer, x)
    torch.testing.assert_close(subject.outputs, layer(x)[0][0].detach(), atol=1e-6, rtol=0)
    (recurrent,) = [each for each in subject.chain.layers if each["kind"] == "recurrent"]
    assert [[track["reverse"] for track in row] for row in recurrent["tracks"]] == [
        [False, True],
        [False, True],
    ]


OPTIONS = {
    "residual": {"residual": True},
    "normalised": {"residual": True, "layer_norm": True},
    "learned": {"learn_initial": True, "zoneout": 0.2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_layers_in_both_directions_are_computed_as_torch_does(opened, tmp_path, options):
    layer = gw.Recurrent("peephole", 3, 5, num_layers=2, bidirectional=True, **options).eval()
    for parameter in layer.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = torch.randn(9, 3)
    page_ = opened(export(layer, x, tmp_path / "page.html"))
    assert page_.tell("store.network.difference(store.original)") < 2e-6
    y = layer(x[:, None])[0][4, 0]
    y.pow(2).sum().div(2).backward()
    page_.tell("store.setCursor(4)")
    page_.settle()
    found = page_.tell("Array.from(store.gradient.tracks[0].states.c.data)")
    from gatewise.lens import inner_gradients

    inner = inner_gradients(lambda: layer(x[:, None])[0][4, 0].pow(2).sum() / 2, ["c"])[0]
    torch.testing.assert_close(
        torch.tensor(found).reshape(9, 5), inner.values["c"][:, 0], atol=2e-6, rtol=1e-4
    )


BAD = [
    (lambda model: (model, ""), ValueError, "empty"),
    (lambda model: (model, 3), TypeError, "reads a text"),
    (lambda _: (gw.LSTM(3, 4), "text"), TypeError, "not a text"),
    (lambda _: (gw.LSTM(3, 4), torch.zeros(5, 2, 3)), ValueError, "one sequence"),
    (lambda _: (gw.LSTM(3, 4), torch.zeros(0, 3)), ValueError, "at least one step"),
    (lambda _: (gw.LSTM(3, 4), torch.zeros(5, 2)), RuntimeError, "Expected 3, got 2"),
    (lambda _: (gw.LSTM(3, 4), {"dt": torch.zeros(5)}), TypeError, "x is missing"),
    (lambda _: (nn.Linear(3, 4), torch.zeros(5, 3)), TypeError, "no recurrent layer"),
    (lambda _: ("model", torch.zeros(5, 3)), TypeError, "cannot be explored"),
]


@pytest.mark.parametrize(("case", "error", "says"), BAD, ids=[each[2] for each in BAD])
def test_what_cannot_be_shown_is_refused_and_nothing_is_written(lstm, tmp_path, case, error, says):
    path = tmp_path / "page.html"
    with pytest.raises(error, match=says):
        export(*case(lstm), path)
    assert list(tmp_path.iterdir()) == []


CORE_ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {extras!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
import torch, gatewise as gw
layer = torch.nn.LSTM(3, 4)
with gw.trace(layer) as t:
    layer(torch.randn(5, 1, 3))
t.explore({path!r})
"""


def test_a_trace_is_explored_with_the_core_alone(tmp_path):
    path = str(tmp_path / "page.html")
    run_python(CORE_ALONE.format(extras=(*EXTRAS, "anywidget", "polars"), path=path))
    assert Path(path).exists()
