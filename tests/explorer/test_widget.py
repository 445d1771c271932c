"""The page in a notebook: a widget, and the same as plain HTML for where there is no kernel."""

from __future__ import annotations

import html
import re

import pytest
import torch

import gatewise as gw
from gatewise.explorer import explore
from gatewise.explorer.widget import SCRIPT

pytest.importorskip("anywidget")


def test_the_widget_holds_the_page():
    shown = explore(gw.LSTM(3, 4), torch.randn(6, 3), height=500)
    assert shown.page.startswith("<!doctype html>")
    assert shown.height == 500
    data, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    found = re.search(r'srcdoc="(.*?)"', data["text/html"], re.DOTALL)
    assert html.unescape(found[1]) == shown.page


def test_the_frame_runs_the_page_without_a_kernel(browser, tmp_path):
    data, _ = explore(gw.LSTM(3, 4), torch.randn(6, 3))._repr_mimebundle_()
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><body>{data['text/html']}</body>", encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    assert frame.locator("h1").inner_text() == "LSTM, 6 steps"
    context.close()


def test_everything_can_be_changed_inside_the_frame(browser, tmp_path):
    shown = explore(gw.LSTM(3, 4), torch.randn(6, 3))
    path = tmp_path / "notebook.html"
    data, _ = shown._repr_mimebundle_()
    path.write_text(f"<!doctype html><body>{data['text/html']}</body>", encoding="utf-8")
    context = browser.new_context(offline=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.locator("#reading input[type=number]").fill("2.5")
    frame.locator("#reading form button").click()  # a form: a sandbox allows none by itself
    frame.locator(".badge:not([hidden])").wait_for()
    assert frame.locator(".changes li").all_inner_texts()[0].startswith("the input is edited")
    frame.locator("#whatif form button[type=submit]").click()
    frame.locator(".changes li:has-text('held at 0')").wait_for()
    frame.locator("nav a >> nth=5").click()
    assert frame.locator("#whatif-title:focus").count() == 1  # and not the notebook in the frame
    frame.locator(".tour-start").press("Enter")
    frame.locator(".tour[data-stop='0']").wait_for()
    assert said == []
    context.close()


def test_the_widgets_script_makes_the_frame(browser):
    shown = explore(gw.GRU(3, 4), torch.randn(5, 3))
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.evaluate(
        """async ([script, values]) => {
            const module = await import("data:text/javascript," + encodeURIComponent(script));
            module.default.render({model: {get: (name) => values[name]}, el: document.body});
        }""",
        [
            SCRIPT,
            {"page": shown.page, "title": shown.title, "height": 300, "allowed": shown.allowed},
        ],
    )
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    assert frame.locator("h1").inner_text() == "GRU, 5 steps"
    context.close()
