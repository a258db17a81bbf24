"""SQuAD v2 scores, equal to the official script's to the last digit, and the report of one run at its thresholds.

The reference is `evaluate-v2.0.py` (Rajpurkar, Jia and Liang, "Know What You Don't Know", ACL 2018, and its code).
Its odd corners are kept, because published numbers contain them:

- A question is HasAns if the file gives it answers, even if they all normalize to nothing; "" is then its gold.
- A NoAns question answered "the" earns 1, for it normalizes to nothing, but costs the threshold sweep 1.
- The sweep looks for a best after every question, also between questions of equal na_prob, which no threshold can
  tell apart: with ties, best_exact and best_f1 may be out of reach.

Scores of one question are 0 to 1, of a set percent. Thresholds of score_diff are logits, of na_prob probabilities.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from spanline.errors import SpanlineError
from spanline.squad import Example
from spanline.threshold import apply_threshold, is_blank

Gold = Mapping[str, Example | Sequence[str]] | Iterable[Example]  # qid -> example or gold texts; or plain examples
GoldTexts = dict[str, tuple[str, ...]]  # qid -> gold texts, none if unanswerable; in file order
QuestionScore = tuple[float, float]  # (exact, f1), 0..1

NEVER = 1.0  # the official default of na_prob_thresh: no probability is above 1, so nothing is blanked

_DROP_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:an?|the)\b")


# One text against another.


@lru_cache(maxsize=1 << 16)  # texts; gold answers and predictions repeat within a question and between two reports
def normalize(text: str) -> str:
    """Lower-case, drop ASCII punctuation, drop the words a, an, the, squeeze blanks: in this order.

    An article inside foreign punctuation goes too (“the” -> “ ”), for only ASCII punctuation is dropped before.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_DROP_PUNCTUATION)).split())


def exact(prediction: str, gold: str) -> int:
    """1 if the normalized texts are equal, else 0."""
    return int(normalize(prediction) == normalize(gold))


def f1(prediction: str, gold: str) -> float:
    """Harmonic mean of token precision and recall on normalized texts; if either is empty, 1 when both are."""
    return _token_f1(normalize(prediction).split(), normalize(gold).split())


def _token_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    num_shared = (Counter(predicted) & Counter(gold)).total()
    if num_shared == 0:
        return 0.0
    precision, recall = num_shared / len(predicted), num_shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def best_scores(gold: Sequence[str], prediction: str) -> tuple[int, float]:
    """The best exact and the best f1 over all gold answers; with none that normalizes to something, the gold is ""."""
    wanted = {text for text in map(normalize, gold) if text} or {""}
    predicted = normalize(prediction)
    if predicted in wanted:  # then f1 is 1 as well
        return 1, 1.0
    tokens = predicted.split()
    return 0, max(_token_f1(tokens, text.split()) for text in wanted)


# A set of questions.


def gold_texts(examples: Gold) -> GoldTexts:
    """The gold answers of each qid, in file order. Refuses a qid that occurs twice."""
    if isinstance(examples, Mapping):
        return {qid: _texts(value) for qid, value in examples.items()}
    listed = [(example.id, _texts(example)) for example in examples]
    gold = dict(listed)
    if len(gold) < len(listed):
        qid, times = Counter(qid for qid, _ in listed).most_common(1)[0]
        raise SpanlineError("gold", f"question {qid!r} occurs {times} times", "give every question its own id")
    return gold


def _texts(value: Example | Sequence[str]) -> tuple[str, ...]:
    assert not isinstance(value, str), f"gold answers are a list of texts, not one text: {value!r}"
    return tuple(answer.text for answer in value.answers) if isinstance(value, Example) else tuple(value)


def question_scores(examples: Gold, predictions: Mapping[str, str]) -> dict[str, tuple[int, float]]:
    """(exact, f1) of each question, 0..1, in file order. Refuses missing and unknown qids, and what is not a text."""
    gold = gold_texts(examples)
    refuse_other_qids("predictions", gold, predictions)
    return {qid: best_scores(texts, predictions[qid]) for qid, texts in gold.items()}


