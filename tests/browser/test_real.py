"""The page of the whole official dev set: small enough to send, and all of its questions are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanline.download import formats
from spanline.report import questions, run
from tests.browser.waiting import wait_until
from tests.make.reported import write_answers

pytestmark = pytest.mark.slow
MOST_BYTES = 2_500_000


def test_all_questions_of_dev_in_two_and_a_half_megabytes(
    shared: Path, tmp_path: Path, visit: Callable[..., Any]
) -> None:
    path = shared / "squad_v2/dev-v2.0.json"
    examples = list(formats.read_official(path, str(path)))
    write_answers(tmp_path / "answers", examples, seed=1, most=20)
    answered = questions.read_run(tmp_path / "answers", "dev", examples)
    html = run.page(examples, [answered], None, {"title": "dev", "verdict": "", "comparison": "", "commit": ""})
    assert len(html.encode()) <= MOST_BYTES
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    page = visit(tmp_path / "index.html", "#questions?kind=all&label=asked+again%2C+with+contradicting+labels")
    assert page.locator(".row .flag").count() == page.locator(".row").count() == 16
    totals = answered.totals(examples)
    assert (
        page.locator("#summary span")
        .text_content()
        .endswith(" F1 of 16 questions (label: asked again, with contradicting labels)")
    )
    page.goto(f"{(tmp_path / 'index.html').as_uri()}#questions?kind=all")
    wait_until(page, "document.querySelector('#summary span').textContent.includes('11,873')")
    shown = page.locator("#summary span").text_content()
    assert shown == f"{totals['exact']:.1f} exact, {totals['f1']:.1f} F1 of 11,873 questions"
