"""Plot data say what the scorer says, threshold by threshold and bin by bin, and stay small."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from spanline.answers import Thresholds
from spanline.common.files import to_csv
from spanline.score import plots, report
from spanline.score.probability_quality import expected_calibration_error
from spanline.squad_v2.curves import precision_recall
from tests.make.scored import answers_at


def run(num_questions: int, seed: int) -> report.Run:
    """Questions of which a third are unanswerable, some best spans right, one in 20 without a legal span."""
    random = np.random.default_rng(seed)
    diffs = random.normal(0, 3, num_questions).round(random.integers(0, 8)).tolist()
    gold, best, score_diff = {}, {}, {}
    for number, diff in enumerate(diffs):
        qid = f"q{number}"
        gold[qid] = ["gold answer"] if number % 3 else []
        best[qid] = ["gold answer", "gold", "the", "wrong"][random.integers(4)]
        score_diff[qid] = None if number % 20 == 7 else diff
    na_prob = {qid: 1.0 if diff is None else 1 / (1 + math.exp(-diff)) for qid, diff in score_diff.items()}
    return report.checked_run(gold, answers_at(best, score_diff, na_prob, 0.25, None))


@pytest.mark.parametrize(("num_questions", "seed"), [(1, 1), (2, 2), (50, 3), (400, 4), (1000, 5)])
def test_sweep_equals_the_scores_at_each_threshold(num_questions: int, seed: int) -> None:
    run_ = run(num_questions, seed)
    rows = plots.threshold_sweep(run_, {"0": 0.0, "a": 0.25, "b": -0.125, "c": 0.25})
    thresholds = [row.null_score_diff_threshold for row in rows]
    assert thresholds == sorted(set(thresholds))
    assert {0.0, 0.25, -0.125} <= set(thresholds)
    assert len(rows) <= plots.MAX_ROWS
    assert {row.null_score_diff_threshold: row.mark for row in rows if row.mark} == {
        0.0: "0",
        0.25: "a; c",
        -0.125: "b",
    }
    for row in rows:
        expected = run_.at(row.null_score_diff_threshold)
        for key, value in list(row._asdict().items())[:-1]:
            assert value == (None if key not in expected else pytest.approx(expected[key], abs=1e-6)), key
    as_null, as_span = run_.at(-1e9), run_.at(1e9)
    assert rows[0].f1 == pytest.approx(as_null["f1"], abs=1e-6)
    assert rows[-1].f1 == pytest.approx(as_span["f1"], abs=1e-6)


def test_sweep_without_a_legal_span() -> None:
    run_ = report.checked_run({"q": []}, answers_at({"q": ""}, {"q": None}, {"q": 1.0}, 0.0, None))
    assert plots.threshold_sweep(run_, {"0": 0.0}) == [(0.0, 100.0, 100.0, None, None, 100.0, 100.0, "0")]
    assert sum(row.unanswerable for row in plots.score_diff_histogram(run_)) == 0


def test_reliability_gives_the_calibration_error() -> None:
    random = np.random.default_rng(1)
    prob = np.concatenate([random.uniform(0, 1, 500), [0.0, 0.5, 1.0, 1.0]])
    outcome = random.uniform(0, 1, 504) < prob**2
    rows = plots.reliability(prob, outcome, 10)
    error = sum(row.questions * abs(row.na_prob - row.unanswerable) for row in rows) / 504
    assert error == pytest.approx(expected_calibration_error(prob, outcome, 10), abs=1e-5)
    assert sum(row.questions for row in rows) == 504


def test_reliability_leaves_empty_bins_out() -> None:
    assert [row.questions for row in plots.reliability(np.array([0.05, 1.0]), np.array([True, False]), 10)] == [1, 1]


def test_histogram_holds_every_legal_question() -> None:
    run_ = run(400, 4)
    rows = plots.score_diff_histogram(run_)
    legal = [qid for qid, diff in run_.score_diff.items() if diff is not None]
    assert len(rows) == plots.HISTOGRAM_BINS
    assert sum(row.answerable for row in rows) == sum(bool(run_.gold[qid]) for qid in legal)
    assert sum(row.unanswerable for row in rows) == sum(not run_.gold[qid] for qid in legal)


def test_precision_recall_is_thinned_evenly_and_marked() -> None:
    run_ = run(1000, 5)
    curves = precision_recall(run_.gold, run_.as_span, run_.na_prob)
    rows = plots.precision_recall_points(run_, curves, {"0": 0.0, "low": -1e9})
    for name, official in (("exact", "pr_exact"), ("f1", "pr_f1"), ("answerable", "pr_oracle")):
        points = [row[1:] for row in rows if row.curve == name]
        assert len(points) == plots.MAX_ROWS
        assert [point[0] for point in points] == sorted(point[0] for point in points)
        assert points[0][:2] == (0.0, 1.0)
        assert points[-1][:2] == pytest.approx(curves[official].points[-1], abs=1e-6)
        # a mark lies on the curve: no two of these thresholds tie, so a threshold is a point of it
        [at_0], [nothing] = ([p[:2] for p in points if p[2] == mark] for mark in ("0", "low"))
        assert nothing == (0.0, 1.0)
        assert min(math.dist(at_0, point) for point in curves[official].points) < 1e-5


def test_precision_recall_without_an_answerable_question_is_its_first_point() -> None:
    run_ = report.checked_run({"q": []}, answers_at({"q": "x"}, {"q": 1.0}, {"q": 0.5}, 0.0, None))
    rows = plots.precision_recall_points(run_, {}, {"0": 0.0})
    assert rows == [(name, 0.0, 1.0, None) for name in ("exact", "f1", "answerable")]


@pytest.mark.parametrize(
    ("applied", "calibrated", "names"),
    [
        (-0.5, -0.5, {"0": 0.0, "calibrated, applied": -0.5, "oracle": 2.0}),
        (0.0, -0.5, {"0, applied": 0.0, "calibrated": -0.5, "oracle": 2.0}),
        (1.0, -0.5, {"0": 0.0, "calibrated": -0.5, "applied": 1.0, "oracle": 2.0}),
        (0.0, None, {"0, applied": 0.0, "oracle": 2.0}),
    ],
)
def test_marks_say_which_threshold_was_applied(
    applied: float, calibrated: float | None, names: dict[str, float]
) -> None:
    assert plots.marks(Thresholds(applied, calibrated), 2.0) == names


def test_csv_has_a_header_and_empty_cells() -> None:
    rows = [plots.SweepPoint(0.5, 50.0, 60.0, None, None, 1e-6, 3.0, None)]
    text = to_csv(plots.SweepPoint._fields, rows)
    assert text.count("\n") == 2
    assert "\r" not in text
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["null_score_diff_threshold"], row["HasAns_f1"], row["NoAns_exact"]) == ("0.5", "", "1e-06")
