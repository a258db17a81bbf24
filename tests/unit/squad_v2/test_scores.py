"""The scorer equals the official SQuAD v2 script: on its own outputs, on hand-made cases, and on fuzzed texts."""

from __future__ import annotations

import math
import string
import sys
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example, GoldAnswer
from spanline.squad_v2 import scores, sweep
from tests.make.scored import EDGE_CASES, EDGE_GOLD, TO_THE_DIGIT, assert_same, read, read_gold, real_files, runs, texts
from tests.paths import GOLDEN, SHARED

HAND_MADE = read(GOLDEN / "metrics/hand_made.json")


# The official script's own outputs.


@pytest.mark.parametrize("case", ["gold", "near", "empty", "articles", "repeat"])
@pytest.mark.parametrize(
    ("output", "with_na_prob", "thresh"),
    [
        ("official", False, sweep.NEVER),
        ("official_with_na_prob", True, sweep.NEVER),
        ("official_with_na_prob_threshold_0_5", True, 0.5),
    ],
)
def test_official_edge_cases(case: str, output: str, with_na_prob: bool, thresh: float) -> None:
    given_ = read(EDGE_CASES)[case]
    na_prob = given_["na_prob"] if with_na_prob else None
    gold = read_gold(EDGE_GOLD)
    assert_same(sweep.official_scores(gold, given_["predictions"], na_prob, thresh), given_[output])


def test_no_official_edge_case_is_left_out() -> None:
    assert set(read(EDGE_CASES)) == {"gold", "near", "empty", "articles", "repeat"}


@real_files
@pytest.mark.parametrize(
    ("output", "predictions", "with_na_prob", "thresh"),
    [
        ("predictions", "predictions", False, sweep.NEVER),
        ("predictions_with_na_prob", "predictions", True, sweep.NEVER),
        ("best_spans_with_na_prob", "best_spans", True, sweep.NEVER),
        ("best_spans_with_na_prob_threshold_0_5", "best_spans", True, 0.5),
    ],
)
def test_official_dev_set(output: str, predictions: str, with_na_prob: bool, thresh: float) -> None:
    na_prob = read(SHARED / "official_scores/dev/na_prob.json") if with_na_prob else None
    texts = read(SHARED / f"official_scores/dev/{predictions}.json")
    ours = sweep.official_scores(read_gold(SHARED / "squad_v2/dev-v2.0.json"), texts, na_prob, thresh)
    assert_same(ours, read(SHARED / "official_scores/dev/expected.json")[output])


# Cases worked out by hand.


@pytest.mark.parametrize("question", HAND_MADE["questions"], ids=lambda q: q["id"])
def test_hand_made_question(question: dict[str, Any]) -> None:
    exact, f1 = scores.best_scores(question["gold"], question["prediction"])
    assert exact == question["exact"], question["why"]
    assert f1 == pytest.approx(float(Fraction(question["f1"])), abs=TO_THE_DIGIT), question["why"]


def hand_made(column: str) -> dict[str, Any]:
    return {question["id"]: question[column] for question in HAND_MADE["questions"]}


def numbers(*sections: str) -> dict[str, float]:
    return {key: float(Fraction(value)) for name in sections for key, value in HAND_MADE[name].items() if key != "why"}


@pytest.mark.parametrize(("section", "thresh"), [("scores", sweep.NEVER), ("scores_at_na_prob_0.3", 0.3)])
def test_hand_made_set(section: str, thresh: float) -> None:
    ours = sweep.official_scores(hand_made("gold"), hand_made("prediction"), hand_made("na_prob"), thresh)
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
    assert scores.normalize(text) == normalized


def test_a_part_without_questions_leaves_no_keys() -> None:
    assert list(sweep.official_scores({"q": []}, {"q": ""}, None, 1.0))[3:] == [
        "NoAns_exact",
        "NoAns_f1",
        "NoAns_total",
    ]
    assert list(sweep.official_scores({"q": ["x"]}, {"q": ""}, None, 1.0))[3:] == [
        "HasAns_exact",
        "HasAns_f1",
        "HasAns_total",
    ]


def example(qid: str, *texts: str) -> Example:
    return Example(qid, "Title", " ".join(texts), "Question?", tuple(GoldAnswer(text, 0) for text in texts))


