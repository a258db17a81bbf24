"""SQuAD v2's exact and f1 of texts and of sets of questions, equal to the official script's to the last digit.

The reference is `evaluate-v2.0.py` (Rajpurkar, Jia and Liang, "Know What You Don't Know", ACL 2018, and its code).
Its odd corners are kept, because published numbers contain them:

- A question is HasAns if the file gives it answers, even if they all normalize to nothing; "" is then its gold.
- A NoAns question answered "the" earns 1, for it normalizes to nothing, but costs the threshold sweep 1.

Scores of one question are 0 to 1, of a set percent. `sweep` has the script's thresholds and its whole output.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from math import fsum

from spanline.common.errors import SpanlineError
from spanline.dataset.records import Example

Gold = Mapping[str, Example | Sequence[str]] | Iterable[Example]  # qid -> example or gold texts; or plain examples
GoldTexts = dict[str, tuple[str, ...]]  # qid -> gold texts, none if unanswerable; in file order
QuestionScore = tuple[float, float]  # (exact, f1), 0..1

_DROP_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:an?|the)\b")


# One text against another.


@lru_cache(maxsize=1 << 16)  # texts; gold answers and predictions repeat within a question and between two reports
def normalize(text: str) -> str:
    """Lower-case, drop ASCII punctuation, drop the words a, an, the, squeeze whitespace: in this order.

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


_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "na_prob": ("numbers", (int, float)),
    "score_diff": ("numbers or null", (int, float, type(None))),
    "num_features": ("whole numbers", (int,)),
}


def refuse_other_qids(name: str, gold: Collection[str], values: Mapping[str, object]) -> None:
    """Before anything is scored: exactly the gold's questions, each with a value that can be scored."""
    if not gold:
        raise SpanlineError("gold", "there are no questions", "give a file that has some")
    refuse(name, "questions are missing", [qid for qid in gold if qid not in values])
    refuse(name, "questions are not in the gold file", [qid for qid in values if qid not in gold])
    refuse(name, "values are NaN", [qid for qid, value in values.items() if value != value])
    what, kinds = _KINDS.get(name, ("texts", (str,)))
    refuse(name, f"values are not {what}", [qid for qid, value in values.items() if not isinstance(value, kinds)])


def refuse(name: str, what: str, qids: Sequence[str]) -> None:
    if qids:
        what = f"{len(qids):,} {what}, the first is {qids[0]!r}"
        raise SpanlineError(name, what, "make it again for this gold file")


def totals(gold: GoldTexts, scores: Mapping[str, QuestionScore]) -> dict[str, float]:
    """Means over all, the answerable and the unanswerable questions; a part without questions leaves no keys."""
    parts = {
        "": list(gold),
        "HasAns_": [qid for qid, texts in gold.items() if texts],
        "NoAns_": [qid for qid, texts in gold.items() if not texts],
    }
    means = {prefix: _means([scores[qid] for qid in qids]) for prefix, qids in parts.items() if qids}
    return {prefix + key: value for prefix, part in means.items() for key, value in part.items()}


def _means(scores: Sequence[QuestionScore]) -> dict[str, float]:
    """Percent. `fsum`: the built-in sum of floats, which the official script takes, has other last digits from Python
    3.12 on."""
    total = len(scores)
    return {
        "exact": 100.0 * fsum(pair[0] for pair in scores) / total,
        "f1": 100.0 * fsum(pair[1] for pair in scores) / total,
        "total": total,
    }
