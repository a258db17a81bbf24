"""The same walk, and the same bytes, over real servers on loopback: SSH, S3, WebDAV; read-only HTTP."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace
from tests.team import servers
from tests.team.conftest import Join
from tests.team.servers import Storage
from tests.team.walk import outputs, walk

pytestmark = pytest.mark.slow
Serve = Callable[[Path], AbstractContextManager[Storage]]


@pytest.mark.parametrize("serve", [servers.sshd, servers.s3], ids=["ssh", "s3"])
def test_the_walk(finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """Ann begins with a full cache instead of a first run; all else is as on a folder."""
    ann = Workspace(Path(shutil.copytree(finished.root, tmp_path / "ann" / "qa", symlinks=True)))
    ann.run("git", "reset", "-q", "--hard", "HEAD~1")  # before her first results
    with serve(tmp_path / "server") as storage:
        for name, value in storage.environment.items():
            monkeypatch.setenv(name, value)
        people = walk(ann, storage.url, tmp_path, first_run=False)
    assert outputs(people["bob"].place) == outputs(people["ann"].place)
    assert len(outputs(people["bob"].place)) > 35


def test_webdav(ann: Workspace, join: Join, tmp_path: Path) -> None:
    with servers.webdav(tmp_path / "server") as storage:
        bob = join("bob")
        for person in (ann, bob):
            person.run("python", "-m", "tools.team", "--remote", storage.url)
        ann.run("python", "-m", "tools.push")
        assert "is up to date" in bob.run("python", "-m", "tools.check").stderr
        bob.set_param("postprocess.null_score_diff_threshold", 0.0)
        assert bob.repro("--pull", "--allow-missing") == {"postprocess", "score", "report"}
        bob.run("git", "checkout", "-q", "dvc.lock", "params.yaml", "metrics")
        bob.run("dvc", "pull")
        assert outputs(bob.root) == outputs(ann.root)


def test_http_to_read_from(ann: Workspace, join: Join) -> None:
    """A web server over the shared folder, for those who may not write; it hands out no run cache."""
    with servers.http(ann.root.parent / "store") as storage:
        bob = join("bob")
        bob.run("python", "-m", "tools.team", "--remote", storage.url)
        bob.run("dvc", "pull")
        assert outputs(bob.root) == outputs(ann.root)
        assert bob.repro() == set()
        assert "is up to date" in bob.run("python", "-m", "tools.check").stderr


def test_set_up_leaves_a_configuration_that_checks_what_it_pulls(ann: Workspace) -> None:
    shown = subprocess.run(["cat", ".dvc/config"], cwd=ann.root, capture_output=True, text=True).stdout
    assert "verify = true" in shown
