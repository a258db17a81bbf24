"""Every kind of change, one at a time: DVC would run exactly the stages that it can affect, no more and no fewer.

What is expected is taken from what the code does, not from dvc.yaml: modules by the imports of each stage's script,
parameters by the section that a script loads, files by who writes and who reads them. What follows from a stage that
ran depends on its bytes (tests/pipeline/test_repro.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from tests.architecture.closure import closure
from tests.architecture.stages import FEATURIZE, PREDICT, SECTIONS
from tests.make import yaml_text
from tests.paths import ROOT
from tests.pipeline.workspace import STAGES, Workspace

pytestmark = pytest.mark.slow
SCRIPTS = {path.stem: {s for s in STAGES if s.partition("@")[0] == path.stem} for path in ROOT.glob("stages/[a-z]*.py")}
OF_SECTION: dict[str, set[str]] = {
    **{name: SCRIPTS[name] | {"report"} for name in SCRIPTS},
    "answer_search": {"calibrate", "postprocess", "report"},
    "runtime": set(),
}
# Who writes a file and who reads it; a pattern may stand for several files.
FILES: dict[str, set[str]] = {
    "data/squad/train.parquet": {"download", "featurize@train"},
    "data/squad/calibration.parquet": {"download", "featurize@calibration", "calibrate"},
    "data/squad/validation.parquet": {"download", "featurize@validation", "postprocess", "score", "report"},
    "data/squad/dataset.json": {"download", "report"},
    "data/squad/statistics.json": {"download", "report"},
    "data/checkpoint/tokenizer.json": {"checkpoint", "train"} | FEATURIZE,
    "data/checkpoint/config.json": {"checkpoint", "train"} | FEATURIZE,
    "data/checkpoint/model.safetensors": {"checkpoint", "train"},
    "data/checkpoint/checkpoint.json": {"checkpoint", "train"},
    "data/features/train/*": {"featurize@train", "train"},
    "data/features/calibration/*": {"featurize@calibration", "train", "predict@calibration", "calibrate"},
    "data/features/validation/*": {"featurize@validation", "predict@validation", "postprocess"},
    "data/model/*": {"train"} | PREDICT,
    "data/logits/calibration/*": {"predict@calibration", "calibrate"},
    "data/logits/validation/*": {"predict@validation", "postprocess"},
    "data/calibration.json": {"calibrate", "postprocess"},
    "data/answers/*": {"postprocess", "score", "report"},
    "data/report/*": {"report"},
    "metrics/train*": {"train", "report"},
    "metrics/scores.json": {"score", "report"},
    "metrics/validation.json": {"score"},
    "metrics/slices.csv": {"score", "report"},
    "metrics/plots/*.csv": {"score", "report"},
}
UNUSED = (
    "README.md",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "tools/check.py",
    "presets/squad_v2-minilm.yaml",
)


def leaves(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict) and value and not any("." in name for name in value):  # not file names
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


PARAMS = list(leaves(yaml_text.load((ROOT / "params.yaml").read_text(encoding="utf-8"))))
# An empty __init__.py is no module: once it holds something, it is one of the room's, and closure() counts it.
MODULES = sorted(
    str(p.relative_to(ROOT)) for f in ("src/spanline", "stages") for p in (ROOT / f).rglob("*.py") if p.stat().st_size
)
IMPORTED = {script: closure(ROOT / "stages" / f"{script}.py") for script in SCRIPTS}


@pytest.fixture(scope="module")
def workspace(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the finished clone; each test puts back what it edits."""
    return Workspace(Path(shutil.copytree(finished.root, tmp_path_factory.mktemp("matrix") / "clone", symlinks=True)))


@pytest.fixture(autouse=True)
def own_memory(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in workspace.environment().items():
        monkeypatch.setenv(name, value)


def changed(workspace: Workspace) -> set[str]:
    with Repo(str(workspace.root)) as repo:
        return {name.rpartition(":")[2] for name in repo.status()}


def changed_by(workspace: Workspace, path: Path, content: bytes) -> set[str]:
    """The stages that would run when `path` held `content`; it is put back."""
    before = path.read_bytes()
    path.unlink()  # it may be a link into the cache
    path.write_bytes(content)
    try:
        return changed(workspace)
    finally:
        path.write_bytes(before)


def test_nothing_changed_nothing_runs(workspace: Workspace) -> None:
    assert changed(workspace) == set()


@pytest.mark.parametrize("name", PARAMS)
def test_parameter(workspace: Workspace, name: str) -> None:
    """Library versions are parameters too: environment.torch and so on."""
    section = name.partition(".")[0]
    expected = SECTIONS[name] if section == "environment" else OF_SECTION[section]
    path = workspace.root / "params.yaml"
    before = path.read_bytes()
    try:
        workspace.set_param(name, "another")
        assert changed(workspace) == expected
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", MODULES)
def test_module(workspace: Workspace, name: str) -> None:
    expected = {stage for script, files in IMPORTED.items() if name in files for stage in SCRIPTS[script]}
    path = workspace.root / name
    assert changed_by(workspace, path, path.read_bytes() + b"# edit\n") == expected


@pytest.mark.parametrize("pattern", FILES)
def test_file(workspace: Workspace, pattern: str) -> None:
    paths = [path for path in sorted(workspace.root.glob(pattern)) if path.is_file()]
    assert paths
    for path in paths:
        assert changed_by(workspace, path, path.read_bytes() + b"\n") == FILES[pattern], path


@pytest.mark.parametrize("name", UNUSED)
def test_file_that_no_stage_reads(workspace: Workspace, name: str) -> None:
    path = workspace.root / name
    assert changed_by(workspace, path, path.read_bytes() + b"\n") == set()


def test_every_output_is_in_the_table(workspace: Workspace) -> None:
    files = {p for f in ("data", "metrics") for p in (workspace.root / f).rglob("*") if p.is_file()}
    files = {p for p in files if p.name != ".gitignore" and "runtime" not in p.parts}
    assert files == {p for pattern in FILES for p in workspace.root.glob(pattern) if p.is_file()}
