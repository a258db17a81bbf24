"""The scorer equals the official SQuAD v2 script: on its own outputs, on hand-made cases, and on fuzzed texts."""

from __future__ import annotations

import json
import math
import os
import string
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline import metrics
from spanline.errors import SpanlineError
from spanline.squad import Answer, Example

REPO = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SPANLINE_SHARED", REPO.parent / "shared"))
HAND_MADE = json.loads((REPO / "tests/golden/metrics/hand_made.json").read_text(encoding="utf-8"))
TO_THE_DIGIT = 1e-9

official_outputs = pytest.mark.skipif(
    not (SHARED / "official_scores").is_dir(), reason="needs official_scores in the folder that SPANLINE_SHARED names"
)


def read(path: str) -> Any:
    return json.loads((SHARED / path).read_text(encoding="utf-8"))


def read_gold(path: str) -> dict[str, list[str]]:
    paragraphs = [paragraph for article in read(path)["data"] for paragraph in article["paragraphs"]]
    return {qa["id"]: [a["text"] for a in qa["answers"]] for paragraph in paragraphs for qa in paragraph["qas"]}


def assert_same(ours: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert list(ours) == list(expected)
    assert dict(ours) == pytest.approx(dict(expected), rel=0, abs=TO_THE_DIGIT)


# The official script's own outputs.


@official_outputs
@pytest.mark.parametrize("case", ["gold", "near", "empty", "articles", "repeat"])
@pytest.mark.parametrize(
    ("output", "with_na_prob", "thresh"),
    [
        ("official", False, metrics.NEVER),
        ("official_with_na_prob", True, metrics.NEVER),
        ("official_with_na_prob_threshold_0_5", True, 0.5),
    ],
)
def test_official_edge_cases(case: str, output: str, with_na_prob: bool, thresh: float) -> None:
    given_ = read("official_scores/edge_cases.json")[case]
    na_prob = given_["na_prob"] if with_na_prob else None
    gold = read_gold("official_scores/edge_gold.json")
    assert_same(metrics.score(gold, given_["predictions"], na_prob, thresh), given_[output])


@official_outputs
def test_no_official_edge_case_is_left_out() -> None:
    assert set(read("official_scores/edge_cases.json")) == {"gold", "near", "empty", "articles", "repeat"}


@official_outputs
@pytest.mark.parametrize(
    ("output", "predictions", "with_na_prob", "thresh"),
    [
        ("predictions", "predictions", False, metrics.NEVER),
        ("predictions_with_na_prob", "predictions", True, metrics.NEVER),
        ("best_spans_with_na_prob", "best_spans", True, metrics.NEVER),
        ("best_spans_with_na_prob_threshold_0_5", "best_spans", True, 0.5),
    ],
)
def test_official_dev_set(output: str, predictions: str, with_na_prob: bool, thresh: float) -> None:
    na_prob = read("official_scores/dev/na_prob.json") if with_na_prob else None
    texts = read(f"official_scores/dev/{predictions}.json")
    ours = metrics.score(read_gold("squad_v2/dev-v2.0.json"), texts, na_prob, thresh)
    assert_same(ours, read("official_scores/dev/expected.json")[output])


@official_outputs
def test_report_of_the_dev_set_agrees_with_the_official_script() -> None:
    expected = read("official_scores/dev/expected.json")["predictions_with_na_prob"]
    best_spans, na_prob, answers = (
        read(f"official_scores/dev/{name}.json") for name in ("best_spans", "na_prob", "predictions")
    )
    diff = {qid: math.log(prob / (1 - prob)) for qid, prob in na_prob.items()}
    gold = read_gold("squad_v2/dev-v2.0.json")
    report = metrics.score_report(gold, answers, best_spans, diff, na_prob, 0.0, None)
    assert_same({key: report["answers"][key] for key in expected}, expected)
    oracle = report["at_oracle_threshold"]
    assert oracle["exact_reached"] == pytest.approx(expected["best_exact"], rel=0, abs=TO_THE_DIGIT)
    assert oracle["f1_reached"] == pytest.approx(expected["best_f1"], rel=0, abs=TO_THE_DIGIT)


# Cases worked out by hand.


@pytest.mark.parametrize("question", HAND_MADE["questions"], ids=lambda q: q["id"])
def test_hand_made_question(question: dict[str, Any]) -> None:
    exact, f1 = metrics.best_scores(question["gold"], question["prediction"])
    assert exact == question["exact"], question["why"]
    assert f1 == pytest.approx(float(Fraction(question["f1"])), abs=TO_THE_DIGIT), question["why"]


def hand_made(column: str) -> dict[str, Any]:
    return {question["id"]: question[column] for question in HAND_MADE["questions"]}


def numbers(*sections: str) -> dict[str, float]:
    return {key: float(Fraction(value)) for name in sections for key, value in HAND_MADE[name].items() if key != "why"}


@pytest.mark.parametrize(("section", "thresh"), [("scores", metrics.NEVER), ("scores_at_na_prob_0.3", 0.3)])
def test_hand_made_set(section: str, thresh: float) -> None:
    ours = metrics.score(hand_made("gold"), hand_made("prediction"), hand_made("na_prob"), thresh)
    assert_same(ours, numbers(section, "sweep"))


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The U.S.A.", "usa"),
        ("a-n  answer", "answer"),  # punctuation goes first: "a-n" -> "an", an article
        ("“the Old Lady”", "“ old lady”"),  # foreign quotation marks stay, the article between them goes
        ("theatre\u00a0and anthem", "theatre and anthem"),
        ("A", ""),
        ("a\u0301bc", "\u0301bc"),  # a combining accent is no word character: the "a" before it counts as a word
        ("2½d. — İ", "2½d — i\u0307"),
    ],
)
def test_normalize(text: str, normalized: str) -> None:
    assert metrics.normalize(text) == normalized


