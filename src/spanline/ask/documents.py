"""One question, many documents: their answers in one ranking, by a score that means the same in each of them.

Logits of different texts can't be compared: a softmax is of one window, and a model is surer of some texts than of
others. What a span's score stands against is the null score of its own document, and calibration turns that difference
into a probability. So an answer's score is 1 - na_prob(null score - span score): for the best span of a document the
calibrated probability that the document answers the question, for its further spans the same if they were the best.
Without a calibration it is the plain logistic curve of the difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import numpy as np

from spanline.no_answer.calibration import UNKNOWN, Calibration
from spanline.no_answer.probability import no_answer_probability
from spanline.no_answer.rule import is_null
from spanline.search.nbest import Found


class DocumentAnswer(TypedDict):
    """An answer in one of several documents; `documents[document][start:end] == answer`."""

    score: float  # the probability that the document answers the question with it
    document: str  # its name
    start: int  # characters of the document
    end: int  # exclusive
    answer: str


def answers_of(
    names: Iterable[str], found: Iterable[Found], calibration: Calibration | None, threshold: float
) -> list[DocumentAnswer]:
    """Every span found in the documents `names`, document by document, but for those whose score_diff is above
    `threshold` (logits)."""
    known = calibration or UNKNOWN
    answers: list[DocumentAnswer] = []
    for name, of_document in zip(names, found, strict=True):
        diffs = [of_document.null_score - span.score for span in of_document.spans]
        scores = 1 - no_answer_probability(np.array(diffs), known.slope, known.intercept)
        answers += [
            {"score": score, "document": name, "start": span.start, "end": span.end, "answer": span.text}
            for span, diff, score in zip(of_document.spans, diffs, scores.tolist(), strict=True)
            if not is_null(diff, threshold)
        ]
    return answers


def best(answers: Iterable[DocumentAnswer], top_k: int) -> list[DocumentAnswer]:
    """The `top_k` with the highest scores, best first; of equal scores the earlier document's."""
    return sorted(answers, key=lambda answer: -answer["score"])[:top_k]
