"""One finished run for all tests of a session, in however many processes, and clones of it that share nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.pipeline.workspace import Workspace, clone
from tests.tiny import make_encoder

Copy = Callable[[str], Workspace]


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


@pytest.fixture
def copy(finished: Workspace, tmp_path: Path) -> Copy:
    """A function that makes a copy of the finished clone, its cache included, under a name."""

    def make(name: str) -> Workspace:
        return Workspace(Path(shutil.copytree(finished.root, tmp_path / name, symlinks=True)))

    return make


@pytest.fixture
def ann(copy: Copy, tmp_path: Path) -> Workspace:
    """A copy with a folder as its DVC remote, whole, and a bare repository as its git remote."""
    workspace = copy("ann")
    workspace.run("python", "-m", "tools.team", "--remote", str(tmp_path / "store"))
    workspace.commit("The team's remote")
    workspace.run("dvc", "push", "--run-cache")
    publish(workspace, tmp_path / "hub.git")
    return workspace


def publish(workspace: Workspace, hub: Path) -> None:
    """Push main to a new bare repository."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True)
    workspace.run("git", "remote", "add", "origin", str(hub))
    workspace.run("git", "push", "-q", "-u", "origin", "main")


@pytest.fixture
def join(tmp_path: Path) -> Copy:
    """A function that makes a bare clone of what Ann has pushed: no data, set up with `make team`'s command."""

    def make(name: str) -> Workspace:
        subprocess.run(["git", "clone", "-q", str(tmp_path / "hub.git"), str(tmp_path / name)], check=True)
        workspace = Workspace(tmp_path / name)
        workspace.run("git", "config", "user.name", name.title())
        workspace.run("git", "config", "user.email", f"{name}@example.org")
        workspace.run("python", "-m", "tools.team")
        return workspace

    return make
