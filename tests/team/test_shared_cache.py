"""Two real users of one machine share a DVC cache and a remote folder; neither needs a umask or an admin afterwards."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace, ran
from tests.team import users
from tests.team.users import User
from tests.team.walk import outputs

pytestmark = pytest.mark.slow
GROUP = "spanline-test"


@dataclass(frozen=True)
class Member:
    """A user of the team at a clone of their own."""

    user: User
    root: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**Workspace(self.root).environment(), **self.user.environment(self.root.parent)}
        done = subprocess.run(
            self.user.command(*command), cwd=self.root, env=environment, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{self.user.name}: {command}\n{done.stdout}\n{done.stderr}"
        return done

    def repro(self, *arguments: str) -> set[str]:
        return ran(self.run("dvc", "repro", *arguments).stdout)


@pytest.fixture(scope="module")
def ann_and_bob() -> Iterator[tuple[User, User]]:
    """Two users of this machine, each with a group of their own, both in the team's."""
    users.need_root("useradd", "groupadd")
    found = tuple(User(f"{GROUP}-{name}", f"{GROUP}-{name}") for name in ("ann", "bob"))
    subprocess.run(["groupadd", GROUP], check=True)
    for user in found:
        subprocess.run(["useradd", "--no-create-home", "--user-group", "--groups", GROUP, user.name], check=True)
    yield found[0], found[1]
    for user in found:
        subprocess.run(["userdel", user.name], check=True)
    subprocess.run(["groupdel", GROUP], check=True)


@pytest.fixture
def srv(shared_by_ann: Path) -> Iterator[Path]:
    """What the machine's users share, and beside it, in `home`, their clones."""
    with users.public_folder() as folder:
        shutil.copytree(shared_by_ann, folder / "home", symlinks=True)
        (folder / "srv").mkdir()
        (folder / "srv").chmod(0o777)
        yield folder / "srv"


@pytest.fixture
def members(srv: Path, ann_and_bob: tuple[User, User]) -> tuple[Member, Member]:
    """Ann at the finished clone and Bob at a fresh one, both set up by the document's command."""
    home = srv.parent / "home"
    subprocess.run(["git", "clone", "-q", str(home / "hub.git"), str(home / "bob")], check=True)
    ann, bob = (Member(user, home / name / "clone") for user, name in zip(ann_and_bob, ("ann", "bob"), strict=True))
    for member in (ann, bob):
        aside = member.root.parent.rename(home / "aside")
        member.root.parent.mkdir()
        aside.rename(member.root)
        users.give(member.root.parent, member.user)
    shared = ["--remote", str(srv / "store"), "--group", GROUP]
    ann.run("python", "-m", "tools.team", *shared)
    ann.run("python", "-m", "tools.push")
    for member in (ann, bob):
        member.run("python", "-m", "tools.team", *shared, "--cache", str(srv / "cache"))
    return ann, bob


def test_neither_computes_or_copies_what_the_other_has(members: tuple[Member, Member], srv: Path) -> None:
    ann, bob = members
    cache = srv / "cache"
    ann.run("dvc", "pull", "--run-cache")
    assert ann.repro() == set()
    assert "fetched" not in bob.run("dvc", "pull").stdout  # all is in the cache already
    assert bob.repro() == set()
    weights = bob.root / "data/model/model.safetensors"
    assert weights.is_symlink()
    assert weights.resolve().is_relative_to(cache)
    assert outputs(ann.root) == outputs(bob.root)

    bob.run("sed", "-i", "s/null_score_diff_threshold: calibrated/null_score_diff_threshold: 0.0/", "params.yaml")
    assert bob.repro() == {"postprocess", "score", "report"}
    bob.run("python", "-m", "tools.push")
    ann.run("sed", "-i", "s/null_score_diff_threshold: calibrated/null_score_diff_threshold: 0.0/", "params.yaml")
    assert ann.repro() == set()  # without a pull: the run cache is in the shared cache
    assert outputs(ann.root) == outputs(bob.root)
    ann.run("sed", "-i", "s/null_score_diff_threshold: 0.0/null_score_diff_threshold: 0.5/", "params.yaml")
    assert ann.repro() == {"postprocess", "score", "report"}
    ann.run("python", "-m", "tools.push")  # into folders that Bob made


def test_neither_can_damage_what_the_other_made(members: tuple[Member, Member], srv: Path) -> None:
    ann, bob = members
    ann.run("dvc", "pull")
    bob.run("dvc", "pull")
    weights = bob.root / "data/model/model.safetensors"
    owner = weights.resolve().owner()
    assert owner == ann.user.name
    refused = bob.run("sh", "-c", f"echo >> {weights}", check=False)
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr


def test_every_folder_is_the_groups_and_every_object_read_only(members: tuple[Member, Member], srv: Path) -> None:
    ann, bob = members
    ann.run("dvc", "pull", "--run-cache")
    bob.run("sed", "-i", "s/null_score_diff_threshold: calibrated/null_score_diff_threshold: 0.0/", "params.yaml")
    bob.repro("--pull")
    bob.run("python", "-m", "tools.push")
    for path in srv.rglob("*"):
        mode = path.stat().st_mode
        assert path.group() == GROUP, path
        assert mode & stat.S_IRGRP, path
        if path.is_dir():
            assert mode & stat.S_IWGRP, path
        elif "files" in path.parts:
            assert stat.S_IMODE(mode) == 0o444, path
