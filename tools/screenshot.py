"""The picture of the report in README.md: `python -m tools.screenshot` after `dvc repro`, with a Chromium installed."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from spanline.common import console
from spanline.common.errors import SpanlineError

WIDTH, HEIGHT = 1120, 700


def main() -> None:
    """Open the page at its questions, and keep what is seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("data/report/index.html"), help="in")
    parser.add_argument("--out", type=Path, default=Path("docs/report.png"), help="out")
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise SpanlineError("tools.screenshot", "there is no Chromium on the path", "Debian: apt-get install chromium")
    if not args.page.is_file():
        raise SpanlineError(args.page, "there is no such file", "run the stage that makes it: dvc repro report")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"{args.page.resolve().as_uri()}#questions")
        page.wait_for_selector("body[data-ready]")
        page.screenshot(path=args.out)
        browser.close()
    console.say(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    console.run(main)
