"""calibration.json is read back as it was written; what is no calibration is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanline.common.errors import SpanlineError
from spanline.common.files import to_json
from spanline.no_answer.calibration import Calibration, CalibrationReport

CALIBRATION = Calibration(null_score_diff_threshold=0.5, slope=0.7, intercept=-0.2)


@pytest.mark.parametrize("content", ["{}", "[]", '{"slope": 1.0}'])
def test_what_is_no_calibration_is_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(SpanlineError) as caught:
        Calibration.read(path)
    assert str(caught.value) == f"{path}: is no calibration; make it anew: dvc repro -s -f calibrate"


def test_a_calibration_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"null_score_diff_threshold": 0.5, "slope": 0.7, "intercept": -0.2, "questions": 3}))
    assert Calibration.read(path) == CALIBRATION


def test_the_stage_writes_what_the_reader_reads(tmp_path: Path) -> None:
    report = CalibrationReport(CALIBRATION, 3, "f1", 0.5, 66.5, 60.0, None)
    assert report.to_content() == {
        "questions": 3,
        "metric": "f1",
        "unanswerable_share": 0.5,
        "f1_at_threshold": 66.5,
        "f1_at_0": 60.0,
        "fallback_reason": None,
        "null_score_diff_threshold": 0.5,
        "slope": 0.7,
        "intercept": -0.2,
    }
    path = tmp_path / "calibration.json"
    path.write_text(to_json(report.to_content()))
    assert Calibration.read(path) == CALIBRATION


def test_a_missing_file_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(SpanlineError) as caught:
        Calibration.read(path)
    todo = "run the stage that makes it: dvc repro calibrate"
    assert str(caught.value) == f"{path}: there is no such file; {todo}"
