"""What `dvc plots` and the report draw from a scored run: small CSV texts, a curve has at most 200 rows.

Values are rounded to six decimals: enough for a picture, and the same on every processor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spanline.answers import Thresholds
from spanline.no_answer.rule import is_null
from spanline.score.probability_quality import Flags, Floats, probability_bins
from spanline.score.report import Run
from spanline.squad_v2.curves import PrecisionRecall

MAX_ROWS = 200
HISTOGRAM_BINS = 50
_DECIMALS = 6


def marks(thresholds: Thresholds, oracle: float) -> dict[str, float]:
    """Name -> threshold in logits, of those that people compare; the one that the answers were written at says so.

    {"0": 0.0, "calibrated, applied": -0.9, "oracle": 2.4}
    """
    named = {"0": 0.0}
    if thresholds.calibrated is not None:
        named["calibrated"] = thresholds.calibrated
    chosen = next((name for name, value in reversed(named.items()) if value == thresholds.applied), None)
    if chosen is None:
        named["applied"] = thresholds.applied
    named["oracle"] = oracle
    return {f"{name}, applied" if name == chosen else name: value for name, value in named.items()}


class PrecisionRecallPoint(NamedTuple):
    """A point of one of the three precision-recall curves; the first point of each is (0, 1)."""

    curve: str  # exact, f1 or answerable (which counts 1 for every answerable question that is answered)
    recall: float  # 0..1
    precision: float  # 0..1
    mark: str | None  # the name of the threshold that reaches this point, if it is one of `marks`


_CURVES = {"exact": "pr_exact", "f1": "pr_f1", "answerable": "pr_oracle"}  # our name -> the official script's


def precision_recall_points(
    run: Run, curves: Mapping[str, PrecisionRecall], marks: Mapping[str, float]
) -> list[PrecisionRecallPoint]:
    """The curves, thinned evenly (their ends stay), each with a point for every mark; in rising recall."""
    rows = []
    for curve, official in _CURVES.items():
        points = curves[official].points if official in curves else [(0.0, 1.0)]
        kept = _evenly(len(points), MAX_ROWS - len(marks))
        cells: list[tuple[float, float, str | None]] = [(*points[index], None) for index in kept.tolist()]
        if official in curves:
            cells += [(*_point_at(run, curve, threshold), name) for name, threshold in marks.items()]
        cells.sort(key=lambda cell: (cell[0], -cell[1]))
        rows += [PrecisionRecallPoint(curve, round(x, _DECIMALS), round(y, _DECIMALS), mark) for x, y, mark in cells]
    return rows


def _point_at(run: Run, curve: str, threshold: float) -> tuple[float, float]:
    """(recall, precision) of the answers at a threshold; nothing answered: (0, 1)."""
    answered = [qid for qid in run.gold if not is_null(run.score_diff[qid], threshold)]
    if not answered:
        return 0.0, 1.0
    of_answerable = [run.as_span[qid] for qid in answered if run.gold[qid]]
    key = {"exact": 0, "f1": 1}.get(curve)
    right = len(of_answerable) if key is None else fsum(pair[key] for pair in of_answerable)
    return right / sum(map(bool, run.gold.values())), right / len(answered)


class SweepPoint(NamedTuple):
    """Scores in percent at one threshold; None for a part without questions."""

    null_score_diff_threshold: float  # logits
    exact: float
    f1: float
    HasAns_exact: float | None
    HasAns_f1: float | None
    NoAns_exact: float | None
    NoAns_f1: float | None
    mark: str | None  # names of the thresholds that this is, of `marks`


def threshold_sweep(run: Run, marks: Mapping[str, float]) -> list[SweepPoint]:
    """The scores as the threshold rises from answering nothing to answering everything, `marks` among them."""
    diff = _legal(run)
    thresholds = _thresholds(diff, marks.values())
    names: dict[float, str] = {}
    for name, value in marks.items():
        rounded = round(value, _DECIMALS)
        names[rounded] = f"{names[rounded]}; {name}" if rounded in names else name
    is_answerable = np.array([bool(texts) for texts in run.gold.values()])
    parts = (np.ones_like(is_answerable), is_answerable, ~is_answerable)
    columns = [_scores_at(run, diff, thresholds, part, key) for part in parts for key in (0, 1)]
    mark_of = [names.get(threshold) for threshold in thresholds.tolist()]
    return [SweepPoint(*row) for row in zip(thresholds.tolist(), *columns, mark_of, strict=True)]


def _thresholds(diff: Floats, marks: Iterable[float]) -> Floats:
    """Evenly many questions apart; rounded here already, so that a row's scores are those of the threshold it shows."""
    levels = np.unique(diff[diff < np.inf])
    kept = levels[_evenly(len(levels), MAX_ROWS - 6)]
    below = levels[:1] - 1.0
    return np.unique(np.round([*below, *kept, *levels[-1:] + 1e-6, *marks], _DECIMALS))