def test_a_part_without_questions_leaves_no_keys() -> None:
    assert list(metrics.score({"q": []}, {"q": ""}, None, 1.0))[3:] == ["NoAns_exact", "NoAns_f1", "NoAns_total"]
    assert list(metrics.score({"q": ["x"]}, {"q": ""}, None, 1.0))[3:] == ["HasAns_exact", "HasAns_f1", "HasAns_total"]


def example(qid: str, *texts: str) -> Example:
    return Example(qid, "Title", " ".join(texts), "Question?", tuple(Answer(text, 0) for text in texts))


def test_examples_and_gold_texts_score_alike() -> None:
    examples = [example("q1", "Ash Ferry", "old Ferry"), example("q2")]
    texts = {"q1": ["Ash Ferry", "old Ferry"], "q2": []}
    predictions = {"q2": "x", "q1": "the ferry"}
    expected = metrics.score(texts, predictions, None, 1.0)
    assert metrics.score(examples, predictions, None, 1.0) == expected
    assert metrics.score({each.id: each for each in examples}, predictions, None, 1.0) == expected


# What is refused.

GOLD = {"q1": ["x"], "q2": [], "q3": ["y"]}
TEXTS = {"q1": "x", "q2": "", "q3": "z"}


@pytest.mark.parametrize(
    ("predictions", "na_prob", "message"),
    [
        ({"q1": "x"}, None, "predictions: 2 questions are missing, the first is 'q2'"),
        (TEXTS | {"q9": "", "q8": ""}, None, "predictions: 2 questions are not in the gold file, the first is 'q9'"),
        (TEXTS | {"q3": None}, None, "predictions: 1 values are not texts, the first is 'q3'"),
        (TEXTS, {"q1": 0.5, "q3": 0.5}, "na_prob: 1 questions are missing, the first is 'q2'"),
        (TEXTS, {}, "na_prob: 3 questions are missing, the first is 'q1'"),
        (TEXTS, dict.fromkeys(["q1", "q2", "q3", "q4"], 0.5), "na_prob: 1 questions are not in the gold file"),
        (TEXTS, {"q1": 0.5, "q2": math.nan, "q3": 0.1}, "na_prob: 1 values are NaN, the first is 'q2'"),
    ],
)
def test_refuses_what_does_not_fit_the_gold(predictions: Any, na_prob: Any, message: str) -> None:
    with pytest.raises(SpanlineError) as caught:
        metrics.score(GOLD, predictions, na_prob, 1.0)
    assert str(caught.value).startswith(message)


