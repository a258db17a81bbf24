"""Everything about one run: the sections' numbers are the scorer's and the probability's; parts may be empty."""

from __future__ import annotations

import dataclasses

import pytest

from spanline.answers import Answers, Limits, Thresholds
from spanline.common.errors import SpanlineError
from spanline.common.files import to_json
from spanline.dataset.records import Example, GoldAnswer
from spanline.score import report, run
from spanline.score.params import ScoreParams

PARAMS = ScoreParams(seed=1, bootstrap_resamples=100, calibration_bins=5)
CONTEXT = "Ash Ferry crosses the Wend at Holm."


def example(qid: str, title: str, *answers: str) -> Example:
    return Example(qid, title, CONTEXT, "What?", tuple(GoldAnswer(text, CONTEXT.index(text)) for text in answers))


EXAMPLES = [example("a", "Ferries", "Ash Ferry"), example("b", "Ferries"), example("c", "Rivers", "the Wend", "Wend")]
ANSWERS = Answers(
    predictions={"a": "Ash Ferry", "b": "", "c": ""},
    best_spans={"a": "Ash Ferry", "b": "Holm", "c": "Wend"},
    score_diff={"a": -1.0, "b": None, "c": 0.75},
    na_prob={"a": 0.25, "b": 1.0, "c": 0.5},
    num_features={"a": 1, "b": 1, "c": 2},
    thresholds=Thresholds(applied=0.5, calibrated=1.0),
)


def test_sections() -> None:
    sections = run.score_run(EXAMPLES, ANSWERS, PARAMS).sections
    assert list(sections) == [
        "answers",
        "at_threshold_0",
        "at_calibrated_threshold",
        "at_oracle_threshold",
        "intervals_95_percent",
        "no_answer_probability",
        "precision_recall",
    ]
    assert sections.items() >= report.sections(report.checked_run(EXAMPLES, ANSWERS), ANSWERS.thresholds).items()
    assert sections["intervals_95_percent"]["articles"] == 2
    quality = sections["no_answer_probability"]
    assert quality["brier_score"] == pytest.approx((0.25**2 + 0 + 0.5**2) / 3)
    assert quality["expected_calibration_error"] == pytest.approx((0.25 + 0 + 0.5) / 3)
    assert sections["precision_recall"] == {"pr_exact_ap": 100.0, "pr_f1_ap": 100.0, "pr_oracle_ap": 100.0}


def test_what_the_search_leaves_out_is_a_section_where_it_was_counted() -> None:
    answers = dataclasses.replace(ANSWERS, limits=Limits(max_answer_length=30, answers_longer=2))
    sections = run.score_run(EXAMPLES, answers, PARAMS).sections
    assert sections["answer_search"] == {"max_answer_length": 30, "answers_longer": 2}


def test_the_daily_numbers_are_those_of_the_answers_as_written() -> None:
    sections = run.score_run(EXAMPLES, ANSWERS, PARAMS).sections
    answers, quality = sections["answers"], sections["no_answer_probability"]
    assert run.daily(sections) == {
        **{
            key: answers[key]
            for key in answers
            if not key.endswith(("total", "thresh", "threshold", "best_exact", "best_f1"))
        },
        "threshold": 0.5,
        "brier_score": quality["brier_score"],
        "calibration_error": quality["expected_calibration_error"],
    }


def test_slices_are_of_the_answers_as_written() -> None:
    rows = {row.slice: row for row in run.score_run(EXAMPLES, ANSWERS, PARAMS).slices}
    assert rows["features: 2"][:4] == ("features: 2", 1, 0.0, 0.0)  # `c` is blanked, though its best span is right
    assert rows["answerable: no"].exact == 100.0


def test_slices_are_taken_at_the_applied_threshold() -> None:
    """`c` is answered at 0.5, and right; at 0 its answer would be "", and so would it be at any lower threshold."""
    changed = {"predictions": {**ANSWERS.predictions, "c": "Wend"}, "score_diff": {**ANSWERS.score_diff, "c": 0.25}}
    scored = run.score_run(EXAMPLES, dataclasses.replace(ANSWERS, **changed), PARAMS)
    assert {row.slice: row for row in scored.slices}["features: 2"][:4] == ("features: 2", 1, 100.0, 100.0)
    assert scored.sections["at_threshold_0"]["exact"] == pytest.approx(100 * 2 / 3)


