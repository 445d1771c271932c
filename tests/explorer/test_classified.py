"""Pages about classifiers: what they say in the page is what they say in Python."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from gatewise.data.labelled.examples import Roles
from gatewise.data.labelled.features import NumberFeatures, TextFeatures
from gatewise.data.labelled.targets import ClassTargets, NumberTargets
from gatewise.data.tokens.words import WordTokenizer
from gatewise.explorer import export
from gatewise.lens import inner_gradients
from gatewise.training.classification.model import Classifier, assemble, build_outcome

WORDS = WordTokenizer(["a", "bad", "film", "fine", "good", "it", "not", "was"])
TEXT = "It was NOT a good film, it was bad"
EDITED = "It was a good film, it was fine"
SIZES = {"embedding": 4, "word_dropout": 0.0, "hidden": 5, "layers": 2, "dropout": 0.0}
SIZES |= {"members": 1}


def classifier(features, targets, cell="lstm", **sizes):
    """A classifier with drawn weights, as clear in its answers as a trained one."""
    torch.manual_seed(2)
    described = {**SIZES, "pooling": "max", "one_way": False, **sizes}
    model = assemble(features, build_outcome(targets), cell, described)
    for parameter in model.parameters():
        parameter.data = 0.8 * torch.randn_like(parameter)
    config = {"features": features.to_dict(), "targets": targets.to_dict(), "temperature": 1.7}
    return Classifier({**config, "roles": asdict(Roles()), "model": described}, {}, model)


def text_classifier(targets, **sizes):
    return classifier(TextFeatures(WORDS, True, 9), targets, **sizes)


def say(model, given):
    """Probabilities, or the number, with a gradient."""
    encoded = torch.from_numpy(np.array(model.features.encode(given, "")))
    block = encoded.long() if model.features.kind == "text" else encoded.float()
    return model.calibrated(model.model.members[0](block[:, None]))[0]


def said(page):
    return torch.tensor(page.tell("Array.from(store.prediction(store.T - 1))"))


THREE = ClassTargets(["bad", "fair", "good"])
CASES = {
    "max": (THREE, {}),
    "mean": (THREE, {"pooling": "mean", "cell": "gru"}),
    "attention": (THREE, {"pooling": "attention"}),
    "last, both ways": (THREE, {"pooling": "last", "layers": 1}),
    "last, one way": (THREE, {"pooling": "last", "one_way": True, "cell": "peephole"}),
    "ordinal": (ClassTargets(["bad", "fair", "good"], ordered=True), {}),
    "a number": (NumberTargets(30.0, 12.0), {"pooling": "mean"}),
    "the first of several": (THREE, {"members": 3}),
}


@pytest.mark.parametrize(("targets", "sizes"), CASES.values(), ids=CASES)
def test_what_it_says_and_its_gradient_are_pythons_for_an_edited_text_too(
    opened, tmp_path, targets, sizes
):
    model = text_classifier(targets, **sizes)
    page = opened(export(model, TEXT, tmp_path / "page.html"))
    assert page.tell("store.network.difference(store.original)") < 1e-5
    for text in (TEXT, EDITED):
        page.page.click(".rewrite summary") if text == TEXT else None
        page.page.fill(".whole textarea", text)
        page.page.click(".whole button")
        page.page.keyboard.press("End")
        page.tell("store.setCursor(store.T - 1)")
        page.settle()
        expected = say(model, text).detach()
        torch.testing.assert_close(said(page), expected, atol=1e-5, rtol=1e-5)

        def answer(text=text):
            found = say(model, text)
            return found[0] if targets.kind == "regression" else found.max().log()

        for track, inner in enumerate(inner_gradients(answer)):
            for state, series in inner.values.items():
                found = page.tell(
                    "Array.from(store.gradient.tracks[a[0]].states[a[1]].data)", [track, state]
                )
                found = torch.tensor(found, dtype=torch.float32).reshape(series[:, 0].shape)
                scale = float(series.abs().max()) or 1.0
                torch.testing.assert_close(found, series[:, 0], atol=1e-5 * scale, rtol=1e-4)


@pytest.mark.parametrize(
    "cell", ["gru", "sru"]
)  # sru reads its input unit by unit: a map stands before
@pytest.mark.parametrize("gaps", [False, True])
def test_numbers_are_scaled_as_the_model_does(opened, tmp_path, cell, gaps):
    features = NumberFeatures(["left", "right"], [1.0, 5.0], [0.5, 2.0], gaps)
    model = classifier(features, THREE, cell=cell, one_way=True, layers=1)
    x = np.random.default_rng(0).normal(2, 1, (12, 2)).astype(np.float32)
    if gaps:
        x[3, 1] = np.nan
    page = opened(export(model, x, tmp_path / "page.html"))
    torch.testing.assert_close(said(page), say(model, x).detach(), atol=1e-5, rtol=0)
    page.tell("store.setCursor(4)")
    page.page.select_option("#reading select", "1")
    page.page.fill("#reading input[type=number]", "9.5")
    page.page.click("#reading button")
    page.settle()
    x[4, 1] = 9.5
    torch.testing.assert_close(said(page), say(model, x).detach(), atol=1e-5, rtol=0)
    bars = dict(
        zip(
            page.page.locator(".bar-label").all_inner_texts(),
            page.page.locator(".bar-value").all_inner_texts(),
            strict=True,
        )
    )
    assert set(bars) == {"bad", "fair", "good"}


def test_the_tour_of_a_classifier_works(opened, tmp_path):
    page = opened(export(text_classifier(THREE), TEXT, tmp_path / "page.html"))
    told = dict(page.take_tour())
    assert "what these numbers were at all steps" in told["One step at a time"]
    assert "from the end to the beginning" in told["One step at a time"]
    assert "reached directly" in told["How learning finds its way back"]


def test_the_health_report_claims_nothing_that_a_pooled_answer_cannot_tell(opened, tmp_path):
    page = opened(export(text_classifier(THREE), TEXT, tmp_path / "page.html"))
    assert "steps earlier" not in page.page.inner_text("#health")  # nor that it explodes
    assert "explode" not in page.page.inner_text("#health")
    assert "made from the outputs of all steps" in page.page.inner_text("#gradient .says")


def test_a_classifier_does_not_claim_to_expect_what_comes_next(opened, tmp_path):
    page = opened(export(text_classifier(THREE), TEXT, tmp_path / "page.html"))
    assert "next" not in page.page.inner_text("#reading")
    assert page.page.locator("#reading .guess").count() == 0
    assert "word" in page.page.inner_text("#reading .lead")


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [("", ValueError, "empty"), (np.zeros((3, 2)), TypeError, "reads a text")],
)
def test_what_does_not_suit_is_refused(given, error, says, tmp_path):
    with pytest.raises(error, match=says):
        export(text_classifier(THREE), given, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
