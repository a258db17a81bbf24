"""A model of one's own: files of questions answered as the pipeline answers, and the pipeline without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanline.common.files import sha256
from spanline.dataset import splits
from tests.pipeline.workspace import Workspace

SPLIT = "data/squad/validation.parquet"


@pytest.fixture
def workspace(reproduced: Workspace) -> Iterator[Workspace]:
    """The shared clone; whatever the test changed is put back."""
    yield reproduced
    reproduced.run("git", "checkout", "-q", ".")
    reproduced.run("dvc", "checkout", "-q", "--force")


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def left_over(workspace: Workspace) -> list[Path]:
    return sorted((workspace.root / ".scratch").rglob("*"))


def test_answer_files_are_those_of_the_pipeline(workspace: Workspace, tmp_path: Path) -> None:
    """From the split with gold and the project's model, and from a file without gold and a release."""
    scratch = left_over(workspace)  # of other tests
    pipeline = files_of(workspace.root / "data/answers")
    del pipeline["limits.json"]  # it counts gold answers, which nobody looks at here
    spanline = ("python", "-m", "spanline")
    workspace.run(*spanline, "answer", SPLIT, "--out", str(tmp_path / "with-gold"))
    assert files_of(tmp_path / "with-gold") == pipeline
    workspace.run(*spanline, "release", "--encoder-licence", "mit", "--out", str(tmp_path / "release"))
    records = [
        {"id": example.id, "context": example.context, "question": example.question}
        for example in splits.read(workspace.root / SPLIT)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    given = (str(tmp_path / "questions.jsonl"), "--model", str(tmp_path / "release"))
    workspace.run(*spanline, "answer", *given, "--workers", "1", "--out", str(tmp_path / "without"))
    assert files_of(tmp_path / "without") == pipeline
    assert left_over(workspace) == scratch


def test_calibrated_needs_no_more_options_in_a_project(workspace: Workspace) -> None:
    example = next(splits.read(workspace.root / SPLIT))
    options = ("--question", example.question, "--context", example.context, "--threshold", "calibrated", "--json")
    done = workspace.run("python", "-m", "spanline", "ask", *options, check=False)
    predictions = json.loads((workspace.root / "data/answers/predictions.json").read_text())
    assert json.loads(done.stdout)["answer"] == predictions[example.id]
    assert "demonstration" in done.stderr


def test_our_own_model_scored_without_training_is_the_same_to_the_byte(workspace: Workspace, tmp_path: Path) -> None:
    model = Path(shutil.copytree(workspace.root / "data/model", tmp_path / "model"))
    before = {name: files_of(workspace.root / "data" / name) for name in ("answers", "model")}
    scores = (workspace.root / "metrics/validation.json").read_bytes()
    workspace.set_param("checkpoint.path.folder", str(model))
    pins = {name: sha256(model / name) for name in ("config.json", "model.safetensors", "tokenizer.json")}
    workspace.set_param("checkpoint.path.sha256", pins)
    workspace.set_param("train.epochs", 0.0)
    ran = workspace.repro()
    assert {"checkpoint", "train"} <= ran
    assert files_of(workspace.root / "data/model")["model.safetensors"] == before["model"]["model.safetensors"]
    assert files_of(workspace.root / "data/answers") == before["answers"]
    assert (workspace.root / "metrics/validation.json").read_bytes() == scores
    workspace.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))  # also without a step to draw
    assert workspace.repro() == set()
