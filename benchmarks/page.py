"""How fast a report's page is: first rows of its questions, a jump through the list, a search, memory.

Usage: python -m benchmarks.page data/report/index.html [--repeats 5]

Each time a fresh headless Chromium opens the page at its questions. *first rows* is from the start of the navigation to
the list in the document, by the page's own clock.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks import machine

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
JUMPS = 120
# Looks at each frame until the list has a row, and keeps the moment.
FIRST_ROW = """
const look = () => {
  if (document.querySelector("#rows .row")) window.firstRow = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
# The longest time between two frames while the list is scrolled from end to end, in ms.
SLOWEST_FRAME = """
async (jumps) => {
  const list = document.querySelector("#list");
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  let slowest = 0, last = await frame();
  for (let jump = 0; jump <= jumps; jump++) {
    list.scrollTop = (list.scrollHeight - list.clientHeight) * jump / jumps;
    const now = await frame();
    slowest = Math.max(slowest, now - last);
    last = now;
  }
  return slowest;
}
"""
# From the input of a word to the summary's next text, in ms.
SEARCH = """
async (word) => {
  const summary = document.querySelector("#summary"), box = document.querySelector("#filters input[type=search]");
  const before = summary.textContent, start = performance.now();
  box.value = word;
  box.dispatchEvent(new Event("input", {bubbles: true}));
  while (summary.textContent === before) await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - start;
}
"""


def main() -> None:
    args = _arguments()
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        raise SystemExit(f"benchmarks.page: none of {', '.join(BROWSERS)} is on the path; install Debian's chromium")
    runs = []
    with sync_playwright() as playwright:
        for _ in range(args.repeats):
            browser = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
            runs.append(_look(browser, args.page.resolve().as_uri(), args.word) | {"browser": browser.version})
            browser.close()
    shown = [["", "least", "median", "most"]]
    for key, name in (("first_rows_ms", "first rows"), ("frame_ms", "slowest frame"), ("search_ms", "a search")):
        values = [run[key] for run in runs]
        ends = (min(values), statistics.median(values), max(values))
        shown.append([name, *(f"{value / 1000:.2f} s" for value in ends)])
    shown.append(["heap", "", f"{statistics.median(run['heap_mb'] for run in runs):.0f} MB", ""])
    record = {"benchmark": "page", "bytes": args.page.stat().st_size, "runs": runs, **machine.facts()}
    machine.show(shown, record)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="index.html of a report")
    parser.add_argument("--repeats", type=int, default=5, help="fresh browsers")
    parser.add_argument("--word", default="the", help="searched for")
    return parser.parse_args()


def _look(browser: Browser, address: str, word: str) -> dict[str, Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(FIRST_ROW)
    page.goto(f"{address}#questions?kind=all")
    page.wait_for_selector("#rows .row")
    return {
        "first_rows_ms": round(page.evaluate("window.firstRow"), 1),
        "frame_ms": round(page.evaluate(SLOWEST_FRAME, JUMPS), 1),
        "search_ms": round(page.evaluate(SEARCH, word), 1),
        "heap_mb": round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1),
    }


if __name__ == "__main__":
    main()
