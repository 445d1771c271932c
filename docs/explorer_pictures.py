"""Write the pictures of the explorer: `python -m docs.explorer_pictures`, in two minutes.

It trains the model that they show, writes its page and photographs it in Chromium. It prints what
docs/explorer.md says of them. On another processor the model comes out a little otherwise.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

from docs.pages import ROOT
from gatewise.data.tokens.words import WordTokenizer
from gatewise.explorer import export
from gatewise.tasks.language import LanguageModel
from gatewise.tasks.sentences import NEAREST, language_sentence
from gatewise.training import TextModel

PICTURES = ROOT / "docs" / "pictures"
INPUT = "I live in France. The old baker sang in the garden. I speak fluent"
SENTENCES, FARTHEST = 20_000, 14  # and the words between a clue and its answer
STEPS, BATCH, LEARNING_RATE = 6_000, 64, 0.01
TOUR_SHOWN = """shown => {
  document.body.classList.toggle("touring", shown);
  document.querySelector(".tour").hidden = !shown;
  document.querySelector("#memory").classList.toggle("toured", shown);
}"""
SIZES = {"embedding": 32, "hidden": 64, "dropout": 0.0}


def train_model() -> TextModel:
    """The model in the pictures, which has read sentences of the demonstration."""
    draw = random.Random(0)
    torch.manual_seed(0)
    drawn = [language_sentence(draw.randint(NEAREST, FARTHEST), draw) for _ in range(SENTENCES)]
    texts = [f"{sentence.text} {sentence.answer}.\n" for sentence in drawn]
    tokenizer = WordTokenizer.build(texts)
    by_length = defaultdict(list)
    for text in texts:
        tokens = torch.from_numpy(tokenizer.encode(text))
        by_length[len(tokens)].append(tokens)
    groups = [torch.stack(group, 1) for group in by_length.values() if len(group) >= BATCH]
    model = LanguageModel(tokenizer.size, "lstm", **SIZES)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, STEPS)
    for _ in range(STEPS):
        (group,) = draw.choices(groups, [group.shape[1] for group in groups])
        batch = group[:, torch.tensor(draw.sample(range(group.shape[1]), BATCH))]
        optimizer.zero_grad()
        model.loss(batch[:-1], batch[1:])[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        falling.step()
    config = {"tokenizer": tokenizer.to_dict(), "cell": "lstm", "model": SIZES}
    return TextModel(config, {}, model.eval(), tokenizer)


def photograph(page: Page) -> None:
    """Write the pictures, and print what the text says of them."""
    page.screenshot(path=PICTURES / "explorer.png")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click(".tour-start")
    while page.inner_text(".tour .primary") != "Done":
        stop = page.get_attribute(".tour", "data-stop")
        print(f"{page.inner_text('#tour-title')}: {page.inner_text('.tour p')}\n")
        if page.locator("#memory.toured").count():
            # as it looks without the tour, which makes room for itself
            page.evaluate(TOUR_SHOWN, False)
            page.screenshot(path=PICTURES / "explorer-memory.png")
            page.evaluate(TOUR_SHOWN, True)
        page.click(".tour .primary")
        page.wait_for_selector(f".tour[data-stop='{int(stop or 0) + 1}']")
    print(page.inner_text(".tour p"), page.inner_text("#health .findings"), sep="\n")


def main() -> None:
    """Train, write the page, photograph it."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = export(train_model(), INPUT, Path(folder) / "page.html")
        print(f"the page has {path.stat().st_size / 1e6:.2f} MB")
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 1190}, color_scheme="light")
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        photograph(page)
        chromium.close()


if __name__ == "__main__":
    main()
