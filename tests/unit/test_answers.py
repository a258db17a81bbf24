"""Postprocess writes the official formats; one threshold rule; na_prob sorts exactly as score_diff does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanline import answers
from spanline.answers import AnswerSearchParams, Calibration, PostprocessParams
from spanline.errors import SpanlineError
from spanline.ragged import bounds_of
from spanline.spans import Found, NBest, Span
from spanline.texts import Texts
from spanline.threshold import apply_threshold
from tests.unit.builders import encoded, random_logits, template
from tests.unit.test_windows import cut

CALIBRATION = Calibration(null_score_diff_threshold=0.5, slope=0.7, intercept=-0.2)


def found(qid: str, null_score: float, *scores: float) -> Found:
    """Candidates "text 0", "text 1", ... whose scores are twice these logits."""
    spans = [Span(f"text {n}", 7 * n, 7 * n + 6, score / 2, score / 2) for n, score in enumerate(scores)]
    return Found(qid, null_score, spans)


def in_columns(rows: list[Found]) -> NBest:
    """The inverse of `NBest.rows`; a question's context is blank but for its spans."""
    spans = [span for row in rows for span in row.spans]
    contexts = []
    for row in rows:
        context = list(" " * max((span.end for span in row.spans), default=0))
        for span in row.spans:
            context[span.start : span.end] = span.text
        contexts.append("".join(context))
    return NBest(
        ids=[row.id for row in rows],
        null_score=np.array([row.null_score for row in rows], np.float64),
        texts=Texts.of(contexts),
        text_of=np.arange(len(rows)),
        bounds=bounds_of(np.array([len(row.spans) for row in rows], np.int64)),
        start=np.array([span.start for span in spans], np.int64),
        end=np.array([span.end for span in spans], np.int64),
        start_logit=np.array([span.start_logit for span in spans], np.float32),
        end_logit=np.array([span.end_logit for span in spans], np.float32),
    )


def written(
    rows: list[Found], threshold: float, calibration: Calibration = CALIBRATION, workers: int = 1
) -> dict[str, Any]:
    """File name -> what a reader of the JSON gets."""
    columns = in_columns(rows)
    result = answers.files(columns, {f.id: 1 for f in rows}, threshold, calibration)
    contents = {**result.contents, "nbest.json": b"".join(answers.nbest_json(columns, workers))}
    return {name: json.loads(content) for name, content in contents.items()}


FOUND = [found("sure", -3.0, 4.0, 1.0), found("at", 2.5, 2.0), found("above", 2.75, 2.0), found("none", 1.0)]


def test_the_files_and_their_formats() -> None:
    contents = written(FOUND, 0.5)
    names = ("predictions", "best_spans", "null_odds", "na_prob", "nbest", "num_features", "thresholds")
    assert set(contents) == {f"{name}.json" for name in names}
    assert contents["predictions.json"] == {"sure": "text 0", "at": "text 0", "above": "", "none": ""}
    assert contents["best_spans.json"] == {"sure": "text 0", "at": "text 0", "above": "text 0", "none": ""}
    assert contents["null_odds.json"] == {"sure": -7.0, "at": 0.5, "above": 0.75, "none": None}
    assert contents["thresholds.json"] == {"applied": 0.5, "calibrated": 0.5}
    na_prob = contents["na_prob.json"]
    assert set(na_prob) == {"sure", "at", "above", "none"}
    assert na_prob["none"] == 1.0
    assert 0 < na_prob["sure"] < na_prob["at"] < na_prob["above"] < 1
    assert na_prob["at"] == pytest.approx(1 / (1 + math.exp(-(0.7 * 0.5 - 0.2))), abs=1e-6)


def test_nbest_has_the_null_answer_at_its_place() -> None:
    nbest = written([found("q", 1.0, 4.0, 1.0, 0.5)], 0.0)["nbest.json"]["q"]
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


def test_texts_of_any_script_come_back_and_the_bytes_are_utf_8() -> None:
    text = 'Zoë "🎉"\u2028\n馆'
    rows = [Found("qü", 0.0, [Span(text, 0, len(text), 1.0, 1.0)])]
    contents = written(rows, 0.0)
    assert contents["nbest.json"]["qü"][0]["text"] == contents["predictions.json"]["qü"] == text
    raw = b"".join(answers.nbest_json(in_columns(rows))).decode()
    assert "馆" in raw
    assert raw.endswith("}\n")


def test_no_questions_give_empty_files() -> None:
    contents = written([], 0.0)
    assert contents.pop("thresholds.json") == {"applied": 0.0, "calibrated": 0.5}
    assert all(content == {} for content in contents.values())


def test_nbest_of_a_question_without_a_span_is_the_null_answer_alone() -> None:
    nbest = written([found("q", -2.0)], 0.0)["nbest.json"]["q"]
    assert nbest == [{"text": "", "score": -2.0, "probability": 1.0}]


