"""How fast the explorer's page redraws, and how large it is: `python -m benchmarks.explorer`.

It writes pages about layers with drawn weights, opens them in Chromium (its name may be given) with
the network off, sorts the units anew several times, and prints the time of a whole redraw, the
fastest and the median, and how many requests the page made.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

import gatewise as gw
from gatewise.explorer import export
from gatewise.lens.table import format_table

CASES = {  # by name: a layer, its steps
    "nn.LSTM, 100 steps × 64 units": (torch.nn.LSTM(64, 64), 100),
    "nn.LSTM, 1,000 steps × 512 units": (torch.nn.LSTM(64, 512), 1000),
    "QRNN, 1,000 steps × 512 units": (gw.Recurrent("qrnn", 64, 512), 1000),
}
REDRAW = """(times) => {
    const store = window.gatewise, taken = [];
    for (let k = 0; k < times; k++) {
        const begin = performance.now();
        store.set("sort", k % 2 ? "timescale" : "number");
        store.flush();
        taken.push(performance.now() - begin);
    }
    return taken;
}"""


def measure(browser: Any, path: Path) -> tuple[float, list[float], list[str]]:
    """Seconds until a page is ready, milliseconds of redraws, and what the page asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page, asked = context.new_page(), []
    page.set_default_timeout(600_000)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    ready = page.evaluate("performance.now()") / 1000
    taken = page.evaluate(REDRAW, 20)
    context.close()
    return ready, taken, [url for url in asked if not url.startswith(("file:", "data:"))]


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox"]
        )
        for name, (layer, steps) in CASES.items():
            path = export(layer, torch.randn(steps, 64), Path(folder) / "page.html")
            ready, taken, asked = measure(browser, path)
            rows.append(
                (
                    name,
                    f"{path.stat().st_size / 1e6:.2f} MB",
                    f"{ready:.1f} s",
                    f"{min(taken):.0f} ms",
                    f"{statistics.median(taken):.0f} ms",
                    str(len(asked)),
                )
            )
        browser.close()
    header = ("page", "size", "ready after", "fastest redraw", "median", "requests")
    print(format_table(header, rows))


if __name__ == "__main__":
    main()
