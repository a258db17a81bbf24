"""The postprocess stage as the shell sees it: the answer files, all or none; errors in one line."""

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
    pointing_logits,
    run_stage,
    tiny_examples,
    write_logits,
    write_params,
)

OPTIONS = shlex.split(
    "--squad squad.parquet --features features --logits logits --calibration calibration.json --out data/answers"
)
CALIBRATION = {"null_score_diff_threshold": 1.0, "slope": 0.5, "intercept": 0.0}
NAMES = {"predictions", "best_spans", "null_odds", "na_prob", "nbest", "num_features", "thresholds", "limits"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_project(folder)
    write_calibration(folder)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def write_calibration(folder: Path, **changes: Any) -> None:
    (folder / "calibration.json").write_text(json.dumps({**CALIBRATION, **changes}))


def run(folder: Path) -> dict[str, Any]:
    """The answer files' contents after a run that goes well."""
    code, lines = run_stage(folder, "postprocess", *OPTIONS)
    assert code == 0, lines
    return {path.stem: json.loads(path.read_text("utf-8")) for path in (folder / "data" / "answers").iterdir()}


def test_a_threshold_given_as_a_number_needs_no_calibration(project: Path) -> None:
    """The probability is then the plain logistic curve of score_diff, as after a calibration without questions."""
    write_params(project, postprocess={"null_score_diff_threshold": 0.5})
    (project / "calibration.json").write_text(
        json.dumps({"null_score_diff_threshold": None, "slope": 1.0, "intercept": 0.0})
    )
    expected = run(project)
    (project / "calibration.json").unlink()
    options = [option for option in OPTIONS if option not in ("--calibration", "calibration.json")]
    code, lines = run_stage(project, "postprocess", *options)
    assert code == 0, lines
    assert {p.stem: json.loads(p.read_text("utf-8")) for p in (project / "data" / "answers").iterdir()} == expected
    write_params(project)
    code, lines = run_stage(project, "postprocess", *options)
    assert code == 1
    assert lines[0].startswith("error: params.yaml: postprocess.null_score_diff_threshold is 'calibrated', but there")


def refused(folder: Path) -> str:
    """The one line of a run that the stage refuses; it leaves no file behind."""
    before = files_of(folder)
    code, lines = run_stage(folder, "postprocess", *OPTIONS)
    assert (code, len(lines)) == (1, 1), lines
    assert {name for name in files_of(folder) if name != "data"} == before
    return lines[0]


def test_leaves_these_files(project: Path) -> None:
    before = files_of(project)
    code, lines = run_stage(project, "postprocess", *OPTIONS)
    assert code == 0, lines
    assert files_of(project) - before == {f"data/answers/{name}.json" for name in NAMES}
    predictions = json.loads((project / "data" / "answers" / "predictions.json").read_text("utf-8"))
    blank = sum(not text for text in predictions.values())
    assert lines[:-1] == [f'39 questions: {blank} answered with "" at threshold 1.0000 logits']
    assert lines[-1].startswith("done in ")


def test_a_model_that_knows_the_labels_answers_them(project: Path) -> None:
    contents = run(project)
    given = {example.id: example for example in tiny_examples()}
    for name in NAMES - {"thresholds", "limits"}:
        assert set(contents[name]) == set(given), name
    for qid in ("first-character", "last-character", "accents", "wide-characters", "combining-mark", "emoji-answer"):
        assert contents["predictions"][qid] == given[qid].answers[0].text
    # "every window must agree that there is nothing": where one window points at a span, the null score there is 0
    assert contents["null_odds"]["long-context-late"] == -10.0
    assert contents["predictions"]["long-context-late"] == "Nora Gale"
    for qid, example in given.items():
        if not example.answers:
            assert (contents["predictions"][qid], contents["null_odds"][qid]) == ("", 10.0)
            assert contents["best_spans"][qid] != ""
    assert contents["thresholds"] == {"applied": 1.0, "calibrated": 1.0}
    assert contents["num_features"]["accents"] == 1
    assert contents["num_features"]["long-context-late"] > 3


def test_texts_are_those_of_the_context(project: Path) -> None:
    contexts = {example.id: example.context for example in tiny_examples()}
    for qid, entries in run(project)["nbest"].items():
        assert len(entries) <= 6
        assert sum(entry["probability"] for entry in entries) == pytest.approx(1)
        for entry in entries:
            if entry["text"]:
                assert contexts[qid][entry["start"] : entry["end"]] == entry["text"]
        assert sum(entry["text"] == "" for entry in entries) == 1


def test_same_inputs_same_bytes(project: Path) -> None:
    hashes = []
    for _ in range(2):
        run(project)
        hashes.append({path.name: files.sha256(path) for path in (project / "data" / "answers").iterdir()})
    assert hashes[0] == hashes[1]


def test_a_number_in_params_goes_before_the_calibrated_threshold(project: Path) -> None:
    write_params(project, postprocess={"null_score_diff_threshold": -20})
    contents = run(project)
    assert contents["thresholds"] == {"applied": -20.0, "calibrated": 1.0}
    assert set(contents["predictions"].values()) == {""}
    assert set(contents["best_spans"].values()) != {""}


def test_no_calibration_split_needs_a_number(project: Path) -> None:
    write_calibration(project, null_score_diff_threshold=None)
    assert refused(project) == (
        "error: params.yaml: postprocess.null_score_diff_threshold is 'calibrated', but there is no calibration split "
        "(download.calibration_fraction is 0); set it to a number, as 0.0"
    )
    write_params(project, postprocess={"null_score_diff_threshold": 0})
    assert run(project)["thresholds"] == {"applied": 0.0, "calibrated": None}


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("squad.parquet", "check the path; under DVC, run `dvc repro` so that earlier stages make it, or `dvc pull`"),
        ("features/manifest.json", "run the stage that makes it: dvc repro featurize"),
        ("logits/00000.parquet", "make it anew: dvc repro -s -f predict"),
        ("calibration.json", "run the stage that makes it: dvc repro calibrate"),
    ],
)
def test_a_missing_file_is_one_line(project: Path, name: str, todo: str) -> None:
    (project / name).unlink()
    line = refused(project)
    assert line.startswith(f"error: {name}: ")
    assert line.endswith(f"; {todo}")


