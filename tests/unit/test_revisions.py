"""What a revision's stages wrote is read from DVC's cache without a checkout, or else through the program dvc."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from spanline import revisions
from spanline.common.errors import SpanlineError

HOME = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "m", "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "m"}


def sh(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **HOME}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def store(cache: Path, content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content).hexdigest() + suffix
    path = cache / "files" / "md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def commit(project: Path, text: str, cache: Path) -> str:
    """A commit whose postprocess wrote `text` as data/answers/predictions.json."""
    listing = [{"md5": store(cache, text.encode()), "relpath": "predictions.json"}]
    out = {"path": "data/answers", "md5": store(cache, json.dumps(listing).encode(), ".dir")}
    (project / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"postprocess": {"outs": [out]}}}))
    sh(project, "git", "add", "dvc.lock")
    sh(project, "git", "commit", "-qm", text)
    return sh(project, "git", "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".dvc").mkdir(parents=True)
    sh(folder, "git", "init", "-qb", "main")
    return folder


def predictions(project: Path, name: str) -> list[str]:
    found = revisions.find(project, name, project / "scratch")
    return [revision.file(revision.output_of("postprocess"), "predictions.json").read_text() for revision in found]


def test_a_revision_a_branch_and_an_experiment(project: Path) -> None:
    cache = project / ".dvc" / "cache"
    first = commit(project, "first", cache)
    sh(project, "git", "switch", "-qc", "other")
    second = commit(project, "second", cache)
    sh(project, "git", "switch", "-q", "main")
    sh(project, "git", "update-ref", f"refs/exps/{first[:2]}/{first[2:]}/seed-1", second)
    sh(project, "git", "update-ref", "refs/exps/exec/EXEC_HEAD", first)
    assert predictions(project, "HEAD") == ["first"]
    assert predictions(project, first[:10]) == ["first"]
    assert predictions(project, "other") == ["second"]
    assert predictions(project, "seed-1") == ["second"]
    assert predictions(project, "seed-*") == ["second"]
    assert predictions(project, "[mo]*") == ["first", "second"]
    assert not (project / "data").exists()


@pytest.mark.parametrize("where", ["config", "config.local"])
def test_the_cache_is_where_dvc_s_configuration_says(project: Path, where: str) -> None:
    (project / ".dvc" / where).write_text("[cache]\n    dir = ../../elsewhere\n['remote \"team\"']\n    url = /x\n")
    commit(project, "first", project.parent / "elsewhere")
    assert predictions(project, "HEAD") == ["first"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nobody", "nobody: is no file, folder, git revision or DVC experiment; see dvc exp list --all-commits"),
        ("--all", "--all: is no file, folder, git revision or DVC experiment; see dvc exp list --all-commits"),
        ("no-*", "no-*: matches no experiment and no branch; see dvc exp list --all-commits"),
    ],
)
def test_unknown_names_are_one_line(project: Path, name: str, line: str) -> None:
    commit(project, "first", project / ".dvc" / "cache")
    with pytest.raises(SpanlineError) as error:
        predictions(project, name)
    assert str(error.value) == line


def test_a_revision_without_a_lock_is_one_line(project: Path) -> None:
    sh(project, "git", "commit", "-qm", "empty", "--allow-empty")
    with pytest.raises(SpanlineError, match=r"HEAD: has no dvc\.lock; name a revision in which the pipeline had run"):
        predictions(project, "HEAD")


@pytest.mark.parametrize("content", ["<<<<<<< ours\n", "schema: '2.0'\n", ""])
def test_a_lock_that_cannot_be_read_is_one_line(project: Path, content: str) -> None:
    (project / "dvc.lock").write_text(content)
    sh(project, "git", "add", "dvc.lock")
    sh(project, "git", "commit", "-qm", "no lock")
    with pytest.raises(SpanlineError, match=r"HEAD: its dvc\.lock cannot be read .*; run dvc repro there, and commit"):
        predictions(project, "HEAD")


def test_a_damaged_object_is_one_line(project: Path) -> None:
    cache = project / ".dvc" / "cache"
    commit(project, "first", cache)
    md5 = hashlib.md5(b"first").hexdigest()
    (cache / "files" / "md5" / md5[:2] / md5[2:]).write_text("worst")
    with pytest.raises(SpanlineError, match="HEAD: data/answers: is damaged in DVC's cache; type make verify"):
        predictions(project, "HEAD")


@pytest.mark.slow
def test_what_the_cache_lacks_comes_from_the_remote(project: Path, tmp_path: Path) -> None:
    """DVC made it and pushed it; the cache is gone, and then the remote too."""
    stage = {"cmd": "mkdir -p data/answers && echo first > data/answers/predictions.json", "outs": ["data/answers"]}
    content: dict[str, Any] = {"stages": {"postprocess": stage}}
    (project / "dvc.yaml").write_text(json.dumps(content))
    shutil.rmtree(project / ".dvc")
    for command in ("dvc init -q", f"dvc remote add -q -d team {tmp_path / 'remote'}", "dvc repro -q", "dvc push -q"):
        sh(project, *command.split())
    sh(project, "git", "add", "-A")
    sh(project, "git", "commit", "-qm", "first")
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "data")
    assert predictions(project, "HEAD") == ["first\n"]
    assert not (project / "data").exists()
    for folder in (project / ".dvc" / "cache", project / "scratch", tmp_path / "remote"):
        shutil.rmtree(folder, ignore_errors=True)
    with pytest.raises(SpanlineError, match="HEAD: data/answers: is neither in DVC's cache nor on the remote; in a"):
        predictions(project, "HEAD")
