"""One finished run for all tests of a session, in however many processes, and clones of it that share nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.make.encoder import make_encoder
from tests.pipeline.workspace import Workspace, clone

Join = Callable[[str], Workspace]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone in which `dvc repro` has run once and the result is committed. Copy it, leave it as it is."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # one for all processes
    root = base / "finished" / "repository"
    with FileLock(base / "finished.lock"):
        if not (base / "finished" / "done").exists():
            shutil.rmtree(base / "finished", ignore_errors=True)
            workspace = clone(root, make_encoder(base / "finished" / "encoder"))
            workspace.repro()
            workspace.commit("First results")
            (base / "finished" / "done").touch()
    return Workspace(root)


@pytest.fixture(scope="session")
def shared_by_ann(finished: Workspace) -> Path:
    """A folder to copy: `ann` (the finished run, all pushed), `store` (her DVC remote), `hub.git` (her git remote)."""
    base = finished.root.parent
    folder = base / "team"
    with FileLock(base / "team.lock"):
        if not folder.exists():
            making = base / "making"
            shutil.rmtree(making, ignore_errors=True)
            workspace = Workspace(Path(shutil.copytree(finished.root, making / "ann", symlinks=True)))
            workspace.run("python", "-m", "tools.team", "--remote", "../store")
            workspace.commit("The team's remote")
            workspace.run("python", "-m", "tools.push")
            subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(making / "hub.git")], check=True)
            workspace.run("git", "remote", "add", "origin", "../hub.git")
            workspace.run("git", "push", "-q", "-u", "origin", "main")
            making.rename(folder)
    return folder


@pytest.fixture
def ann(shared_by_ann: Path, tmp_path: Path) -> Workspace:
    """A clone with everything run and pushed to the folders `store` (DVC) and `hub.git` beside it; nobody else's."""
    shutil.copytree(shared_by_ann, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Workspace(tmp_path / "ann")


@pytest.fixture
def join(ann: Workspace) -> Join:
    """A function that makes a fresh clone of what Ann has pushed, set up with `make team`'s command; no data."""

    def make(name: str) -> Workspace:
        folder = ann.root.parent
        subprocess.run(["git", "clone", "-q", str(folder / "hub.git"), str(folder / name)], check=True)
        workspace = Workspace(folder / name)
        workspace.run("git", "config", "user.name", name.title())
        workspace.run("git", "config", "user.email", f"{name}@example.org")
        workspace.run("python", "-m", "tools.team")
        return workspace

    return make
