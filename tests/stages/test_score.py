"""The score stage as the shell sees it: the official numbers in one file, and answers of another run refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from spanline.common import files
from spanline.dataset import splits
from spanline.squad_v2 import sweep
from tests.make.project import PLOTS, files_of, run_stage, tiny_examples, write_params

OPTIONS = shlex.split(
    "--squad squad.parquet --answers answers --out metrics/validation.json --scores metrics/scores.json "
    "--slices metrics/slices.csv --plots metrics/plots"
)
NAMES = ("predictions", "best_spans", "null_odds", "na_prob", "num_features", "thresholds")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Every best span is the first gold answer or the context's first word; every third question is answered ""."""
    given = tiny_examples()
    splits.write(tmp_path / "squad.parquet", given)
    best = {e.id: e.answers[0].text if e.answers else e.context.split()[0] for e in given}
    odds = {e.id: 2.0 if number % 3 == 0 else -1.0 - number / 64 for number, e in enumerate(given)}
    contents: dict[str, Any] = {
        "best_spans": best,
        "null_odds": odds,
        "na_prob": {qid: 0.5 + value / 16 for qid, value in odds.items()},
        "predictions": {qid: "" if odds[qid] > 0.5 else text for qid, text in best.items()},
        "num_features": dict.fromkeys(best, 1),
        "thresholds": {"applied": 0.5, "calibrated": 0.5},
    }
    for name, content in contents.items():
        files.write_text(tmp_path / "answers" / f"{name}.json", files.to_json(content))
    write_params(tmp_path)
    return tmp_path


def content(project: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((project / "answers" / f"{name}.json").read_text("utf-8"))
    return loaded


def change(project: Path, name: str, **values: Any) -> None:
    merged = {**content(project, name), **values}
    (project / "answers" / f"{name}.json").write_text(json.dumps(merged))


def refused(folder: Path) -> str:
    """The one line of a run that the stage refuses; it leaves no file behind."""
    before = files_of(folder)
    code, lines = run_stage(folder, "score", *OPTIONS)
    assert (code, len(lines)) == (1, 1), lines
    assert files_of(folder) == before
    return lines[0]


def test_leaves_the_official_numbers(project: Path) -> None:
    before = files_of(project)
    code, lines = run_stage(project, "score", *OPTIONS)
    assert code == 0, lines
    plots = {f"metrics/plots/{name}.csv" for name in PLOTS}
    assert (
        files_of(project) - before == {"metrics/validation.json", "metrics/scores.json", "metrics/slices.csv"} | plots
    )
    report = json.loads((project / "metrics" / "scores.json").read_text("utf-8"))
    gold = splits.read_gold(project / "squad.parquet")
    official = sweep.official_scores(gold, content(project, "predictions"), None, sweep.NEVER)
    section = report["answers"]
    for key, value in official.items():
        assert section[key] == pytest.approx(value)
    daily = json.loads((project / "metrics" / "validation.json").read_text("utf-8"))
    assert daily.items() >= {key: section[key] for key in ("exact", "f1", "HasAns_exact", "NoAns_f1")}.items()
    assert daily["threshold"] == section["null_score_diff_threshold"] == 0.5
    assert (section["total"], section["HasAns_total"] + section["NoAns_total"]) == (39, 39)
    assert lines[-1].startswith("done in ")


def test_same_inputs_same_bytes(project: Path) -> None:
    hashes = []
    for _ in range(2):
        assert run_stage(project, "score", *OPTIONS)[0] == 0
        written = [path for path in sorted((project / "metrics").rglob("*")) if path.is_file()]
        hashes.append([files.sha256(path) for path in written])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_one_line(project: Path, name: str) -> None:
    (project / "answers" / f"{name}.json").unlink()
    todo = "run the stage that makes it: dvc repro postprocess"
    assert refused(project) == f"error: answers/{name}.json: there is no such file; {todo}"


def test_half_a_file_is_one_line(project: Path) -> None:
    path = project / "answers" / "na_prob.json"
    path.write_text(path.read_text()[:100])
    assert refused(project).startswith("error: answers/na_prob.json: not JSON: ")


def test_a_missing_split_is_one_line(project: Path) -> None:
    (project / "squad.parquet").unlink()
    expected = "error: squad.parquet: there is no such file; run the stage that makes it: dvc repro download"
    assert refused(project) == expected


def test_answers_of_another_split_are_one_line(project: Path) -> None:
    splits.write(project / "squad.parquet", tiny_examples()[1:])
    line = refused(project)
    assert "1 questions are not in the gold file" in line
    assert "first-character" in line


def test_answers_of_another_run_are_one_line(project: Path) -> None:
    change(project, "predictions", accents="something else")
    line = refused(project)
    assert line.startswith("error: predictions: 1 values are not what best_spans and score_diff give at threshold ")
    assert "accents" in line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": {"numpy": "1.0.0"}}, "'environment.numpy' is 1.0.0, installed is "),
        (
            {"score": {"bootstrap_resample": 5}},
            "unknown key 'score.bootstrap_resample'; did you mean 'bootstrap_resamples'?",
        ),
    ],
)
def test_params_that_cannot_be_are_one_line(project: Path, changes: dict[str, Any], expected: str) -> None:
    write_params(project, **changes)
    assert refused(project).startswith(f"error: params.yaml: {expected}")