def score(
    examples: Gold, predictions: Mapping[str, str], na_prob: Mapping[str, float] | None, na_prob_thresh: float
) -> dict[str, float]:
    """The official script's output, key by key and in its order; the totals are counts, all else percent.

    A question of na_prob > na_prob_thresh counts as answered ""; `NEVER` (1.0) is the official default. With na_prob
    come best_exact and best_f1, which look at the predictions as given: give best spans, not thresholded answers.
    Refuses missing and unknown qids first; the official script scores the rest or dies.
    """
    gold = gold_texts(examples)
    refuse_other_qids("predictions", gold, predictions)
    if na_prob is not None:
        refuse_other_qids("na_prob", gold, na_prob)
    raw = question_scores(gold, predictions)
    prob = na_prob if na_prob is not None else dict.fromkeys(gold, 0.0)
    blanked = {qid: (float(not gold[qid]),) * 2 if prob[qid] > na_prob_thresh else raw[qid] for qid in gold}
    best = {} if na_prob is None else _best_keys(*_sweep_both(gold, predictions, raw, na_prob), na_prob)
    return _totals(gold, blanked) | best


_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "na_prob": ("numbers", (int, float)),
    "score_diff": ("numbers or null", (int, float, type(None))),
    "num_features": ("whole numbers", (int,)),
}


def refuse_other_qids(name: str, gold: Collection[str], values: Mapping[str, object]) -> None:
    """Before anything is scored: exactly the gold's questions, each with a value that can be scored."""
    if not gold:
        raise SpanlineError("gold", "there are no questions", "give a file that has some")
    _refuse(name, "questions are missing", [qid for qid in gold if qid not in values])
    _refuse(name, "questions are not in the gold file", [qid for qid in values if qid not in gold])
    _refuse(name, "values are NaN", [qid for qid, value in values.items() if value != value])
    what, kinds = _KINDS.get(name, ("texts", (str,)))
    _refuse(name, f"values are not {what}", [qid for qid, value in values.items() if not isinstance(value, kinds)])


def _refuse(name: str, what: str, qids: Sequence[str]) -> None:
    if qids:
        what = f"{len(qids):,} {what}, the first is {qids[0]!r}"
        raise SpanlineError(name, what, "make it again for this gold file")


def _totals(gold: GoldTexts, scores: Mapping[str, QuestionScore]) -> dict[str, float]:
    """Means over all, the answerable and the unanswerable questions; a part without questions leaves no keys."""
    parts = {
        "": list(gold),
        "HasAns_": [qid for qid, texts in gold.items() if texts],
        "NoAns_": [qid for qid, texts in gold.items() if not texts],
    }
    means = {prefix: _means([scores[qid] for qid in qids]) for prefix, qids in parts.items() if qids}
    return {prefix + key: value for prefix, part in means.items() for key, value in part.items()}


def _means(scores: Sequence[QuestionScore]) -> dict[str, float]:
    """Percent. Summed in file order, as the official script does, so that the last digit agrees."""
    total = len(scores)
    return {
        "exact": 100.0 * sum(pair[0] for pair in scores) / total,
        "f1": 100.0 * sum(pair[1] for pair in scores) / total,
        "total": total,
    }


# The threshold sweep.


@dataclass(frozen=True, slots=True)
class _Optimum:
    score: float  # percent, as the sweep counts; an oracle, for it is tuned on the set it reports
    qid: str | None  # the last question answered, in rising na_prob; None when to answer nothing is best


