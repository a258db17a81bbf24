"""Runs to score: random ones, the official script's own cases, and answers as postprocess gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from spanline.answers import Answers, Thresholds
from spanline.no_answer.rule import apply_threshold
from tests.paths import GOLDEN, SHARED

TO_THE_DIGIT = 1e-9
EDGE_GOLD, EDGE_CASES = GOLDEN / "official/edge_gold.json", GOLDEN / "official/edge_cases.json"
real_files = pytest.mark.skipif(
    not (SHARED / "official_scores").is_dir(), reason="needs official_scores in the folder that SPANLINE_SHARED names"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_gold(path: Path) -> dict[str, list[str]]:
    """Gold answers by question id of an official file, read plainly."""
    paragraphs = [paragraph for article in read(path)["data"] for paragraph in article["paragraphs"]]
    return {qa["id"]: [a["text"] for a in qa["answers"]] for paragraph in paragraphs for qa in paragraph["qas"]}


def assert_same(ours: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert list(ours) == list(expected)
    assert dict(ours) == pytest.approx(dict(expected), rel=0, abs=TO_THE_DIGIT)


def answers_at(
    best_spans: Mapping[str, str],
    score_diff: Mapping[str, float | None],
    na_prob: Mapping[str, float],
    applied: float,
    calibrated: float | None,
) -> Answers:
    """What postprocess gives for these best spans at the applied threshold."""
    predictions = apply_threshold(best_spans, score_diff, applied)
    counts = dict.fromkeys(best_spans, 1)
    return Answers(predictions, best_spans, score_diff, na_prob, counts, Thresholds(applied, calibrated))


PIECES = ["a", "A", "an", "the", "The", "x", "y", "Hale", "1,000", ".", "-", "'", "_", "—", "“", "½", "é", "e\u0301"]
ODD = ["İ", "ß", "Σ", "東京", "\u00a0", "\u200b", "\u001f", " ", "  ", "😀", "\u0301"]
texts = st.one_of(
    st.just(""),
    st.lists(st.sampled_from(PIECES + ODD), max_size=6).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join),
    st.text(max_size=8),
)
questions = st.lists(
    st.tuples(st.lists(texts, max_size=3), texts, st.sampled_from([0.0, 0.2, 0.5, 1.0]) | st.floats(0, 1)),
    min_size=1,
    max_size=12,
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, str], dict[str, float]]:
    """Gold, predictions (often a gold answer) and na_prob (often tied), the latter in an order of its own."""
    rows = {f"q{number}": row for number, row in enumerate(draw(questions))}
    same = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    gold = {qid: row[0] for qid, row in rows.items()}
    copied = zip(rows.items(), same, strict=True)
    predictions = {qid: row[0][0] if row[0] and copy else row[1] for (qid, row), copy in copied}
    return gold, predictions, {qid: rows[qid][2] for qid in draw(st.permutations(list(rows)))}