def test_refuses_no_questions_and_a_qid_twice() -> None:
    with pytest.raises(SpanlineError, match="there are no questions"):
        metrics.score({}, {}, None, 1.0)
    with pytest.raises(SpanlineError, match="question 'q' occurs 2 times"):
        metrics.score([example("q", "x"), example("p"), example("q")], {"q": "x", "p": ""}, None, 1.0)


# The report.

REPORT_GOLD = {"sure": ["x"], "unsure": ["y"], "none": [], "no_span": [], "wrong": []}
BEST_SPANS = {"sure": "x", "unsure": "y", "none": "z", "no_span": "", "wrong": "v"}
SCORE_DIFF = {"sure": -4.0, "unsure": 1.0, "none": 3.0, "no_span": None, "wrong": -1.0}
NA_PROB = {"sure": 0.02, "unsure": 0.7, "none": 0.9, "no_span": 1.0, "wrong": 0.3}


def report(applied: float, calibrated: float | None) -> dict[str, dict[str, float]]:
    answers = metrics.apply_threshold(BEST_SPANS, SCORE_DIFF, applied)
    return metrics.score_report(REPORT_GOLD, answers, BEST_SPANS, SCORE_DIFF, NA_PROB, applied, calibrated)


def test_report_has_each_threshold_under_its_name() -> None:
    sections = report(-2.0, 1.0)
    exact = {name: (part["exact"], part.get("null_score_diff_threshold")) for name, part in sections.items()}
    assert exact == {
        "answers": (80.0, -2.0),  # only `unsure` is wrong: blanked
        "at_threshold_0": (60.0, 0.0),  # `wrong` is given as well
        "at_calibrated_threshold": (80.0, 1.0),  # 1.0 is not above 1.0: `unsure` is given
        "at_oracle_threshold": (80.0, None),
    }
    assert sections["at_oracle_threshold"] == {
        "exact": 80.0,
        "exact_null_score_diff_threshold": -4.0,
        "exact_na_prob_thresh": 0.02,
        "exact_reached": 80.0,
        "f1": 80.0,
        "f1_null_score_diff_threshold": -4.0,
        "f1_na_prob_thresh": 0.02,
        "f1_reached": 80.0,
    }


def test_report_without_calibration_and_as_strict_json() -> None:
    sections = report(0.0, None)
    assert "at_calibrated_threshold" not in sections
    assert sections["answers"].items() >= sections["at_threshold_0"].items()
    assert json.loads(json.dumps(sections, allow_nan=False)) == sections


def test_report_sweeps_best_spans_and_not_answers() -> None:
    """At threshold -9 every answer is "", on which a sweep sees nothing to win; best_* must not know."""
    blanked, given_ = report(-9.0, None)["answers"], report(9.0, None)["answers"]
    assert blanked["exact"] == given_["exact"] == 60.0
    assert blanked["best_exact"] == given_["best_exact"] == 80.0


@pytest.mark.parametrize(
    ("score_diff", "best_spans", "threshold", "reached"),
    [
        ({"a": 2.0, "b": 5.0}, {"a": "wrong", "b": "x"}, 1.0, 50.0),  # answering nothing is best: a logit below
        ({"a": None, "b": None}, {"a": "", "b": ""}, 0.0, 50.0),  # no legal span anywhere: no threshold matters
        ({"a": math.inf, "b": 2.0}, {"a": "", "b": "y"}, 2.0, 100.0),
    ],
)
def test_oracle_threshold_at_the_ends(score_diff: Any, best_spans: Any, threshold: float, reached: float) -> None:
    gold = {"a": [], "b": ["y"]}
    prob = {"a": 0.1 if score_diff["a"] == 2.0 else 1.0, "b": 0.9}
    answers = metrics.apply_threshold(best_spans, score_diff, 0.0)
    oracle = metrics.score_report(gold, answers, best_spans, score_diff, prob, 0.0, None)["at_oracle_threshold"]
    assert (oracle["exact_null_score_diff_threshold"], oracle["exact_reached"]) == (threshold, reached)


