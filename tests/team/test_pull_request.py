"""tools/pull_request.sh as a runner runs it: a fresh clone, no data, one comment that the second run edits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.make import yaml_text
from tests.paths import ROOT
from tests.pipeline.workspace import Workspace

SCRIPT = "tools/pull_request.sh"
# Stands in for GitHub: comments live in a file, one JSON object per line; every call is written down.
GH = """#!/usr/bin/env python3
import json, pathlib, sys
file = pathlib.Path(__file__).with_name("comments.json")
comments = json.loads(file.read_text())
args = sys.argv[1:]
assert args[0] == "api", args
path = next(word for word in args if word.startswith("repos/"))
if "--jq" in args:
    assert path == "repos/ann/qa/issues/7/comments" and "--paginate" in args
    for comment in comments:
        if comment["body"].startswith("<!-- spanline compare -->"):
            print(comment["id"])
    sys.exit()
method = args[args.index("--method") + 1]
body = pathlib.Path(args[args.index("--field") + 1].removeprefix("body=@")).read_text()
if method == "POST":
    assert path == "repos/ann/qa/issues/7/comments"
    comments.append({"id": 100 + len(comments), "body": body, "edits": 0})
else:
    [comment] = [c for c in comments if path == f"repos/ann/qa/issues/comments/{c['id']}"]
    comment |= {"body": body, "edits": comment["edits"] + 1}
file.write_text(json.dumps(comments))
"""


@pytest.fixture
def runner(ann: Workspace, tmp_path: Path) -> Workspace:
    """A branch of ann's with another threshold, pushed; and a clone of it as CI has it, without data and cache."""
    ann.run("git", "switch", "-qc", "threshold")
    ann.set_param("postprocess.null_score_diff_threshold", -30.0)
    ann.repro()
    ann.commit("Another threshold")
    ann.run("python", "-m", "tools.push")
    ann.run("git", "push", "-q", "-u", "origin", "threshold")
    subprocess.run(
        ["git", "clone", "-q", "-b", "threshold", str(tmp_path / "hub.git"), str(tmp_path / "runner")], check=True
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    (programs / "comments.json").write_text(json.dumps([{"id": 1, "body": "Looks good!", "edits": 0}]))
    python = tmp_path / "runner/.venv/bin/python"  # make finds an environment, that of the tests
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "runner/.venv/installed").touch()
    return Workspace(tmp_path / "runner")


def run(runner: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a runner does: bash, -e and pipefail, few variables."""
    environ = runner.environment()
    path = f"{runner.root.parent / 'programs'}{os.pathsep}{environ['PATH']}"
    environ |= {"PATH": path, "GITHUB_REPOSITORY": "ann/qa", "PULL_REQUEST": "7", "GH_TOKEN": "t"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", " ".join(["bash", SCRIPT, *arguments])]
    return subprocess.run(command, cwd=runner.root, env=environ, capture_output=True, text=True)


def comments(runner: Workspace) -> list[dict[str, object]]:
    content: list[dict[str, object]] = json.loads((runner.root.parent / "programs/comments.json").read_text())
    return content


@pytest.mark.slow
def test_one_comment_that_the_next_run_edits(runner: Workspace) -> None:
    for edits in (0, 1):
        done = run(runner)
        assert done.returncode == 0, done.stderr
        other, ours = comments(runner)
        assert other == {"id": 1, "body": "Looks good!", "edits": 0}
        assert ours["edits"] == edits
        assert str(ours["body"]).startswith("<!-- spanline compare -->\n**")
        assert "A: `origin/main` B: `HEAD` (" in str(ours["body"])
    assert not (runner.root / "data/answers").exists()


@pytest.mark.slow
def test_nothing_is_said_of_a_branch_that_is_not_whole(runner: Workspace) -> None:
    shutil.rmtree(runner.root.parent / "store")
    (runner.root.parent / "store").mkdir()
    done = run(runner)
    assert done.returncode != 0
    assert "error: the remote is not whole" in done.stderr
    assert len(comments(runner)) == 1


def test_the_workflow_in_the_document_runs_the_script() -> None:
    text = (ROOT / "docs/TEAM.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n(name: pull request.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    workflow = yaml_text.load(block)
    steps = workflow["jobs"]["compare"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make .venv/installed", f"bash {SCRIPT}"]
    assert steps[0]["with"]["fetch-depth"] == 0
    assert {"GH_TOKEN", "PULL_REQUEST"} <= set(steps[-1]["env"])
    assert (ROOT / SCRIPT).is_file()
