"""The calibrate stage as the shell sees it: one small file, one-line errors, nothing half-written."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from spanline.common import files
from spanline.dataset import splits
from tests.make.project import (
    featurize,
    featurize_params,
    files_of,
    make_project,
    run_stage,
    tiny_examples,
    write_logits,
    write_params,
)
from tests.make.project import random_logits as random_logits_of

OPTIONS = shlex.split("--squad squad.parquet --features features --logits logits --out data/calibration.json")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_project(folder)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refused(folder: Path) -> str:
    """The one line of a run that the stage refuses; it leaves no file behind."""
    before = files_of(folder)
    code, lines = run_stage(folder, "calibrate", *OPTIONS)
    assert (code, len(lines)) == (1, 1), lines
    assert {name for name in files_of(folder) if name != "data"} == before
    return lines[0]


def test_leaves_one_file(project: Path) -> None:
    before = files_of(project)
    code, lines = run_stage(project, "calibrate", *OPTIONS)
    assert code == 0, lines
    assert files_of(project) - before == {"data/calibration.json"}
    result = json.loads((project / "data" / "calibration.json").read_text())
    assert set(result) == {
        "questions",
        "metric",
        "unanswerable_share",
        "f1_at_threshold",
        "f1_at_0",
        "null_score_diff_threshold",
        "slope",
        "intercept",
        "fallback_reason",
        "model",
    }
    assert (result["questions"], result["metric"]) == (39, "f1")
    assert result["f1_at_threshold"] >= result["f1_at_0"]
    threshold = f"threshold {result['null_score_diff_threshold']:.4f} logits"
    scores = f"f1 {result['f1_at_threshold']:.2f} on 39 calibration questions, against {result['f1_at_0']:.2f} at 0"
    assert lines[:-1] == [f"{threshold}: {scores}"]
    assert lines[-1].startswith("done in ")


def test_same_inputs_same_bytes_and_the_params_matter(project: Path) -> None:
    hashes = []
    for metric, share in (("f1", None), ("f1", None), ("exact", None), ("f1", 0.9)):
        write_params(project, calibrate={"metric": metric, "unanswerable_share": share})
        assert run_stage(project, "calibrate", *OPTIONS)[0] == 0
        hashes.append(files.sha256(project / "data" / "calibration.json"))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_an_empty_split_has_no_threshold(tmp_path: Path) -> None:
    make_project(tmp_path, given=[])
    code, lines = run_stage(tmp_path, "calibrate", *OPTIONS)
    assert (code, lines[0]) == (0, "no calibration questions: no threshold")
    result = json.loads((tmp_path / "data" / "calibration.json").read_text())
    assert (result["null_score_diff_threshold"], result["questions"]) == (None, 0)


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("squad.parquet", "check the path; under DVC, run `dvc repro` so that earlier stages make it, or `dvc pull`"),
        ("features/manifest.json", "run the stage that makes it: dvc repro featurize"),
        ("logits/manifest.json", "run the stage that makes it: dvc repro predict"),
        ("features/00001.parquet", "make it anew: dvc repro -s -f featurize"),
        ("params.yaml", "run from the project's root or pass --params"),
    ],
)
def test_a_missing_file_is_one_line(project: Path, name: str, todo: str) -> None:
    (project / name).unlink()
    line = refused(project)
    assert line.startswith(f"error: {name}: ")
    assert line.endswith(f"; {todo}")


def test_logits_of_other_features_are_one_line(project: Path) -> None:
    other = project / "other"
    data, _ = featurize(tiny_examples(), project / "tokenizer.json", other, featurize_params(doc_stride=16))
    shutil.rmtree(project / "logits")
    write_logits(project / "logits", data, random_logits_of(data, 1), other)
    expected = "error: logits: holds logits of other features than features; predict them anew: dvc repro predict"
    assert refused(project) == expected


def test_features_of_another_split_are_one_line(project: Path) -> None:
    splits.write(project / "squad.parquet", tiny_examples()[1:])
    expected = "features: holds features of another split than squad.parquet; cut them anew: dvc repro featurize"
    assert refused(project) == f"error: {expected}"


def test_a_manifest_of_another_kind_is_one_line(project: Path) -> None:
    shutil.copy(project / "logits" / "manifest.json", project / "features" / "manifest.json")
    todo = "run the stage that makes it: dvc repro featurize"
    assert refused(project) == f"error: features/manifest.json: is no manifest of features; {todo}"


def test_a_flipped_byte_is_one_line(project: Path) -> None:
    path = project / "logits" / "00000.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    todo = "make it anew: dvc repro -s -f predict"
    assert refused(project) == f"error: logits/00000.parquet: differs from its checksum in the manifest; {todo}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": {"numpy": "1.0.0"}}, "'environment.numpy' is 1.0.0, installed is "),
        ({"calibrate": {"metrik": "f1"}}, "unknown key 'calibrate.metrik'; did you mean 'metric'?"),
        (
            {"answer_search": {"max_answer_lenght": 30}},
            "unknown key 'answer_search.max_answer_lenght'; did you mean 'max_answer_length'?",
        ),
        ({"calibrate": {"metric": "F1"}}, "'calibrate.metric' is 'F1', which should be 'f1' or 'exact'; change it"),
        (
            {"calibrate": {"unanswerable_share": 50.0}},
            "'calibrate.unanswerable_share' is 50.0, which should be less than 1",
        ),
        ({"calibrate": {"unanswerable_share": 0.0}}, "'calibrate.unanswerable_share' is 0.0, which should be greater"),
    ],
)
def test_params_that_cannot_be_are_one_line(project: Path, changes: dict[str, Any], expected: str) -> None:
    write_params(project, **changes)
    assert refused(project).startswith(f"error: params.yaml: {expected}")
