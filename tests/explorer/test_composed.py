"""Pages about models of music: what they expect in the page is what they expect in Python."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gatewise.cli import build_app
from gatewise.data.music.keys import KEYS
from gatewise.explorer import export
from gatewise.explorer.choice import subject_of
from gatewise.tasks.music import MusicNetwork
from gatewise.training.model_file import ModelFile, write_model_file
from gatewise.training.music.model import MusicModel
from gatewise.training.text.settings import describe_cell

SIZES = {"hidden": 7, "layers": 2}


def music_model(chords, cell="lstm"):
    torch.manual_seed(1)
    network = MusicNetwork(cell, **SIZES, chords=chords)
    for parameter in network.parameters():
        parameter.data = 0.5 * torch.randn_like(parameter)
    config = {"cell": describe_cell(cell), "model": {**SIZES, "chords": chords}}
    return MusicModel({**config, "steps_per_beat": None}, {}, network)


def roll(steps=6):
    made = np.zeros((steps, KEYS), np.uint8)
    made[:, 39] = made[1::2, 43] = 1
    return made


def expected(model, piece):
    """The logits of the last step: of each key, those below it held as likely as they are."""
    read = torch.from_numpy(np.concatenate([0 * piece[:1], piece])).float()
    network = model.model
    base = network.output.head(network.recurrent(network.input(read[:, None]))[0][-1, 0])
    if not network.output.chords:
        return base
    weights, found = network.output.below(), []
    for k in range(KEYS):
        shares = torch.sigmoid(torch.stack(found)) if found else torch.zeros(0)
        found.append(base[k] + weights[k, :k] @ shares)
    return torch.stack(found)


@pytest.mark.parametrize("chords", [True, False])
def test_page_expects_what_torch_expects(opened, tmp_path, chords):
    model = music_model(chords)
    page = opened(export(model, roll(), tmp_path / "page.html"))
    scores = expected(model, roll())
    found = torch.tensor(page.tell("Array.from(store.prediction(store.T - 1))"))
    torch.testing.assert_close(found, torch.sigmoid(scores.detach()), atol=1e-5, rtol=1e-4)
    assert page.tell("store.T") == 7
    assert page.tell("[store.label(0), store.label(2)]") == ["silence", "C4 E4"]
    assert page.tell("store.scoreLabel(39)") == "C4"
    # at step 1 what really comes next are both keys
    page.tell("store.setCursor(1)")
    assert page.tell("[39, 43, 44].map((k) => store.follows(k))") == [True, True, False]


def test_a_key_is_chosen_on_the_roll_and_released(opened, tmp_path):
    model, piece = music_model(True), roll()
    page = opened(export(model, piece, tmp_path / "page.html"))
    assert page.page.inner_text("#reading select option:checked") == "C4"  # held at the end
    box = page.page.locator("#reading canvas[aria-label^='88 channels']").bounding_box()
    y = box["y"] + (88 - 43 - 0.5) / 88 * box["height"]  # high keys are on top
    page.page.mouse.click(box["x"] + 2.5 / 7 * box["width"], y)
    page.settle()
    assert page.page.inner_text("#reading select option:checked") == "E4"
    assert page.tell("store.cursor") == 2
    assert page.page.input_value("#reading input[type=number]") == "1"
    page.page.fill("#reading input[type=number]", "0")
    page.page.click("#reading form button")
    page.tell("store.setCursor(store.T - 1)")
    page.settle()
    piece[1, 43] = 0  # step 0 of the page is the silence before
    found = torch.tensor(page.tell("Array.from(store.prediction(store.T - 1))"))
    wanted = torch.sigmoid(expected(model, piece).detach())
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert "step of the piece" in dict(page.take_tour())["One step at a time"]


@pytest.mark.parametrize("chords", [True, False])
def test_gradient_in_the_page_is_that_of_torch(opened, tmp_path, chords):
    model = music_model(chords)
    page = opened(export(model, roll(), tmp_path / "page.html"))
    hidden = torch.randn(7, requires_grad=True)
    page.tell(
        "(window.found = store.network.head.backward("
        "{ row: () => Float32Array.from(a[0]), rows: 1, columns: 7 }, 0, Float32Array.from(a[1])))",
        [hidden.tolist(), torch.ones(KEYS).tolist()],
    )
    output = model.model.output
    base, found = output.head(hidden), []
    weights = output.below() if chords else torch.zeros(KEYS, KEYS)
    for k in range(KEYS):
        shares = torch.sigmoid(torch.stack(found)) if found else torch.zeros(0)
        found.append(base[k] + weights[k, :k] @ shares)
    torch.stack(found).sum().backward()
    given = torch.tensor(page.page.evaluate("Array.from(window.found.data)"))
    torch.testing.assert_close(given, hidden.grad, atol=1e-4, rtol=1e-4)


def test_cells_with_an_input_of_their_own_size_have_a_page():
    model = music_model(True, "sru")
    subject = subject_of(model, roll())
    assert [layer["kind"] for layer in subject.chain.layers] == [
        *("numbers", "linear", "recurrent", "linear", "pairs")
    ]
    torch.testing.assert_close(subject.scores, expected(model, roll()))


def test_command_writes_a_page_about_a_piece_of_a_file(tmp_path):
    model = music_model(True)
    path = tmp_path / "m.safetensors"
    write_model_file(path, ModelFile("music", model.config, {}, dict(model.model.state_dict())))
    np.save(tmp_path / "pieces.npy", np.stack([roll(), roll()]))
    command = ["explore", path, "-i", tmp_path / "pieces.npy", "-o", tmp_path / "p.html", "--row"]
    results = [CliRunner().invoke(build_app(), [*map(str, command), row]) for row in "12"]
    assert [result.exit_code for result in results] == [0, 1]
    assert "has 2 pieces, from 0" in results[1].output
    with pytest.raises(ValueError, match=r"not \(steps, 88\)"):
        subject_of(model, np.ones((3, 5)))
