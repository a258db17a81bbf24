"""The threshold that is applied: a number or the calibrated one."""

from __future__ import annotations

from typing import Any

import pytest

from spanline.common.errors import SpanlineError
from spanline.no_answer.calibration import Calibration
from spanline.postprocess.params import PostprocessParams, applied_threshold

CALIBRATION = Calibration(null_score_diff_threshold=0.5, slope=0.7, intercept=-0.2)


def test_the_threshold_is_the_number_or_the_calibrated_one() -> None:
    assert applied_threshold(section(-1), CALIBRATION) == -1.0
    assert applied_threshold(section("calibrated"), CALIBRATION) == 0.5


def section(threshold: Any) -> PostprocessParams:
    return PostprocessParams(n_best_size=20, null_score_diff_threshold=threshold)


def test_calibrated_without_a_calibration_split_is_one_line() -> None:
    with pytest.raises(SpanlineError) as caught:
        applied_threshold(section("calibrated"), Calibration(None, 1.0, 0.0))
    assert str(caught.value) == (
        "params.yaml: postprocess.null_score_diff_threshold is 'calibrated', but there is no calibration split "
        "(download.calibration_fraction is 0); set it to a number, as 0.0"
    )
    assert applied_threshold(section(0.25), Calibration(None, 1.0, 0.0)) == 0.25