def test_examples_and_gold_texts_score_alike() -> None:
    examples = [example("q1", "Ash Ferry", "old Ferry"), example("q2")]
    texts = {"q1": ["Ash Ferry", "old Ferry"], "q2": []}
    predictions = {"q2": "x", "q1": "the ferry"}
    expected = sweep.official_scores(texts, predictions, None, 1.0)
    assert sweep.official_scores(examples, predictions, None, 1.0) == expected
    assert sweep.official_scores({each.id: each for each in examples}, predictions, None, 1.0) == expected


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
        (
            TEXTS,
            dict.fromkeys(["q1", "q2", "q3", "q4"], 0.5),
            "na_prob: 1 questions are not in the gold file, the first is 'q4'",
        ),
        (TEXTS, {"q1": 0.5, "q2": math.nan, "q3": 0.1}, "na_prob: 1 values are NaN, the first is 'q2'"),
        (TEXTS, {"q1": 0.5, "q2": "0.5", "q3": 0.1}, "na_prob: 1 values are not numbers, the first is 'q2'"),
    ],
)
def test_refuses_what_does_not_fit_the_gold(predictions: Any, na_prob: Any, message: str) -> None:
    with pytest.raises(SpanlineError) as caught:
        sweep.official_scores(GOLD, predictions, na_prob, 1.0)
    assert str(caught.value) == f"{message}; make it again for this gold file"


def test_question_scores_refuse_the_same() -> None:
    with pytest.raises(SpanlineError) as caught:
        scores.question_scores(GOLD, {"q1": "x"})
    message = "predictions: 2 questions are missing, the first is 'q2'; make it again for this gold file"
    assert str(caught.value) == message


def test_refuses_no_questions_and_a_qid_twice() -> None:
    with pytest.raises(SpanlineError) as caught:
        sweep.official_scores({}, {}, None, 1.0)
    assert str(caught.value) == "gold: there are no questions; give a file that has some"
    twice = [example("q", "x"), example("p"), example("q")]
    with pytest.raises(SpanlineError) as caught:
        sweep.official_scores(twice, {"q": "x", "p": ""}, None, 1.0)
    assert str(caught.value) == "gold: question 'q' occurs 2 times; give every question its own id"


def test_the_last_digit_is_that_of_exact_arithmetic() -> None:
    """On each version of Python: its sum of floats became another one in 3.12."""
    answers = {f"q{number}": "a" + " b" * (number % 7) for number in range(1000)}
    gold = {qid: ["b"] for qid in answers}
    found = scores.question_scores(gold, answers)
    exactly = sum(Fraction(f1) for _, f1 in found.values())
    assert sum(f1 for _, f1 in found.values()) != float(exactly) or sys.version_info >= (3, 12)
    assert scores.totals(gold, found)["f1"] == 100.0 * float(exactly) / 1000


def test_a_threshold_without_na_prob_changes_nothing() -> None:
    plain = sweep.official_scores(GOLD, TEXTS, None, sweep.NEVER)
    assert sweep.official_scores(GOLD, TEXTS, None, 0.5) == plain


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


@given(runs(), st.sampled_from([sweep.NEVER, 0.5, 0.0, -1.0]))
def test_score_equals_the_slow_restatement(run: Any, thresh: float) -> None:
    gold, predictions, na_prob = run
    assert_same(
        sweep.official_scores(gold, predictions, na_prob, thresh), slow_score(gold, predictions, na_prob, thresh)
    )


@given(runs())
def test_total_is_the_weighted_mean_of_its_parts(run: Any) -> None:
    gold, predictions, _ = run
    ours = sweep.official_scores(gold, predictions, None, 1.0)
    parts = [prefix for prefix in ("HasAns_", "NoAns_") if f"{prefix}total" in ours]
    assert sum(ours[f"{part}total"] for part in parts) == ours["total"] == len(gold)
    for key in ("exact", "f1"):
        weighted = sum(ours[part + key] * ours[f"{part}total"] for part in parts) / ours["total"]
        assert ours[key] == pytest.approx(weighted, abs=TO_THE_DIGIT)


@given(texts)
def test_normalize_is_idempotent_and_equals_the_slow_one(text: str) -> None:
    assert scores.normalize(text) == slow_normalize(text)
    assert scores.normalize(scores.normalize(text)) == scores.normalize(text)


@given(texts, texts)
def test_f1_is_symmetric_and_at_least_exact(one: str, other: str) -> None:
    assert scores.f1(one, other) == scores.f1(other, one)
    assert 0 <= scores.exact(one, other) <= scores.f1(one, other) <= 1


@given(st.lists(texts, min_size=1, max_size=4), st.data())
def test_a_gold_answer_scores_one_against_itself(gold: list[str], data: st.DataObject) -> None:
    assert scores.exact(gold[0], gold[0]) == scores.f1(gold[0], gold[0]) == 1
    meaningful = [text for text in gold if scores.normalize(text)] or [""]
    assert scores.best_scores(gold, data.draw(st.sampled_from(meaningful))) == (1, 1.0)


@given(st.lists(texts, max_size=4), texts)
def test_best_scores_are_the_best_of_the_pairs(gold: list[str], prediction: str) -> None:
    kept = [text for text in gold if scores.normalize(text)] or [""]
    assert scores.best_scores(gold, prediction) == (
        max(scores.exact(prediction, text) for text in kept),
        max(scores.f1(prediction, text) for text in kept),
    )
