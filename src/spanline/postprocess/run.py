"""The postprocess stage's work: what the search found becomes answers, in the formats that the official script and the
old Hugging Face tools read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson

from spanline.answers import NBEST, Answers, Limits, Thresholds
from spanline.no_answer.calibration import Calibration
from spanline.no_answer.probability import no_answer_probability
from spanline.no_answer.rule import apply_threshold
from spanline.postprocess.nbest_json import nbest_json
from spanline.search.nbest import NBest
from spanline.storage.features import Features, example_bounds


def num_features(features: Features) -> dict[str, int]:
    """Question id -> how many features the question was cut into."""
    bounds = example_bounds(features)
    ids = features.ids.take(bounds[:-1]).to_pylist()
    return dict(zip(ids, np.diff(bounds).tolist(), strict=True))


def answers(
    found: NBest,
    num_features: Mapping[str, int],
    threshold: float,
    calibration: Calibration,
    limits: Mapping[str, int] | None = None,
) -> Answers:
    """The answers at `threshold` (logits), and what they come from. `limits`: of `search.limits`."""
    best = dict(zip(found.ids, found.best_texts(), strict=True))
    score_diff = dict(zip(found.ids, found.score_diffs(), strict=True))
    return Answers(
        predictions=apply_threshold(best, score_diff, threshold),
        best_spans=best,
        score_diff=score_diff,
        na_prob=_na_prob(score_diff, calibration),
        num_features=num_features,
        thresholds=Thresholds(threshold, calibration.null_score_diff_threshold),
        limits=Limits(**limits) if limits else None,
    )


def _na_prob(score_diff: dict[str, float | None], calibration: Calibration) -> dict[str, float]:
    """Question id -> probability of no answer, the number that the official script sorts by."""
    values = [np.inf if value is None else value for value in score_diff.values()]
    probabilities = no_answer_probability(values, calibration.slope, calibration.intercept).tolist()
    return dict(zip(score_diff, probabilities, strict=True))


def write(folder: Path, answers: Answers, found: NBest, workers: int) -> None:
    """All files of data/answers into `folder`. `workers` counts threads."""
    for name, content in as_json(answers).items():
        (folder / name).write_bytes(content)
    with (folder / NBEST).open("wb") as file:
        file.writelines(nbest_json(found, workers))


def as_json(answers: Answers) -> dict[str, bytes]:
    """File name -> content, for all files but nbest.json."""
    how = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE  # tens of times faster than json
    return {name: orjson.dumps(content, option=how) for name, content in answers.contents().items()}


def summary(answers: Answers) -> str:
    """The stage's last line."""
    num_null = sum(not text for text in answers.predictions.values())
    threshold = answers.thresholds.applied
    return f'{len(answers.predictions):,} questions: {num_null:,} answered with "" at threshold {threshold:.4f} logits'
