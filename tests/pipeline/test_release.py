"""`spanline release` after `dvc repro`: it answers as was scored, says how it was made, and comes out the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanline.ask.answerer import load
from spanline.common.files import sha256
from tests.make import yaml_text
from tests.pipeline.workspace import Workspace

SPLIT = "data/squad/validation.parquet"


@pytest.fixture
def workspace(reproduced: Workspace) -> Iterator[Workspace]:
    """The shared clone; whatever the test changed is put back."""
    yield reproduced
    reproduced.run("git", "checkout", "-q", ".")
    reproduced.run("dvc", "checkout", "-q", "--force")


def release(workspace: Workspace, out: Path, *options: str, check: bool = True) -> str:
    call = ("python", "-m", "spanline", "release", "--out", str(out), *options)
    return workspace.run(*call, check=check).stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_release_is_whole_says_how_it_was_made_and_comes_out_the_same(workspace: Workspace, tmp_path: Path) -> None:
    release(workspace, tmp_path / "one", "--encoder-licence", "MIT")
    release(workspace, tmp_path / "two", "--encoder-licence", "MIT")
    files = files_of(tmp_path / "one")
    assert files == files_of(tmp_path / "two")
    model = files_of(workspace.root / "data/model")
    assert set(files) == {*model, "README.md", "answering.json"}
    assert model.items() <= files.items()
    card = files["README.md"].decode()
    scores = json.loads((workspace.root / "metrics/scores.json").read_text())
    assert workspace.run("git", "rev-parse", "HEAD").stdout.strip() in card
    assert sha256(workspace.root / "dvc.lock") in card
    row = scores["answers"]
    cells = [f"{row[key]:.2f}" for key in ("exact", "f1", "HasAns_f1", "NoAns_f1")]
    assert f"| {' | '.join(cells)} | {row['null_score_diff_threshold']:.4f} |" in card
    assert "95 % intervals" in card
    assert "made by Spanline from a seed" in card  # the data's licence
    for section in ("Use it", "Scores", "Data", "Training", "Limits", "Licences", "Reproduce it"):
        assert f"\n## {section}\n" in card
    assert str(workspace.root) not in card
    front = yaml_text.load(card.split("---\n")[1])
    assert front["license"] == "mit"
    assert front["pipeline_tag"] == "question-answering"
    metrics = front["model-index"][0]["results"][0]["metrics"]
    assert {entry["type"]: entry["value"] for entry in metrics} == {
        "exact": round(row["exact"], 2),
        "f1": round(row["f1"], 2),
    }


def test_the_release_answers_as_the_pipeline_did(workspace: Workspace, tmp_path: Path) -> None:
    """Every answer and probability of the validation split, by another process and in other batches."""
    import pyarrow.parquet as pq

    release(workspace, tmp_path / "release", "--encoder-licence", "mit")
    given = pq.read_table(workspace.root / SPLIT).to_pylist()
    qa = load(tmp_path / "release", device="cpu")
    found = qa(
        question=[row["question"] for row in given], context=[row["context"] for row in given], threshold="calibrated"
    )
    written, na_prob = (
        json.loads((workspace.root / f"data/answers/{name}.json").read_text()) for name in ("predictions", "na_prob")
    )
    assert [answer["answer"] for answer in found] == [written[row["id"]] for row in given]
    expected = [na_prob[row["id"]] for row in given]
    assert [answer["no_answer_probability"] for answer in found] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("path", ["data/model/config.json", "data/calibration.json", "metrics/scores.json"])
def test_files_that_are_not_of_the_lock_are_refused(workspace: Workspace, tmp_path: Path, path: str) -> None:
    file = workspace.root / path
    content: Any = json.loads(file.read_text())
    file.unlink()  # DVC's cache may be linked to it
    file.write_text(json.dumps({**content, "more": 1}))
    err = release(workspace, tmp_path / "release", "--encoder-licence", "mit", check=False)
    assert "is not the one of dvc.lock; run the pipeline: dvc repro" in err
    assert not (tmp_path / "release").exists()


def test_an_unknown_licence_is_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    err = release(workspace, tmp_path / "release", check=False)
    assert "the licence of the encoder tiny is not known here; look it up and give it: --encoder-licence" in err


def test_uncommitted_changes_are_said(workspace: Workspace, tmp_path: Path) -> None:
    with (workspace.root / "README.md").open("a") as file:
        file.write("more\n")
    release(workspace, tmp_path / "release", "--encoder-licence", "mit")
    assert "The working tree had changes beyond that commit." in (tmp_path / "release/README.md").read_text()