def _scores_at(run: Run, diff: Floats, thresholds: Floats, part: Flags, key: int) -> Sequence[float | None]:
    """Percent at each threshold, over the questions of `part`: every question as "", but as its span up to there."""
    if not part.any():
        return [None] * len(thresholds)
    as_null = np.array([pair[key] for pair in run.as_null.values()], np.float64)[part]
    as_span = np.array([pair[key] for pair in run.as_span.values()], np.float64)[part]
    order = np.argsort(diff[part], kind="stable")
    gained = np.concatenate([np.zeros(1), np.cumsum((as_span - as_null)[order])])
    num_answered = np.searchsorted(diff[part][order], thresholds, side="right")
    return _rounded(100.0 * (as_null.sum() + gained[num_answered]) / len(as_null))


class ReliabilityBin(NamedTuple):
    """Questions of about the same na_prob."""

    na_prob: float  # mean of the bin, 0..1
    unanswerable: float  # share of the bin, 0..1
    questions: int


def reliability(na_prob: Floats, is_unanswerable: Flags, bins: int) -> list[ReliabilityBin]:
    """The bins of `probability_quality.expected_calibration_error` that hold questions."""
    bin_of_row = probability_bins(na_prob, bins)
    count = np.bincount(bin_of_row, minlength=bins)
    held = count > 0
    mean = np.bincount(bin_of_row, weights=na_prob, minlength=bins)[held] / count[held]
    rate = np.bincount(bin_of_row, weights=is_unanswerable, minlength=bins)[held] / count[held]
    return [ReliabilityBin(*row) for row in zip(_rounded(mean), _rounded(rate), count[held].tolist(), strict=True)]


class HistogramBin(NamedTuple):
    """Questions whose score_diff is about the same."""

    score_diff: float  # middle of the bin, logits
    answerable: int  # questions
    unanswerable: int  # questions


def score_diff_histogram(run: Run) -> list[HistogramBin]:
    """Bins of equal width over whole logits. Questions without a legal span have no score_diff and are left out."""
    diff = _legal(run)
    is_answerable = np.array([bool(texts) for texts in run.gold.values()])
    legal = diff[diff < np.inf]
    low, high = (np.floor(legal.min()), np.floor(legal.max()) + 1) if len(legal) else (0.0, 1.0)
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    counts = [np.histogram(diff[part & (diff < np.inf)], edges)[0].tolist() for part in (is_answerable, ~is_answerable)]
    return [HistogramBin(*row) for row in zip(_rounded((edges[:-1] + edges[1:]) / 2), *counts, strict=True)]


def _legal(run: Run) -> Floats:
    """(Q,) score_diff in file order; inf where a question has no legal span: above every threshold."""
    values: Mapping[str, float | None] = run.score_diff
    diffs = (values[qid] for qid in run.gold)
    return np.array([np.inf if diff is None else diff for diff in diffs], np.float64)


def _evenly(length: int, most: int) -> NDArray[np.intp]:
    """Indices of at most `most` of `length` things, evenly spread, first and last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).astype(np.intp))


def _rounded(values: Iterable[float] | Floats) -> Sequence[float]:
    return [round(float(value), _DECIMALS) for value in values]
