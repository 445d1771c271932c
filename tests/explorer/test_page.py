"""The page in a real browser, offline: its numbers are torch's, and what one does has effect."""

from __future__ import annotations

import math
import time

import pytest
import torch

import gatewise as gw
from benchmarks.explorer import measure
from gatewise.backends import Operands
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import U, W, cell, exp, p, s, softplus, tanh, where
from gatewise.equations.rewrite import with_clamp
from gatewise.explorer import export
from gatewise.lens import inner_gradients
from gatewise.lens.ledger import memory_ledger
from tests.explorer.conftest import MEANINGLESS, SENTENCE

EDITED = SENTENCE.replace("France", "Japan")


def embedded(model, text):
    return model.model.embedding(torch.from_numpy(model.tokenizer.encode(text)))[:, None]


def probabilities(model, text):
    """What the model expects after every token, ``(T, V)``."""
    with torch.no_grad():
        logits, _ = model.model(torch.from_numpy(model.tokenizer.encode(text))[:, None])
    return logits[:, 0].softmax(-1)


def values(model, text, layer=0, clamped=None, units=slice(None), number=0.0):
    """Every named value of a layer, ``(T, H)``; with a clamp, as the rewritten equations say."""
    x, rows = embedded(model, text), model.model.recurrent.tracks()
    for depth, (track,) in enumerate(rows):
        recurrence, inputs = track.recurrence, {"x": x}
        names = tuple(recurrence.graph.values)
        if clamped is not None and depth == layer:
            graph = with_clamp(recurrence.graph, clamped)
            recurrence = type(recurrence)(graph, recurrence.sizes, recurrence.reverse)
            held = torch.zeros(len(x), 1, recurrence.output_size)
            held[..., units] = 1.0
            inputs |= {f"clamped_{clamped}": held, f"clamp_{clamped}": held * number}
        states = {
            name: torch.zeros(1, recurrence.state_size(name)) for name in recurrence.graph.states
        }
        with torch.no_grad():
            result = ReferenceBackend().run(
                recurrence, Operands(inputs, states, track.parameters), names
            )
        if depth == layer:
            return {name: value[:, 0] for name, value in result.values.items()}
        x = result.output
    raise IndexError(layer)


def shown_percent(share):
    """A probability in the page's words."""
    value = float(share) * 100
    if 0 < value < 0.1:
        return "<0.1%"
    if 99.95 <= value < 100:
        return ">99.9%"
    return f"{value:.1f}%" if 0 < value < 10 or 99 <= value < 100 else f"{value:.0f}%"


def in_page(page, name, track=0):
    """A named value at every step, as the page computed it."""
    found = page.tell(
        "[store.run.tracks[a[1]].values[a[0]].columns, "
        "Array.from(store.run.tracks[a[1]].values[a[0]].data)]",
        [name, track],
    )
    return torch.tensor(found[1], dtype=torch.float32).reshape(-1, found[0])


@pytest.mark.parametrize("cell", ["lstm", "rnn", "gru"])
def test_every_value_equals_torchs(pages, opened, cell):
    page, model = opened(pages.paths[cell]), pages.models[cell]
    for track in range(len(model.model.recurrent.tracks())):
        for name, expected in values(model, SENTENCE, track).items():
            torch.testing.assert_close(in_page(page, name, track), expected, atol=2e-6, rtol=0)


