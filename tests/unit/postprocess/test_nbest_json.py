"""nbest.json is what `entries` says of each question, and that is what Python's own means make of it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline.postprocess import nbest_json
from spanline.search.nbest import Found
from spanline.search.texts import Texts
from spanline.storage.ragged import bounds_of
from tests.make.found import found, in_columns

FOUND = [found("sure", -3.0, 4.0, 1.0), found("at", 2.5, 2.0), found("above", 2.75, 2.0), found("none", 1.0)]


def read(rows: list[Found], workers: int = 1) -> dict[str, list[dict[str, Any]]]:
    """What a reader of the file gets."""
    content: dict[str, list[dict[str, Any]]] = json.loads(b"".join(nbest_json.nbest_json(in_columns(rows), workers)))
    return content


def test_nbest_has_the_null_answer_at_its_place() -> None:
    nbest = read([found("q", 1.0, 4.0, 1.0, 0.5)])["q"]
    assert [entry["text"] for entry in nbest] == ["text 0", "text 1", "", "text 2"]  # of equals, the span first
    assert nbest[1] == {
        "text": "text 1",
        "start_logit": 0.5,
        "end_logit": 0.5,
        "start": 7,
        "end": 13,
        "probability": nbest[2]["probability"],
    }
    assert set(nbest[2]) == {"text", "score", "probability"}
    exps = [math.exp(score) for score in (4.0, 1.0, 1.0, 0.5)]
    assert [entry["probability"] for entry in nbest] == pytest.approx([value / sum(exps) for value in exps])


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20), min_size=1, max_size=4))
def test_softmax(rows: list[list[float]]) -> None:
    bounds = bounds_of(np.array([len(row) for row in rows], np.int64))
    result = nbest_json.softmax(np.array([score for row in rows for score in row]), bounds)
    for row, low, high in zip(rows, bounds[:-1], bounds[1:], strict=True):
        values = np.exp(np.array(row) - max(row))
        assert result[low:high].tolist() == pytest.approx((values / values.sum()).tolist())


@pytest.mark.parametrize(("at_a_time", "workers"), [(1, 1), (4, 3), (1000, 2)])
def test_nbest_is_the_same_however_many_spans_are_written_at_a_time(
    at_a_time: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a record is what Python's own encoder makes of it, floats in the shortest form that reads back the same."""
    monkeypatch.setattr(nbest_json, "SPANS_AT_A_TIME", at_a_time)
    rows = [*FOUND, found("q", 0.1, 0.2, 1e-7, -3e8)]
    rows = in_columns(rows).rows()  # logits rounded to float32
    assert read(rows, workers) == {row.id: by_definition(row) for row in rows}


def by_definition(row: Found) -> list[dict[str, Any]]:
    scores = [*(span.score for span in row.spans), row.null_score]
    weights = [math.exp(score - max(scores)) for score in scores]
    probabilities = [float(str(np.float32(weight / sum(weights)))) for weight in weights]
    shown: list[tuple[float, bool, dict[str, Any]]] = [
        (
            -score,
            False,
            {
                "text": span.text,
                "start_logit": float(str(np.float32(span.start_logit))),
                "end_logit": float(str(np.float32(span.end_logit))),
                "start": span.start,
                "end": span.end,
                "probability": probability,
            },
        )
        for span, score, probability in zip(row.spans, scores, probabilities, strict=False)
    ]
    null = {"text": "", "score": row.null_score, "probability": probabilities[-1]}
    ordered = sorted([*shown, (-row.null_score, True, null)], key=lambda entry: entry[:2])
    return [entry for _, _, entry in ordered]


SCORES = st.floats(-50, 50, width=32)


@settings(deadline=None)
@given(st.lists(st.tuples(SCORES, st.lists(SCORES, max_size=5)), max_size=6))
def test_the_columns_say_what_the_entries_say(given_: list[tuple[float, list[float]]]) -> None:
    rows = [found(f"q{n}", null, *sorted(scores, reverse=True)) for n, (null, scores) in enumerate(given_)]
    rows = in_columns(rows).rows()
    assert read(rows) == {row.id: nbest_json.entries(row) for row in rows}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=4), st.data())
def test_a_slice_of_escaped_texts_is_what_stands_between_the_quotes(texts: list[str], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(texts[row])))
    end = data.draw(st.integers(start, len(texts[row])))
    rows, starts, ends = (np.array([number]) for number in (row, start, end))
    shown = nbest_json.escaped(Texts.of(texts)).cut(rows, starts, ends)[0].as_py()
    assert json.loads(f'"{shown}"') == texts[row][start:end]