def test_summary_names_interval_and_probability() -> None:
    lines = run.summary(run.score_run(EXAMPLES, ANSWERS, PARAMS)).splitlines()
    few = "none of 2 articles; fewer than 10 do not tell how articles differ"
    assert lines[-2] == f"95 % interval          {few}"
    assert lines[-1] == "no-answer probability  Brier score 0.1042, calibration error 0.2500"


def many_articles() -> tuple[list[Example], Answers]:
    """The three questions in each of 12 articles; `c` is answered at 0.5, and right, but at 0 it is ""."""
    examples = [dataclasses.replace(e, id=f"{e.id}{n}", title=f"{n}") for n in range(12) for e in EXAMPLES]
    changed = {"predictions": {**ANSWERS.predictions, "c": "Wend"}, "score_diff": {**ANSWERS.score_diff, "c": 0.25}}
    columns = {k: v for k, v in (vars(ANSWERS) | changed).items() if isinstance(v, dict)}
    wide = {name: {f"{qid}{n}": column[qid] for n in range(12) for qid in "abc"} for name, column in columns.items()}
    return examples, dataclasses.replace(ANSWERS, **wide)


def test_intervals_are_taken_at_the_applied_threshold() -> None:
    scored = run.score_run(*many_articles(), PARAMS)
    interval = scored.sections["intervals_95_percent"]
    assert (interval["exact_low"], interval["f1_low"], interval["HasAns_f1_low"]) == (100.0, 100.0, 100.0)
    line = "95 % interval          exact 100.00 to 100.00, f1 100.00 to 100.00, on new articles like the 12 here"
    assert run.summary(scored).splitlines()[-2] == line


def test_a_slice_has_the_interval_of_its_own_questions() -> None:
    rows = {row.slice: row for row in run.score_run(*many_articles(), PARAMS).slices}
    assert rows["answerable: yes"][4:] == (100.0, 100.0, 100.0, 100.0)
    few = {row.slice: row for row in run.score_run(EXAMPLES, ANSWERS, PARAMS).slices}
    assert few["answerable: yes"][4:] == (None, None, None, None)  # of two articles


@pytest.mark.parametrize("kept", [["a", "c"], ["b"]])
def test_only_one_kind_of_question(kept: list[str]) -> None:
    """All files come out, with strict JSON and without the keys of what isn't there."""

    def only(column: dict[str, object]) -> dict[str, object]:
        return {qid: column[qid] for qid in kept}

    columns = {name: value for name, value in vars(ANSWERS).items() if isinstance(value, dict)}
    answers = dataclasses.replace(ANSWERS, thresholds=Thresholds(0.5, None), **{k: only(v) for k, v in columns.items()})
    scored = run.score_run([e for e in EXAMPLES if e.id in kept], answers, PARAMS)
    assert "at_calibrated_threshold" not in scored.sections
    assert len(scored.plots) == 4
    assert all(text.count("\n") >= 2 for text in scored.plots.values())
    assert ("pr_f1_ap" in scored.sections["precision_recall"]) == (kept == ["a", "c"])
    assert to_json(scored.sections)
    assert run.summary(scored)


def test_missing_and_unknown_num_features_are_refused() -> None:
    answers = dataclasses.replace(ANSWERS, num_features={"a": 1})
    with pytest.raises(SpanlineError, match="num_features: 2 questions are missing, the first is 'b'"):
        run.score_run(EXAMPLES, answers, PARAMS)
    answers = dataclasses.replace(ANSWERS, num_features={**ANSWERS.num_features, "a": 1.5})
    with pytest.raises(SpanlineError, match="num_features: 1 values are not whole numbers, the first is 'a'"):
        run.score_run(EXAMPLES, answers, PARAMS)