def test_shown_digits_are_torchs(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    expected = values(lstm, SENTENCE)
    for step in (0, 3, 7):
        page.tell("(store.setCursor(a), store.setUnit(a))", step)
        page.settle()
        for name, series in expected.items():
            text = page.page.inner_text(f"[data-value='{name}'].gauge-value")
            assert float(text.replace("−", "-")) == pytest.approx(
                float(series[step, step]), abs=5.1e-5
            )
    best, token = probabilities(lstm, SENTENCE)[-1].max(0)
    assert page.page.inner_text(f"[data-score='{int(token)}']") == shown_percent(best)
    assert (
        page.page.inner_text(".bar-label >> nth=0") == lstm.tokenizer.words[int(token)] == "French"
    )


def test_an_edited_word_changes_the_prediction_as_in_python(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    page.page.dblclick("[data-step='3']")
    page.page.fill(".editor input", "Japan")
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("End")
    page.settle()
    expected = probabilities(lstm, EDITED)[-1]
    best, token = expected.max(0)
    assert lstm.tokenizer.words[int(token)] == "Japanese"
    assert page.page.inner_text(".bar-label >> nth=0") == "Japanese"
    assert page.page.inner_text(f"[data-score='{int(token)}']") == shown_percent(best)
    french = lstm.tokenizer.numbers["French"]
    assert page.page.inner_text(f"[data-score='{french}']") == shown_percent(expected[french])
    for name, series in values(lstm, EDITED).items():
        torch.testing.assert_close(in_page(page, name), series, atol=2e-6, rtol=0)
    page.page.click(".badge button")
    page.settle()
    assert page.page.inner_text(".bar-label >> nth=0") == "French"


def test_another_text_is_read_as_the_tokenizer_reads_it(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    text = "I speak fluent Zulu-like.\nDon't   live in Spain"
    page.page.click(".rewrite summary")
    page.page.fill(".whole textarea", text)
    page.page.click(".whole button")
    page.settle()
    assert page.tell("store.run.input.tokens") == lstm.tokenizer.encode(text).tolist()
    assert "does not know" in page.page.inner_text(".note")
    best, token = probabilities(lstm, text)[-1].max(0)
    assert page.page.inner_text(f"[data-score='{int(token)}']") == shown_percent(best)


def test_a_clamped_gate_does_what_the_rewritten_equations_say(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    page.page.click("text=Forget everything")
    page.settle()
    for name, series in values(lstm, SENTENCE, clamped="f", number=0.0).items():
        torch.testing.assert_close(in_page(page, name), series, atol=2e-6, rtol=0)
    assert "held at 0 at every step" in page.page.inner_text(".changes")
    page.page.click("text=Back to the original >> nth=0")
    page.settle()
    page.tell("store.setUnit(5)")
    page.settle()
    page.page.click("[data-silence]")
    page.settle()
    for name, series in values(lstm, SENTENCE, clamped="h", units=5).items():
        torch.testing.assert_close(in_page(page, name), series, atol=2e-6, rtol=0)


@pytest.mark.parametrize("text", [SENTENCE, EDITED])
def test_the_gradient_is_autograds_for_an_edited_text_too(pages, opened, lstm, text):
    page = opened(pages.paths["lstm"])
    tokens = lstm.tokenizer.encode(text)
    page.tell("store.read({tokens: a, numbers: null})", tokens.tolist())
    page.settle()
    best = int(probabilities(lstm, text)[-1].argmax())

    def answer():
        logits, _ = lstm.model(torch.from_numpy(tokens)[:, None])
        return logits[-1, 0].log_softmax(-1)[best]

    (inner,) = inner_gradients(answer)
    for state, series in inner.values.items():
        found = page.tell("Array.from(store.gradient.tracks[0].states[a].data)", state)
        expected = series[:, 0]
        torch.testing.assert_close(
            torch.tensor(found).reshape(expected.shape), expected, atol=2e-6, rtol=1e-4
        )


def test_the_ledger_is_the_lenses_and_adds_up(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    with gw.trace(lstm.model.recurrent) as trace, torch.no_grad():
        lstm.model.recurrent(embedded(lstm, SENTENCE))
    for step in (7, 4):
        page.tell("store.setCursor(a)", step)
        expected = memory_ledger(trace.only, "c", step)
        left, survival, initial, value = page.tell(
            "(() => { const l = store.ledger(); return [l.left.data, l.survival.data, l.initial, "
            "l.value].map((part) => Array.from(part)); })()"
        )
        shape = expected.contributions[:, 0].shape
        left, survival = (torch.tensor(part).reshape(shape) for part in (left, survival))
        torch.testing.assert_close(left, expected.contributions[:, 0], atol=2e-6, rtol=0)
        torch.testing.assert_close(survival, expected.survival[:, 0], atol=2e-6, rtol=0)
        together = left.sum(0) + torch.tensor(initial)
        torch.testing.assert_close(together, torch.tensor(value), atol=1e-6, rtol=0)


def test_a_cell_without_additive_state_says_why_it_has_no_ledger(pages, opened):
    page = opened(pages.paths["rnn"])
    assert "makes it anew" in page.page.inner_text(".refusal")
    assert not page.page.is_visible("#memory .pane")


@pytest.mark.parametrize("cell", ["lstm", "rnn", "gru"])
def test_every_stop_of_the_tour_works(pages, opened, cell):
    page = opened(pages.paths[cell], height=800)
    titles = [title for title, _ in page.take_tour()]
    assert 7 <= len(titles) == len(set(titles)) <= 10


def test_the_tour_follows_the_entry_that_does_most_for_the_answer(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    tokens = torch.from_numpy(lstm.tokenizer.encode(SENTENCE))[:, None]
    best = int(probabilities(lstm, SENTENCE)[-1].argmax())

    def answer():
        logits, _ = lstm.model(tokens)
        return logits[-1, 0].log_softmax(-1)[best]

    (inner,) = inner_gradients(answer)
    with gw.trace(lstm.model.recurrent) as trace, torch.no_grad():
        lstm.model.recurrent(embedded(lstm, SENTENCE))
    entries = memory_ledger(trace.only, "c").contributions[:, 0]
    worth = entries @ inner.values["c"][-1, 0]
    source = int(worth[:-2].argmax())  # what was just read is no feat of memory
    assert page.tell("store.weightiest().source") == source
    assert page.tell("store.weightiest().unit") == int(
        (entries[source] * inner.values["c"][-1, 0]).argmax()
    )


def test_the_keyboard_steps_through_everything(pages, opened):
    page = opened(pages.paths["lstm"])
    keyboard = page.page.keyboard
    for key, cursor in (
        ("Home", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 7),
    ):
        keyboard.press(key)
        assert page.tell("store.cursor") == cursor
    unit = page.tell("store.unit")
    keyboard.press("ArrowDown" if unit == 0 else "ArrowUp")
    assert page.tell("store.unit") == (1 if unit == 0 else unit - 1)
    keyboard.press("+")
    assert page.tell("store.to - store.from") == 4
    page.page.focus(".chips")
    keyboard.press("Enter")
    assert page.page.is_visible(".editor input")
    active = page.page.get_attribute(".chips", "aria-activedescendant")
    assert page.page.get_attribute(f"#{active}", "aria-selected") == "true"
    keyboard.press("Escape")
    assert not page.page.is_visible(".editor input")


def test_what_the_mouse_chooses_in_the_ledger_the_keyboard_does_too(pages, opened):
    page = opened(pages.paths["lstm"])
    page.tell("store.set('source', 3)")
    page.settle()
    for label, step in (("next step", 4), ("step before", 3), ("step before", 2)):
        page.page.locator(f"#memory button[aria-label*='{label}']").press("Enter")
        page.settle()
        assert f"(step {step}) wrote" in page.page.inner_text("#memory .says")


def test_a_product_opens_into_its_multiplications(pages, opened, lstm):
    page = opened(pages.paths["lstm"])
    page.tell("(store.setCursor(3), store.setUnit(2))")
    page.settle()
    page.page.click(".equation[data-value='f']")
    page.page.click(".worked .product >> nth=0")
    rows = page.page.locator(".dot-product tbody tr")
    assert rows.count() == 10
    weights = {n: w.detach() for n, w in lstm.model.recurrent.weights().items()}
    x = embedded(lstm, SENTENCE).detach()[3, 0]
    expected = weights["W.f"][2] * x
    for k in range(10):
        cells = [text.replace("−", "-") for text in rows.nth(k).locator("td").all_inner_texts()]
        assert float(cells[1]) == pytest.approx(float(weights["W.f"][2, k]), abs=5.1e-5)
        assert float(cells[2]) == pytest.approx(float(x[k]), abs=5.1e-5)
        assert float(cells[3]) == pytest.approx(float(expected[k]), abs=5.1e-5)
        assert float(cells[4]) == pytest.approx(float(expected[: k + 1].sum()), abs=5.1e-5)
    total = page.page.inner_text(".dot-product .total .number").replace("−", "-")
    assert float(total) == pytest.approx(float(expected.sum()), abs=5.1e-5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_needs_no_scrolling_sideways(pages, opened, scheme):
    page = opened(pages.paths["lstm"], width=390, height=844, scheme=scheme)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.page.click(".dock button >> nth=0")
    assert page.tell("store.cursor") == 6


def test_everything_has_a_name_for_screen_readers(pages, opened):
    page = opened(pages.paths["lstm"])
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, canvas, [role]")]
        .filter((e) => !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")
          && !e.closest("label") && !e.textContent.trim() && !e.closest("[aria-hidden=true]")
          && !["presentation", "status"].includes(e.getAttribute("role")))
        .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def test_a_thousand_steps_of_512_units_are_redrawn_within_100_ms(browser, tmp_path):
    layer = gw.Recurrent("qrnn", 4, 512)  # as many maps as the LSTM, but quick to compute
    path = export(layer, torch.randn(1000, 4), tmp_path / "large.html")
    deadline = time.monotonic() + 60
    _, redraws, requests = measure(browser, path)
    while min(redraws) >= 100 and time.monotonic() < deadline:  # a busy machine may hold it
        _, redraws, _ = measure(browser, path)
    assert 1 < min(redraws) < 100  # every one of them did draw
    assert requests == []


def test_computed_weights_are_named_with_their_functions_and_inputs_counted(opened, tmp_path):
    @cell(states=("h",), inputs=dict(x="I", dt=1))
    def fading(x, dt, h):
        h = -softplus(p.rate) * dt * h + tanh(W.h @ x + (U.a - s.k * U.c) @ h)
        return dict(h=h)

    layer = gw.Recurrent(fading, 3, 4)
    inputs = {"x": torch.randn(5, 3), "dt": torch.rand(5, 1)}
    page = opened(export(layer, inputs, tmp_path / "page.html"))
    page.page.click(".equation[data-value='h']")
    names = page.page.locator(".worked small").all_inner_texts()
    assert "−softplus(prate)" in names
    assert "(Ua − (Uc · sk)) ht−1" in names
    assert {"1 number", "3 numbers"} <= set(page.page.locator(".pill").all_text_contents())
    assert "forget_bias" not in page.page.inner_text("#health")


def test_a_cell_may_hold_infinity(opened, tmp_path):
    """JSON has no infinity, and such a cell once had no page."""

    @cell
    def masked(x, h):
        a = exp(where(h > 0, tanh(W.a @ x), -math.inf))
        h = tanh(W.h @ x + a)
        return dict(a=a, h=h)

    page = opened(export(gw.Recurrent(masked, 3, 4), torch.randn(5, 3), tmp_path / "page.html"))
    assert page.tell("store.network.difference(store.original)") < 1e-5
    page.page.click(".equation[data-value='a']")
    assert "-∞" in page.page.inner_text(".worked")
    assert not any(word in page.page.inner_text("#cell") for word in MEANINGLESS)