def test_logits_of_other_features_are_one_line_and_the_old_answers_stay(project: Path) -> None:
    run(project)
    old = files.sha256(project / "data" / "answers" / "nbest.json")
    other = project / "other"
    data, _ = featurize(tiny_examples(), project / "tokenizer.json", other, featurize_params(doc_stride=16))
    shutil.rmtree(project / "logits")
    write_logits(project / "logits", data, pointing_logits(data), other)
    expected = "error: logits: holds logits of other features than features; predict them anew: dvc repro predict"
    assert refused(project) == expected
    assert files.sha256(project / "data" / "answers" / "nbest.json") == old


def test_features_of_another_split_are_one_line(project: Path) -> None:
    splits.write(project / "squad.parquet", tiny_examples()[:-1])
    expected = "features: holds features of another split than squad.parquet; cut them anew: dvc repro featurize"
    assert refused(project) == f"error: {expected}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": {"numpy": "1.0.0"}}, "'environment.numpy' is 1.0.0, installed is "),
        ({"postprocess": {"n_best": 3}}, "unknown key 'postprocess.n_best'; did you mean 'n_best_size'?"),
        (
            {"postprocess": {"null_score_diff_threshold": "calibrate"}},
            "'postprocess.null_score_diff_threshold' is 'calibrate', which should be 'calibrated'; change it",
        ),
        (
            {"postprocess": {"n_best_size": True}},
            "'postprocess.n_best_size' is True, which should be a valid integer; change it",
        ),
    ],
)
def test_params_that_cannot_be_are_one_line(project: Path, changes: dict[str, Any], expected: str) -> None:
    write_params(project, **changes)
    assert refused(project).startswith(f"error: params.yaml: {expected}")
