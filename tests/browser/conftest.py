"""A headless Chromium of the system, and pages opened in it that must make no request and log no error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Playwright gives each start a profile of its own. Tests are skipped where there is no browser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("there is no Chromium on the path; Debian: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: make .venv/installed-dev"
    )
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, headless=True, args=OPTIONS.split())
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """visit(file, part="", width=1280, height=3000, script="", **options of a page) -> the page, ready. At the end: no
    console message, no error and no request but for the files themselves."""
    pages: list[Any] = []
    seen: list[str] = []

    def open_page(
        file: Path, part: str = "", width: int = 1280, height: int = 3000, script: str = "", **options: Any
    ) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("request", lambda request: seen.append(request.url) if not request.url.startswith("file:") else None)
        if script:
            page.add_init_script(script)
        page.goto(f"{file.as_uri()}{part}")
        page.wait_for_selector("body[data-ready], #notice:not([hidden])")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert seen == []