def _sweep(
    gold: GoldTexts, predictions: Mapping[str, str], earned: Mapping[str, float], na_prob: Mapping[str, float]
) -> _Optimum:
    """Answer one question more at a time, in rising na_prob (ties in the mapping's order); the first best wins."""
    total: float = sum(not texts for texts in gold.values())  # nothing answered: every unanswerable one is right
    best, best_qid = total, None
    for qid in sorted(na_prob, key=na_prob.__getitem__):
        total += earned[qid] if gold[qid] else -bool(predictions[qid])
        if total > best:
            best, best_qid = total, qid
    return _Optimum(100.0 * best / len(gold), best_qid)


def _sweep_both(
    gold: GoldTexts,
    predictions: Mapping[str, str],
    scores: Mapping[str, QuestionScore],
    na_prob: Mapping[str, float],
) -> tuple[_Optimum, _Optimum]:
    """The optimum of exact and that of f1; their thresholds differ as a rule."""
    by_exact = {qid: pair[0] for qid, pair in scores.items()}
    by_f1 = {qid: pair[1] for qid, pair in scores.items()}
    return _sweep(gold, predictions, by_exact, na_prob), _sweep(gold, predictions, by_f1, na_prob)


def _best_keys(by_exact: _Optimum, by_f1: _Optimum, na_prob: Mapping[str, float]) -> dict[str, float]:
    return {
        "best_exact": by_exact.score,
        "best_exact_thresh": _na_prob_thresh(by_exact, na_prob),
        "best_f1": by_f1.score,
        "best_f1_thresh": _na_prob_thresh(by_f1, na_prob),
    }


def _na_prob_thresh(optimum: _Optimum, na_prob: Mapping[str, float]) -> float:
    return 0.0 if optimum.qid is None else na_prob[optimum.qid]


# The report of one run.


@dataclass(frozen=True, slots=True)
class Run:
    """What postprocess wrote, with the two scores that each question can have: as its best span, and as ""."""

    gold: GoldTexts
    best_spans: Mapping[str, str]
    score_diff: Mapping[str, float | None]  # logits; None: no legal span
    na_prob: Mapping[str, float]
    as_span: dict[str, tuple[int, float]]
    as_null: dict[str, tuple[int, float]]

    def scores_at(self, threshold: float) -> dict[str, tuple[int, float]]:
        """(exact, f1) of each question, 0..1, answered at this threshold (logits); in file order."""
        return {
            qid: self.as_null[qid] if is_blank(self.score_diff[qid], threshold) else self.as_span[qid]
            for qid in self.gold
        }

    def at(self, threshold: float) -> dict[str, float]:
        """Official numbers of the answers at this threshold (logits), with the threshold itself."""
        return _totals(self.gold, self.scores_at(threshold)) | {"null_score_diff_threshold": threshold}


def checked_run(
    examples: Gold,
    answers: Mapping[str, str],
    best_spans: Mapping[str, str],
    score_diff: Mapping[str, float | None],
    na_prob: Mapping[str, float],
    applied_threshold: float,
) -> Run:
    """What postprocess wrote, checked against the gold and scored.

    score_diff is in logits; None (null in JSON) or inf says that a question has no legal span: always "". Answers that
    are not what best_spans, score_diff and applied_threshold give are refused: the files are not of one run.
    """
    gold = gold_texts(examples)
    given = {"answers": answers, "best_spans": best_spans, "score_diff": score_diff, "na_prob": na_prob}
    for name, values in given.items():
        refuse_other_qids(name, gold, values)
    _refuse_other_answers(answers, apply_threshold(best_spans, score_diff, applied_threshold), applied_threshold)
    nulls = dict.fromkeys(gold, "")
    return Run(gold, best_spans, score_diff, na_prob, question_scores(gold, best_spans), question_scores(gold, nulls))


def score_report(
    examples: Gold,
    answers: Mapping[str, str],
    best_spans: Mapping[str, str],
    score_diff: Mapping[str, float | None],
    na_prob: Mapping[str, float],
    applied_threshold: float,
    calibrated_threshold: float | None,
) -> dict[str, dict[str, float]]:
    """`sections` of a `checked_run`."""
    run = checked_run(examples, answers, best_spans, score_diff, na_prob, applied_threshold)
    return sections(run, applied_threshold, calibrated_threshold)


