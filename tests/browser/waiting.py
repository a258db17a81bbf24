"""Waiting for a page that lets no text run as code, as ours does: Playwright's own `wait_for_function` looks the second
time by `eval` inside of the page, which the page's policy refuses."""

from __future__ import annotations

import time
from typing import Any

TIMEOUT_S = 30


def wait_until(page: Any, expression: str, arg: Any = None) -> None:
    """Until the JavaScript `expression`, or the function of `arg` that it is, is true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(20)


def wait_for_text(page: Any, selector: str, text: str) -> None:
    """Until the first element of `selector` says `text`: after a link is clicked the page follows the address a moment
    later."""
    wait_until(page, "([selector, text]) => document.querySelector(selector)?.textContent === text", [selector, text])
