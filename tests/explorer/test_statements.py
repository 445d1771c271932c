"""What the page says in words is true: percents, the health report, comparisons, the tour."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.explorer import export


def test_percents_near_an_end_do_not_look_like_the_end(pages, opened):
    page = opened(pages.paths["lstm"])
    shares = [0.9996, 0.996, 0.9949, 0.98, 0.4, 0.0949, 0.0004, 1.0, 0.0]
    for k in range(0, len(shares), 6):  # the page lists six
        some = shares[k : k + 6]
        page.tell("(store.prediction = () => a, store.mark('run'), store.flush())", some)
        found = page.page.locator(".bar-value").all_inner_texts()
        wanted = dict(zip(shares, EXPECTED, strict=True))
        assert found == [wanted[share] for share in sorted(some, reverse=True)]


EXPECTED = [">99.9%", "99.6%", "99.5%", "98%", "40%", "9.5%", "<0.1%", "100%", "0%"]


def test_the_health_report_tells_of_the_changed_model_and_not_of_what_the_reader_holds(
    pages, opened
):
    page = opened(pages.paths["lstm"])
    assert "as you changed them" not in page.page.inner_text("#health")
    page.page.click("text=Forget nothing")
    page.settle()
    report = page.page.inner_text("#health")
    assert "as you changed them" in report
    assert "keep a value for good" in report
    assert "Infinity" not in report
    assert "f is open nearly everywhere" not in report
    page.page.click("text=Back to the original >> nth=0")
    page.page.click("text=Forget everything")
    page.settle()
    assert "for less than a tenth of a step" in page.page.inner_text("#health")
    assert page.page.locator("#health .advice").count() == 0


def test_a_gradient_that_vanishes_in_a_gated_cell_is_not_blamed_on_having_no_gate(opened, tmp_path):
    for layer, advice in (
        (nn.LSTM(3, 4), "forget bias of 1"),
        (nn.RNN(3, 4), "with a forget gate"),
    ):
        page = opened(export(layer, torch.randn(60, 3), tmp_path / "page.html"))
        line = page.page.inner_text("#health li:has-text('vanishes')")
        assert advice in line
        assert ("with a forget gate" in line) == isinstance(layer, nn.RNN)


def test_a_what_if_says_how_far_the_output_of_a_layer_moves(opened, tmp_path):
    torch.manual_seed(0)
    layer, x = gw.LSTM(3, 4), torch.randn(9, 3)
    page = opened(export(layer, x, tmp_path / "page.html"))
    page.page.click("text=Write nothing")
    page.settle()
    said = page.page.inner_text("#whatif .says")
    assert said == "The output at step 8 has moved by 100% of its length."  # to zero


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_the_tour_of_a_layer_of_torchs_stacked_and_both_ways(opened, tmp_path, kind):
    torch.manual_seed(0)
    layer = kind(3, 5, num_layers=2, bidirectional=True)
    page = opened(export(layer, torch.randn(40, 3), tmp_path / "page.html"))
    told = dict(page.take_tour())
    assert "from the end to the beginning" in told["One step at a time"]
    lost = told["Why a plain RNN forgets"]
    assert "falls from" in lost
    assert "<0.1%" not in lost  # a power of ten says how far


def test_an_answer_that_rises_without_the_memory_is_not_said_to_fall(pages, opened):
    page = opened(pages.paths["lstm"])
    page.tell(
        "(window.real = store.prediction.bind(store), store.prediction = (t, run) => "
        "window.real(t, run).map((p) => (store.isChanged ? 0.5 : 0.2)))"
    )
    told = dict(page.take_tour())["Why a plain RNN forgets"]
    assert "rises from 20% to 50%. So what the memory held spoke against" in told