def _refuse_other_answers(answers: Mapping[str, str], expected: Mapping[str, str], threshold: float) -> None:
    what = f"answers are not what best_spans and score_diff give at threshold {threshold}"
    _refuse("answers", what, [qid for qid, text in answers.items() if text != expected[qid]])


def sections(run: Run, applied_threshold: float, calibrated_threshold: float | None) -> dict[str, dict[str, float]]:
    """One run's scores at the thresholds that people compare, each section under a name that says which it is.

    `answers`: the answers as written, at `applied_threshold`; their best_* come from the sweep on best spans.
    `at_threshold_0`: a span is given where it scores at least as high as the null answer; nothing tuned.
    `at_calibrated_threshold`: tuned on questions that are not reported here; absent when calibration is off (None).
    `at_oracle_threshold`: AN ORACLE, the sweep's optimum on this very set. Never quote it instead of the others.
    """
    by_exact, by_f1 = _sweep_both(run.gold, run.best_spans, run.as_span, run.na_prob)
    parts = {
        "answers": run.at(applied_threshold) | _best_keys(by_exact, by_f1, run.na_prob),
        "at_threshold_0": run.at(0.0),
    }
    if calibrated_threshold is not None:
        parts["at_calibrated_threshold"] = run.at(calibrated_threshold)
    parts["at_oracle_threshold"] = _oracle(run, "exact", by_exact) | _oracle(run, "f1", by_f1)
    return parts


def _oracle(run: Run, key: str, optimum: _Optimum) -> dict[str, float]:
    """The sweep's optimum, its threshold on both scales, and the score that the threshold in logits really reaches.

    `KEY_reached` differs from KEY only through the odd corners of the sweep: ties, and articles given as answers.
    """
    threshold = _oracle_threshold(run.score_diff, optimum.qid)
    return {
        key: optimum.score,
        f"{key}_null_score_diff_threshold": threshold,
        f"{key}_na_prob_thresh": _na_prob_thresh(optimum, run.na_prob),
        f"{key}_reached": run.at(threshold)[key],
    }


def _oracle_threshold(score_diff: Mapping[str, float | None], last_answered: str | None) -> float:
    """The score_diff of the last question answered, in logits.

    One logit below the lowest when nothing is answered; the highest when the last one has no legal span, for the sweep
    has then passed all that have one; 0 when no question has a legal span, for no threshold matters then.
    """
    legal = [diff for diff in score_diff.values() if diff is not None and math.isfinite(diff)]
    if not legal:
        return 0.0
    if last_answered is None:
        return min(legal) - 1.0
    diff = score_diff[last_answered]
    return max(legal) if diff is None or diff == math.inf else diff


def summary(report: Mapping[str, Mapping[str, float]]) -> str:
    """A line a threshold, for people: exact and f1 over all, answerable and unanswerable questions."""
    lines = []
    for name in ("at_threshold_0", "at_calibrated_threshold"):
        if name in report:
            lines.append(_line(name.removeprefix("at_").replace("_", " "), report[name]))
    oracle = report["at_oracle_threshold"]
    lines.append(
        f"{'oracle threshold':<22} exact {oracle['exact']:6.2f}  f1 {oracle['f1']:6.2f}  (tuned on this very set)"
    )
    return "\n".join([*lines, _line("answers as written", report["answers"])])


def _line(name: str, scores: Mapping[str, float]) -> str:
    parts = [f"{name:<22} exact {scores['exact']:6.2f}  f1 {scores['f1']:6.2f}"]
    parts += [f"{key} f1 {scores[f'{key}_f1']:6.2f}" for key in ("HasAns", "NoAns") if f"{key}_f1" in scores]
    return "  ".join([*parts, f"threshold {scores['null_score_diff_threshold']:.4f}"])
