"""Everything about one run: the sections' numbers are the scorer's and the probability's; parts may be empty."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from spanline import metrics, scoring
from spanline.errors import SpanlineError
from spanline.files import to_json, write_text
from spanline.squad import Answer, Example

PARAMS = scoring.ScoreParams(seed=1, bootstrap_resamples=100, calibration_bins=5)
CONTEXT = "Ash Ferry crosses the Wend at Holm."


def example(qid: str, title: str, *answers: str) -> Example:
    return Example(qid, title, CONTEXT, "What?", tuple(Answer(text, CONTEXT.index(text)) for text in answers))


EXAMPLES = [example("a", "Ferries", "Ash Ferry"), example("b", "Ferries"), example("c", "Rivers", "the Wend", "Wend")]
ANSWERS = scoring.Answers(
    predictions={"a": "Ash Ferry", "b": "", "c": ""},
    best_spans={"a": "Ash Ferry", "b": "Holm", "c": "Wend"},
    score_diff={"a": -1.0, "b": None, "c": 0.75},
    na_prob={"a": 0.25, "b": 1.0, "c": 0.5},
    num_features={"a": 1, "b": 1, "c": 2},
    applied_threshold=0.5,
    calibrated_threshold=1.0,
)


def test_sections() -> None:
    sections = scoring.score(EXAMPLES, ANSWERS, PARAMS).sections
    assert list(sections) == [
        "answers",
        "at_threshold_0",
        "at_calibrated_threshold",
        "at_oracle_threshold",
        "intervals_95_percent",
        "no_answer_probability",
        "precision_recall",
    ]
    given = (ANSWERS.predictions, ANSWERS.best_spans, ANSWERS.score_diff, ANSWERS.na_prob, 0.5, 1.0)
    assert sections.items() >= metrics.score_report(EXAMPLES, *given).items()
    assert sections["intervals_95_percent"]["articles"] == 2
    quality = sections["no_answer_probability"]
    assert quality["brier_score"] == pytest.approx((0.25**2 + 0 + 0.5**2) / 3)
    assert quality["expected_calibration_error"] == pytest.approx((0.25 + 0 + 0.5) / 3)
    assert sections["precision_recall"] == {"pr_exact_ap": 100.0, "pr_f1_ap": 100.0, "pr_oracle_ap": 100.0}


def test_slices_are_of_the_answers_as_written() -> None:
    rows = {row.slice: row for row in scoring.score(EXAMPLES, ANSWERS, PARAMS).slices}
    assert rows["features: 2"] == ("features: 2", 1, 0.0, 0.0)  # `c` is blanked, though its best span is right
    assert rows["answerable: no"].exact == 100.0


def test_summary_names_interval_and_probability() -> None:
    lines = scoring.summary(scoring.score(EXAMPLES, ANSWERS, PARAMS)).splitlines()
    assert lines[-2].startswith(
        "95 % interval          exact 50.00 to 100.00, f1 50.00 to 100.00, over 2 articles"[:22]
    )
    assert lines[-1] == "no-answer probability  Brier score 0.1042, calibration error 0.2500"


@pytest.mark.parametrize("kept", [["a", "c"], ["b"]])
def test_only_one_kind_of_question(kept: list[str]) -> None:
    """All files come out, with strict JSON and without the keys of what isn't there."""

    def only(column: dict[str, object]) -> dict[str, object]:
        return {qid: column[qid] for qid in kept}

    columns = {name: value for name, value in vars(ANSWERS).items() if isinstance(value, dict)}
    answers = dataclasses.replace(ANSWERS, calibrated_threshold=None, **{k: only(v) for k, v in columns.items()})
    scored = scoring.score([e for e in EXAMPLES if e.id in kept], answers, PARAMS)
    assert "at_calibrated_threshold" not in scored.sections
    assert len(scored.plots) == 6
    assert all(text.count("\n") >= 2 for text in scored.plots.values())
    assert ("pr_f1_ap" in scored.sections["precision_recall"]) == (kept == ["a", "c"])
    assert to_json(scored.sections)
    assert scoring.summary(scored)


def test_missing_and_unknown_num_features_are_refused() -> None:
    answers = dataclasses.replace(ANSWERS, num_features={"a": 1})
    with pytest.raises(SpanlineError, match="num_features: 2 questions are missing, the first is 'b'"):
        scoring.score(EXAMPLES, answers, PARAMS)
    answers = dataclasses.replace(ANSWERS, num_features={**ANSWERS.num_features, "a": 1.5})
    with pytest.raises(SpanlineError, match="num_features: 1 values are not whole numbers, the first is 'a'"):
        scoring.score(EXAMPLES, answers, PARAMS)


def write_answers(folder: Path, **changed: Any) -> Path:
    named = {"null_odds": ANSWERS.score_diff, "thresholds": {"applied": 0.5, "calibrated": None}}
    same = {name: getattr(ANSWERS, name) for name in ("predictions", "best_spans", "na_prob", "num_features")}
    for name, content in {**named, **same, **changed}.items():
        write_text(folder / f"{name}.json", to_json(content))
    return folder


def test_reads_the_folder(tmp_path: Path) -> None:
    expected = dataclasses.replace(ANSWERS, calibrated_threshold=None)
    assert scoring.Answers.read(write_answers(tmp_path)) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("na_prob", [], "na_prob.json: is not a JSON object; make it anew: dvc repro -s -f postprocess"),
        ("thresholds", {"calibrated": 1.0}, "thresholds.json: has no thresholds in logits; make it anew"),
        ("thresholds", {"applied": 0.0, "calibrated": "1"}, "thresholds.json: has no thresholds in logits"),
    ],
)
def test_refuses_other_files(name: str, content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpanlineError, match=message):
        scoring.Answers.read(write_answers(tmp_path, **{name: content}))
