"""What the answer search found, made by hand."""

from __future__ import annotations

import numpy as np

from spanline.search.candidates import Candidates
from spanline.search.nbest import Found, NBest, Span
from spanline.search.texts import Texts
from spanline.storage.ragged import bounds_of


def found(qid: str, null_score: float, *scores: float) -> Found:
    """Candidates "text 0", "text 1", ... whose scores are twice these logits."""
    spans = [Span(f"text {n}", 7 * n, 7 * n + 6, score / 2, score / 2) for n, score in enumerate(scores)]
    return Found(qid, null_score, spans)


def in_columns(rows: list[Found]) -> NBest:
    """The inverse of `NBest.rows`; a question's context is spaces but for its spans."""
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
        spans=Candidates(
            bounds=bounds_of(np.array([len(row.spans) for row in rows], np.int64)),
            start=np.array([span.start for span in spans], np.int64),
            end=np.array([span.end for span in spans], np.int64),
            start_logit=np.array([span.start_logit for span in spans], np.float32),
            end_logit=np.array([span.end_logit for span in spans], np.float32),
        ),
    )
