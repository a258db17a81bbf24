"""Section `postprocess` of params.yaml, and the threshold that it means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spanline.common.errors import SpanlineError
from spanline.common.params import Section
from spanline.no_answer.calibration import Calibration


class PostprocessParams(Section):
    """What becomes of the candidates."""

    n_best_size: Annotated[int, Field(ge=1)]  # candidates kept per question
    null_score_diff_threshold: Literal["calibrated"] | float  # logits


def applied_threshold(params: PostprocessParams, calibration: Calibration) -> float:
    """In logits: the number of params.yaml or the calibrated one; SpanlineError when there is none."""
    if params.null_score_diff_threshold != "calibrated":
        return float(params.null_score_diff_threshold)
    if calibration.null_score_diff_threshold is None:
        what = "is 'calibrated', but there is no calibration split (download.calibration_fraction is 0)"
        raise SpanlineError(
            "params.yaml", f"postprocess.null_score_diff_threshold {what}", "set it to a number, as 0.0"
        )
    return calibration.null_score_diff_threshold