LOGITS = st.floats(-1e4, 1e4, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=2, max_size=20), st.floats(0.01, 5), st.floats(-3, 3))
def test_na_prob_sorts_as_score_diff(pairs: list[tuple[float, float]], slope: float, intercept: float) -> None:
    rows = [found(f"q{n}", null, score) for n, (null, score) in enumerate(pairs)]
    contents = written(rows, 0.0, Calibration(0.0, slope, intercept))
    diffs, probs = ([contents[name][f.id] for f in rows] for name in ("null_odds.json", "na_prob.json"))
    assert all(0 <= prob <= 1 for prob in probs)
    order = sorted(range(len(rows)), key=diffs.__getitem__)
    assert [probs[n] for n in order] == sorted(probs)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=20), LOGITS, st.floats(0, 10))
def test_a_higher_threshold_blanks_no_answer(pairs: list[tuple[float, float]], low: float, more: float) -> None:
    rows = [found(f"q{n}", null, score) for n, (null, score) in enumerate(pairs)]
    before, after = (written(rows, at) for at in (low, low + more))
    for qid, text in before["predictions.json"].items():
        assert not text or after["predictions.json"][qid] == text
    # the rule that score applies to the same files
    assert before["predictions.json"] == apply_threshold(before["best_spans.json"], before["null_odds.json"], low)


def test_the_threshold_is_the_number_or_the_calibrated_one() -> None:
    assert answers.threshold_of(params(-1), CALIBRATION) == -1.0
    assert answers.threshold_of(params("calibrated"), CALIBRATION) == 0.5


def params(threshold: Any) -> PostprocessParams:
    return PostprocessParams(n_best_size=20, null_score_diff_threshold=threshold)


def test_calibrated_without_a_calibration_split_is_one_line() -> None:
    with pytest.raises(SpanlineError) as caught:
        answers.threshold_of(params("calibrated"), Calibration(None, 1.0, 0.0))
    assert str(caught.value) == (
        "params.yaml: postprocess.null_score_diff_threshold is 'calibrated', but there is no calibration split "
        "(download.calibration_fraction is 0); set it to a number, as 0.0"
    )
    assert answers.threshold_of(params(0.25), Calibration(None, 1.0, 0.0)) == 0.25


@pytest.mark.parametrize("content", ["{}", "[]", '{"slope": 1.0}'])
def test_what_is_no_calibration_is_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(SpanlineError) as caught:
        Calibration.read(path)
    assert str(caught.value) == f"{path}: is no calibration; make it anew: dvc repro -s -f calibrate"


def test_a_calibration_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"null_score_diff_threshold": 0.5, "slope": 0.7, "intercept": -0.2, "questions": 3}))
    assert Calibration.read(path) == CALIBRATION


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20), min_size=1, max_size=4))
def test_softmax(rows: list[list[float]]) -> None:
    bounds = bounds_of(np.array([len(row) for row in rows], np.int64))
    result = answers.softmax(np.array([score for row in rows for score in row]), bounds)
    for row, low, high in zip(rows, bounds[:-1], bounds[1:], strict=True):
        values = np.exp(np.array(row) - max(row))
        assert result[low:high].tolist() == pytest.approx((values / values.sum()).tolist())


@pytest.mark.parametrize(("at_a_time", "workers"), [(1, 1), (4, 3), (1000, 2)])
def test_nbest_is_the_same_however_many_spans_are_written_at_a_time(
    at_a_time: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a record is what Python's own encoder makes of it, floats in the shortest form that reads back the same."""
    monkeypatch.setattr(answers, "SPANS_AT_A_TIME", at_a_time)
    rows = [*FOUND, found("q", 0.1, 0.2, 1e-7, -3e8)]
    assert written(rows, 0.0, workers=workers)["nbest.json"] == {row.id: entries(row) for row in rows}


def entries(row: Found) -> list[dict[str, Any]]:
    scores = [*(span.score for span in in_columns([row]).rows()[0].spans), row.null_score]
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


def test_find_searches_every_question_and_refuses_others() -> None:
    data = cut(encoded([1, 1], [[(0, 2), (3, 5)], [(0, 1)]]), template(), 16, 0)
    rules = AnswerSearchParams(max_answer_length=2, max_context=False, top_n=None)
    logits = random_logits(data, 0)
    result = answers.find(data, logits, {"q1": "x", "q0": "ab cd"}, 20, rules)  # the squad file in another order
    assert [(row.id, {span.text for span in row.spans}) for row in result.rows()] == [
        ("q0", {"ab", "cd", "ab cd"}),
        ("q1", {"x"}),
    ]
    for contexts in ({"q0": "ab cd"}, {"q0": "ab cd", "q2": "x"}, {"q0": "ab cd", "q1": "x", "q2": "y"}):
        with pytest.raises(SpanlineError) as caught:
            answers.find(data, logits, contexts, 20, rules)
        what = f"are of other questions than the squad file (2 and {len(contexts)} questions)"
        assert str(caught.value) == f"features: {what}; make them anew: dvc repro featurize"


def test_the_last_line() -> None:
    result = answers.files(in_columns(FOUND), {}, 0.5, CALIBRATION)
    expected = '4 questions: 2 answered with "" at threshold 0.5000 logits'
    assert answers.summary(result.predictions, 0.5) == expected
