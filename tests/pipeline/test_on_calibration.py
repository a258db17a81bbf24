"""`spanline compare --on calibration`: its answers are those that postprocess gives for that split, scored alike."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.pipeline.workspace import Workspace

SPANLINE = (sys.executable, "-m", "spanline")


def test_the_answers_are_postprocess_s(reproduced: Workspace, tmp_path: Path) -> None:
    """The scores that compare finds are those of the stages by hand, run with the one split in the other's place."""
    reproduced.run(
        *(sys.executable, "-m", "stages.postprocess", "--squad", "data/squad/calibration.parquet"),
        *("--features", "data/features/calibration", "--logits", "data/logits/calibration"),
        *("--calibration", "data/calibration.json", "--out", f"{tmp_path}/answers"),
    )
    by_hand = ("compare", f"{tmp_path}/answers", f"{tmp_path}/answers", "--squad", "data/squad/calibration.parquet")
    expected = json.loads(reproduced.run(*SPANLINE, *by_hand, "--json").stdout)
    found = json.loads(reproduced.run(*SPANLINE, "compare", "HEAD", "HEAD", "--on", "calibration", "--json").stdout)
    assert found["on"] == "calibration"
    assert found["f1"]["questions"] == len(json.loads((tmp_path / "answers/predictions.json").read_text())) > 0
    for key in ("exact", "f1", "slices"):
        assert found[key] == expected[key]
    calibrated = json.loads((reproduced.root / "data/calibration.json").read_text())
    assert abs(found["f1"]["a"] - calibrated["f1_at_threshold"]) < 1e-4


def test_it_says_which_questions_it_is_about(reproduced: Workspace) -> None:
    text = reproduced.run(*SPANLINE, "compare", "HEAD", "HEAD", "--on", "calibration").stdout
    assert "articles of the calibration split; 95 % intervals" in text
    table = reproduced.run(*SPANLINE, "summary", "HEAD", "--on", "calibration", "--json").stdout
    validation = reproduced.run(*SPANLINE, "summary", "HEAD", "--json").stdout
    assert json.loads(table)["runs"] != json.loads(validation)["runs"]


def test_files_have_no_calibration_split(reproduced: Workspace) -> None:
    done = reproduced.run(*SPANLINE, "compare", "data/answers", "HEAD", "--on", "calibration", check=False)
    assert done.returncode == 1
    line = "error: data/answers: is no git revision or DVC experiment, which alone have a calibration split; "
    assert done.stderr.splitlines()[-1] == f"{line}compare files on validation"
