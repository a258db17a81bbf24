"""The baselines of `benchmarks.answers`: post-processing and scoring as most scripts do them, in plain Python.

`search` and `files` follow the post-processing that came with Hugging Face's question-answering examples: feature by
feature, the 20 best starts x the 20 best ends. `score` follows the rules of the official SQuAD v2 script, every text
normalized whenever it is needed. Both restated in our own words.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Scores = dict[str, float]


# Search.


@dataclass(frozen=True)
class Window:
    """A feature as those scripts hold it."""

    offsets: list[tuple[int, int] | None]  # a token: its characters in the context; None outside the context
    start_logits: Array
    end_logits: Array
    null_position: int


@dataclass(frozen=True)
class Question:
    id: str
    context: str
    windows: list[Window]


@dataclass(frozen=True)
class Answer:
    """The n-best spans of a question, best first, and its null score."""

    id: str
    null_score: float
    nbest: list[dict[str, Any]]  # text, score, start_logit, end_logit


def search(questions: Sequence[Question], n_best_size: int, max_answer_length: int) -> list[Answer]:
    """Each question by itself."""
    return [_search_one(question, n_best_size, max_answer_length) for question in questions]


def _search_one(question: Question, n_best_size: int, max_answer_length: int) -> Answer:
    candidates: list[dict[str, Any]] = []
    null_score = float("inf")
    for window in question.windows:
        null = float(window.start_logits[window.null_position] + window.end_logits[window.null_position])
        null_score = min(null_score, null)
        candidates += _candidates(window, n_best_size, max_answer_length)
    candidates.sort(key=lambda candidate: candidate["score"], reverse=True)
    nbest = candidates[:n_best_size]
    for candidate in nbest:
        start, end = candidate.pop("offsets")
        candidate["text"] = question.context[start:end]
    return Answer(question.id, null_score, nbest)


def _candidates(window: Window, n_best_size: int, max_answer_length: int) -> list[dict[str, Any]]:
    """The legal spans among the best starts x the best ends."""
    starts = np.argsort(window.start_logits)[-1 : -n_best_size - 1 : -1].tolist()
    ends = np.argsort(window.end_logits)[-1 : -n_best_size - 1 : -1].tolist()
    found = []
    for start in starts:
        for end in ends:
            first, last = window.offsets[start], window.offsets[end]
            if first is None or last is None:
                continue
            if end < start or end - start + 1 > max_answer_length:
                continue
            start_logit, end_logit = window.start_logits[start], window.end_logits[end]
            found.append(
                {
                    "offsets": (first[0], last[1]),
                    "score": start_logit + end_logit,
                    "start_logit": start_logit,
                    "end_logit": end_logit,
                }
            )
    return found


def files(answers: Sequence[Answer], threshold: float) -> dict[str, str]:
    """Predictions, n-best with probabilities, score differences, as JSON."""
    predictions: dict[str, str] = {}
    nbest: dict[str, list[dict[str, Any]]] = {}
    null_odds: dict[str, float | None] = {}
    for answer in answers:
        nbest[answer.id] = _with_probabilities(answer)
        difference = answer.null_score - float(answer.nbest[0]["score"]) if answer.nbest else None
        null_odds[answer.id] = difference
        is_blank = difference is None or difference > threshold
        predictions[answer.id] = "" if is_blank else answer.nbest[0]["text"]
    contents = {"predictions.json": predictions, "nbest.json": nbest, "null_odds.json": null_odds}
    return {name: json.dumps(content, indent=4) + "\n" for name, content in contents.items()}


def _with_probabilities(answer: Answer) -> list[dict[str, Any]]:
    entries = [*answer.nbest, {"text": "", "score": answer.null_score, "start_logit": 0.0, "end_logit": 0.0}]
    scores = np.array([entry["score"] for entry in entries])
    weights = np.exp(scores - scores.max())
    probabilities = weights / weights.sum()
    return [
        {
            "text": entry["text"],
            "start_logit": float(entry["start_logit"]),
            "end_logit": float(entry["end_logit"]),
            "probability": float(probability),
        }
        for entry, probability in zip(entries, probabilities, strict=True)
    ]


# Scores.


def score(gold: Mapping[str, Sequence[str]], predictions: Mapping[str, str], na_prob: Mapping[str, float]) -> Scores:
    """The official keys; nothing is blanked (na_prob_thresh 1), the sweep included."""
    exact, f1 = {}, {}
    for qid, texts in gold.items():
        wanted = [text for text in texts if _normalize(text)] or [""]
        exact[qid] = float(max(_exact(text, predictions[qid]) for text in wanted))
        f1[qid] = max(_f1(text, predictions[qid]) for text in wanted)
    has_answer = {qid: bool(texts) for qid, texts in gold.items()}
    blank_at_1 = {qid: na_prob[qid] > 1.0 for qid in gold}
    exact_shown = {qid: float(not has_answer[qid]) if blank_at_1[qid] else exact[qid] for qid in gold}
    f1_shown = {qid: float(not has_answer[qid]) if blank_at_1[qid] else f1[qid] for qid in gold}
    result = _means("", exact_shown, f1_shown, list(gold))
    result |= _means("HasAns_", exact_shown, f1_shown, [qid for qid in gold if has_answer[qid]])
    result |= _means("NoAns_", exact_shown, f1_shown, [qid for qid in gold if not has_answer[qid]])
    result |= _best("exact", predictions, exact, na_prob, has_answer)
    return result | _best("f1", predictions, f1, na_prob, has_answer)


def _normalize(text: str) -> str:
    text = text.lower()
    punctuation = set(string.punctuation)
    text = "".join(character for character in text if character not in punctuation)
    text = re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)
    return " ".join(text.split())


def _exact(gold: str, predicted: str) -> int:
    return int(_normalize(gold) == _normalize(predicted))


def _f1(gold: str, predicted: str) -> float:
    gold_tokens, tokens = _normalize(gold).split(), _normalize(predicted).split()
    if not gold_tokens or not tokens:
        return float(gold_tokens == tokens)
    num_same = sum((Counter(gold_tokens) & Counter(tokens)).values())
    if num_same == 0:
        return 0.0
    precision, recall = num_same / len(tokens), num_same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


def _means(prefix: str, exact: Scores, f1: Scores, qids: list[str]) -> Scores:
    if not qids:
        return {}
    return {
        f"{prefix}exact": 100.0 * sum(exact[qid] for qid in qids) / len(qids),
        f"{prefix}f1": 100.0 * sum(f1[qid] for qid in qids) / len(qids),
        f"{prefix}total": len(qids),
    }


def _best(
    name: str,
    predictions: Mapping[str, str],
    scores: Scores,
    na_prob: Mapping[str, float],
    has_answer: Mapping[str, bool],
) -> Scores:
    """The sweep: one question more answered at a time, in rising na_prob."""
    current: float = sum(not has for has in has_answer.values())
    best, best_threshold = current, 0.0
    for qid in sorted(na_prob, key=lambda qid: na_prob[qid]):
        change = scores[qid] if has_answer[qid] else (-1 if predictions[qid] else 0)
        current += change
        if current > best:
            best, best_threshold = current, na_prob[qid]
    return {f"best_{name}": 100.0 * best / len(scores), f"best_{name}_thresh": best_threshold}
