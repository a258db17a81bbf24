"""What is measured on calibration features is what a plain loop over them finds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spanline.model import batches, span_model
from spanline.model.distributed import ALONE, Group
from spanline.train.epoch_scores import best_spans, evaluate, token_f1
from tests.make.checkpoint import logits_of, make_checkpoint
from tests.make.features import make_features

CPU = torch.device("cpu")
LOGITS = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=4, max_size=4)


@given(LOGITS, LOGITS, st.integers(0, 3), st.sets(st.integers(0, 3)))
def test_best_spans_by_enumeration(start: list[float], end: list[float], null: int, hidden: set[int]) -> None:
    hidden -= {null}
    rows = [torch.tensor([row]) for row in (start, end)]
    for row in rows:
        row[0, list(hidden)] = -torch.inf
    found = tuple(int(part) for part in best_spans(rows[0], rows[1], torch.tensor([null])))
    spans = [(s, e) for s, e in itertools.product(range(4), range(4)) if s <= e and not {s, e} & {null, *hidden}]
    scores = {(s, e): start[s] + end[e] for s, e in spans}
    best = max(scores.values(), default=-float("inf"))
    if start[null] + end[null] >= best:
        assert found == (null, null)
    else:
        assert scores[found] == best
        assert found[1] == min(e for (_, e), score in scores.items() if score == best)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_token_f1_of_sets(ends: list[int]) -> None:
    (a, b), (c, d) = sorted(ends[:2]), sorted(ends[2:])
    one, other = set(range(a, b + 1)), set(range(c, d + 1))
    found = token_f1(*(torch.tensor([value]) for value in (a, b, c, d)))
    assert found.item() == pytest.approx(2 * len(one & other) / (len(one) + len(other)))


def test_evaluate_equals_a_loop_whatever_the_batches_and_processes(tmp_path: Path) -> None:
    spans = span_model.pretrained(make_checkpoint(tmp_path), 17, 0.1)
    data = make_features([9, 14, 30, 30, 11])
    found = evaluate(spans, data, 60, "float32", CPU, ALONE)
    assert spans.training
    expected = np.zeros(4)
    for row in range(len(data)):
        batch = batches.collate(data, np.array([row]), spans.pad_token_id)
        start, end = (part.masked_fill(~batch.allowed_BT, -torch.inf) for part in logits_of(spans.eval(), batch))
        measures = [
            span_model.span_loss(start, end, batch),
            start.argmax(1) == batch.start_B,
            end.argmax(1) == batch.end_B,
            token_f1(*best_spans(start, end, batch.null_B), batch.start_B, batch.end_B),
        ]
        expected += [float(measure) for measure in measures]
    assert list(found.values()) == pytest.approx((expected / len(data)).tolist(), rel=1e-5)


def test_processes_share_the_features_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spans = span_model.pretrained(make_checkpoint(tmp_path), 17, 0.0)
    data = make_features([9, 14, 30, 30, 11])
    parts: list[torch.Tensor] = []
    monkeypatch.setattr(Group, "sum", lambda self, tensor: parts.append(tensor.clone()))
    for rank in range(3):
        evaluate(spans, data, 30, "float32", CPU, Group(rank, 3))
    whole = evaluate(spans, data, 30, "float32", CPU, ALONE)
    assert (sum(parts[:3]) / len(data)).tolist() == pytest.approx(list(whole.values()))
