"""A browser for the session, small trained models, and their pages."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import pytest
import torch

from gatewise.data.tokens.words import WordTokenizer
from gatewise.explorer import export
from gatewise.tasks.language import LanguageModel
from gatewise.tasks.sentences import LANGUAGES
from gatewise.training import TextModel

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MEANINGLESS = ("NaN", "undefined", "null", "Infinity")
SENTENCE = "I live in France and I speak fluent"


@pytest.fixture(scope="session")
def browser():
    """Chromium, started once."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium: install it (Debian: apt-get install chromium)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_api.sync_playwright() as playwright:
        # a container has no user namespaces for the sandbox; the pages are our own
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


class Opened:
    """A page of ours in the browser, and everything that it should not have done."""

    def __init__(self, page):
        self.page, self.faults = page, []
        page.on("console", lambda message: self.faults.append(message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._requested)

    def _requested(self, request):
        if not request.url.startswith(("file:", "data:")):
            self.faults.append(f"request of {request.url}")

    def open(self, path):
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        return self

    def tell(self, expression, argument=None):
        """The value of a JavaScript expression of `store`, and of the argument `a`."""
        text = f"async (a) => {{ const store = window.gatewise; return {expression}; }}"
        return self.page.evaluate(text, argument)

    def take_tour(self):
        """Title and text of every stop of the tour, each of which shows one part of the page."""
        self.page.click(".tour-start")
        stops = []
        while len(stops) < 12:
            self.page.wait_for_selector(f".tour[data-stop='{len(stops)}']")
            told = self.page.inner_text(".tour p")
            assert len(told) > 60
            assert not [word for word in MEANINGLESS if word in told], told
            assert self.page.locator(".toured").count() == 1
            stops.append((self.page.inner_text("#tour-title"), told))
            last = self.page.inner_text(".tour .primary") == "Done"
            self.page.click(".tour .primary")
            if last:
                assert not self.page.is_visible(".tour")
                return stops
        raise AssertionError(f"the tour has no end: {stops}")

    def settle(self):
        """Wait until nothing is being computed or redrawn."""
        self.page.wait_for_selector("progress", state="hidden")
        self.tell("(await store.settled(), store.flush())")


@pytest.fixture
def opened(browser):
    """A function that opens a page offline; at the end nothing may have gone wrong in it."""
    contexts, pages = [], []

    def open_page(path, width=1280, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        context.set_default_timeout(60_000)  # a busy machine takes its time
        contexts.append(context)
        pages.append(Opened(context.new_page()))
        return pages[-1].open(path)

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for page in pages for fault in page.faults] == []


def text_model(cell, steps, **options):
    """A language model that has learned which country speaks which language."""
    torch.manual_seed(0)
    texts = [
        f"I live in {country} and I speak fluent {language}.\n"
        for country, language in LANGUAGES.items()
    ]
    tokenizer = WordTokenizer.build(texts)
    sizes = {"embedding": 10, "hidden": 20, **options}
    model = LanguageModel(tokenizer.size, cell, **sizes)
    tokens = torch.stack([torch.from_numpy(tokenizer.encode(text)) for text in texts], 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = model.loss(tokens[:-1], tokens[1:])
        loss.backward()
        optimizer.step()
    config = {"tokenizer": tokenizer.to_dict(), "cell": cell, "model": sizes}
    return TextModel(config, {}, model, tokenizer)


@pytest.fixture(scope="session")
def lstm():
    """A trained model with an LSTM."""
    return text_model("lstm", 500)


@pytest.fixture(scope="session")
def pages(tmp_path_factory, lstm):
    """Pages of models with several cells about one sentence."""
    folder = tmp_path_factory.mktemp("pages")
    models = {
        "lstm": lstm,
        "rnn": text_model("rnn", 200),
        "gru": text_model("gru", 200, layers=2),
    }
    paths = {
        name: export(model, SENTENCE, folder / f"{name}.html") for name, model in models.items()
    }
    return SimpleNamespace(models=models, paths=paths)