def test_oracle_threshold_where_a_question_without_a_span_comes_last() -> None:
    """Its gold answer is an article, so "" is right, which the sweep counts only when it gets there."""
    gold, spans = {"a": ["the"], "b": ["y"], "c": ["z"]}, {"a": "", "b": "y", "c": "z"}
    diff, prob = {"a": None, "b": 1.0, "c": 2.0}, {"a": 1.0, "b": 0.3, "c": 0.6}
    answers = metrics.apply_threshold(spans, diff, 0.0)
    oracle = metrics.score_report(gold, answers, spans, diff, prob, 0.0, None)["at_oracle_threshold"]
    assert (oracle["exact_na_prob_thresh"], oracle["exact_null_score_diff_threshold"]) == (1.0, 2.0)
    assert oracle["exact_reached"] == oracle["exact"] == 100.0


def test_report_refuses_answers_of_another_run() -> None:
    answers = metrics.apply_threshold(BEST_SPANS, SCORE_DIFF, 0.0)
    with pytest.raises(SpanlineError, match=r"answers: 1 answers are not what .* at threshold 2.0, .* is 'unsure'"):
        metrics.score_report(REPORT_GOLD, answers, BEST_SPANS, SCORE_DIFF, NA_PROB, 2.0, None)


def test_report_refuses_missing_score_diffs() -> None:
    with pytest.raises(SpanlineError, match="score_diff: 5 questions are missing"):
        metrics.score_report(REPORT_GOLD, BEST_SPANS, BEST_SPANS, {}, NA_PROB, 0.0, None)


# Properties, against a slow restatement of the official rules.


def slow_normalize(text: str) -> str:
    """The rules with neither table nor pattern: word by word, where a word is a run of \\w characters."""
    kept = "".join(char for char in text.lower() if char not in string.punctuation)
    words, word = [], ""
    for char in [*kept, " "]:
        if char.isalnum() or char == "_":
            word += char
            continue
        words += [" " if word in ("a", "an", "the") else word, char]
        word = ""
    return " ".join("".join(words).split())


def slow_f1(prediction: str, gold: str) -> float:
    predicted, wanted = slow_normalize(prediction).split(), slow_normalize(gold).split()
    if not predicted or not wanted:
        return float(predicted == wanted)
    shared = sum(min(predicted.count(word), wanted.count(word)) for word in set(predicted))
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def slow_best(golds: list[str], prediction: str) -> tuple[float, float]:
    golds = [gold for gold in golds if slow_normalize(gold)] or [""]
    exact = max(float(slow_normalize(gold) == slow_normalize(prediction)) for gold in golds)
    return exact, max(slow_f1(prediction, gold) for gold in golds)


def slow_score(
    gold: dict[str, list[str]], predictions: dict[str, str], na_prob: dict[str, float], thresh: float
) -> dict[str, float]:
    raw = {qid: slow_best(gold[qid], predictions[qid]) for qid in gold}
    kept = {qid: (float(not gold[qid]),) * 2 if na_prob[qid] > thresh else raw[qid] for qid in gold}
    result: dict[str, float] = {}
    for prefix, wanted in [("", [True, False]), ("HasAns_", [True]), ("NoAns_", [False])]:
        qids = [qid for qid in gold if bool(gold[qid]) in wanted]
        if qids:
            result[prefix + "exact"] = 100 * sum(kept[qid][0] for qid in qids) / len(qids)
            result[prefix + "f1"] = 100 * sum(kept[qid][1] for qid in qids) / len(qids)
            result[prefix + "total"] = len(qids)
    for index, name in enumerate(["exact", "f1"]):
        result |= slow_sweep(gold, predictions, {qid: raw[qid][index] for qid in raw}, na_prob, name)
    return result


def slow_sweep(
    gold: dict[str, list[str]],
    predictions: dict[str, str],
    earned: dict[str, float],
    na_prob: dict[str, float],
    name: str,
) -> dict[str, float]:
    totals, threshs = [float(list(gold.values()).count([]))], [0.0]
    for qid in sorted(na_prob, key=lambda qid: na_prob[qid]):
        change = earned[qid] if gold[qid] else (-1 if predictions[qid] != "" else 0)
        totals.append(totals[-1] + change)
        threshs.append(na_prob[qid])
    where = totals.index(max(totals))  # the first of the highest
    return {f"best_{name}": 100 * totals[where] / len(gold), f"best_{name}_thresh": threshs[where]}


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


@given(runs(), st.sampled_from([metrics.NEVER, 0.5, 0.0, -1.0]))
def test_score_equals_the_slow_restatement(run: Any, thresh: float) -> None:
    gold, predictions, na_prob = run
    assert_same(metrics.score(gold, predictions, na_prob, thresh), slow_score(gold, predictions, na_prob, thresh))


@given(runs())
def test_total_is_the_weighted_mean_of_its_parts(run: Any) -> None:
    gold, predictions, _ = run
    ours = metrics.score(gold, predictions, None, 1.0)
    parts = [prefix for prefix in ("HasAns_", "NoAns_") if f"{prefix}total" in ours]
    assert sum(ours[f"{part}total"] for part in parts) == ours["total"] == len(gold)
    for key in ("exact", "f1"):
        weighted = sum(ours[part + key] * ours[f"{part}total"] for part in parts) / ours["total"]
        assert ours[key] == pytest.approx(weighted, abs=TO_THE_DIGIT)


@given(runs(), st.floats(-3, 3))
def test_report_answers_equal_the_official_scores_of_the_answers(run: Any, threshold: float) -> None:
    gold, best_spans, na_prob = run
    diff = {qid: None if prob == 1.0 else 8 * prob - 4 for qid, prob in na_prob.items()}
    answers = {qid: "" if na_prob[qid] == 1.0 or (diff[qid] or 0.0) > threshold else best_spans[qid] for qid in gold}
    sections = metrics.score_report(gold, answers, best_spans, diff, na_prob, threshold, threshold)
    plain = metrics.score(gold, answers, None, metrics.NEVER)
    assert_same(sections["at_calibrated_threshold"], plain | {"null_score_diff_threshold": threshold})
    swept = metrics.score(gold, best_spans, na_prob, metrics.NEVER)
    assert sections["answers"].items() >= {key: swept[key] for key in swept if key.startswith("best_")}.items()


@given(runs())
def test_oracle_is_reached_without_ties_and_articles(run: Any) -> None:
    gold, predictions, na_prob = run
    distinct = {qid: (rank + 1) / (len(gold) + 1) for rank, qid in enumerate(na_prob)}
    spans = {qid: text if metrics.normalize(text) else "x" for qid, text in predictions.items()}
    gold = {qid: [text for text in texts if metrics.normalize(text)] for qid, texts in gold.items()}
    diff = {qid: 10 * prob - 5 for qid, prob in distinct.items()}
    answers = metrics.apply_threshold(spans, diff, 0.0)
    oracle = metrics.score_report(gold, answers, spans, diff, distinct, 0.0, None)["at_oracle_threshold"]
    assert oracle["exact_reached"] == pytest.approx(oracle["exact"], abs=TO_THE_DIGIT)
    assert oracle["f1_reached"] == pytest.approx(oracle["f1"], abs=TO_THE_DIGIT)


@given(texts)
def test_normalize_is_idempotent_and_equals_the_slow_one(text: str) -> None:
    assert metrics.normalize(text) == slow_normalize(text)
    assert metrics.normalize(metrics.normalize(text)) == metrics.normalize(text)


@given(texts, texts)
def test_f1_is_symmetric_and_at_least_exact(one: str, other: str) -> None:
    assert metrics.f1(one, other) == metrics.f1(other, one)
    assert 0 <= metrics.exact(one, other) <= metrics.f1(one, other) <= 1


@given(st.lists(texts, min_size=1, max_size=4), st.data())
def test_a_gold_answer_scores_one_against_itself(gold: list[str], data: st.DataObject) -> None:
    assert metrics.exact(gold[0], gold[0]) == metrics.f1(gold[0], gold[0]) == 1
    meaningful = [text for text in gold if metrics.normalize(text)] or [""]
    assert metrics.best_scores(gold, data.draw(st.sampled_from(meaningful))) == (1, 1.0)


@given(st.lists(texts, max_size=4), texts)
def test_best_scores_are_the_best_of_the_pairs(gold: list[str], prediction: str) -> None:
    kept = [text for text in gold if metrics.normalize(text)] or [""]
    assert metrics.best_scores(gold, prediction) == (
        max(metrics.exact(prediction, text) for text in kept),
        max(metrics.f1(prediction, text) for text in kept),
    )
