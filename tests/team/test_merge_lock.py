"""dvc.lock is merged by stage: one side's change is taken, what both changed is left to `dvc repro`."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import ROOT
from tests.pipeline.workspace import Workspace
from tests.team.conftest import Join
from tools.merge_lock import merge_files, merged

entries = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2))


@given(entries, entries, entries)
def test_every_stage_comes_from_the_side_that_changed_it(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    stages, both = merged(base, ours, theirs)
    for name in base.keys() | ours.keys() | theirs.keys():
        before, our, their = base.get(name), ours.get(name), theirs.get(name)
        if our == their or their == before:
            expected = our
        elif our == before:
            expected = their
        else:
            expected = None
            assert name in both
        assert stages.get(name) == expected
    assert set(both).isdisjoint(stages)


@given(entries, entries, entries)
def test_the_sides_may_be_swapped(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Bob's merge of Ann's branch leaves what Ann's merge of his leaves."""
    assert merged(base, ours, theirs)[0] == merged(base, theirs, ours)[0]


def test_order_of_keys_is_no_change() -> None:
    one, other = {"cmd": "x", "outs": [{"path": "p", "md5": "1"}]}, {"outs": [{"md5": "1", "path": "p"}], "cmd": "x"}
    assert merged({"a": one}, {"a": other}, {"a": {"cmd": "y"}}) == ({"a": {"cmd": "y"}}, [])


def test_a_merge_without_differences_keeps_the_bytes_that_dvc_wrote(tmp_path: Path) -> None:
    sides = [tmp_path / name for name in ("base", "ours", "theirs")]
    for side in sides:
        side.write_bytes((ROOT / "dvc.lock").read_bytes())
    assert merge_files(*sides) == []
    assert sides[1].read_bytes() == (ROOT / "dvc.lock").read_bytes()


@pytest.mark.parametrize("text", ["<<<<<<< ours\n", "schema: '3.0'\nstages: {}\n", "- a list\n"])
def test_a_file_that_is_no_lock_ends_in_one_line_and_leaves_ours(tmp_path: Path, text: str) -> None:
    sides = [tmp_path / name for name in ("base", "ours", "theirs")]
    for side in sides:
        side.write_text("schema: '2.0'\nstages: {}\n")
    sides[2].write_text(text)
    command = [sys.executable, "-m", "tools.merge_lock", *map(str, sides)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {sides[2]}: not ")
    assert "Traceback" not in done.stderr
    assert sides[1].read_text() == "schema: '2.0'\nstages: {}\n"


def change(workspace: Workspace, branch: str, key: str, value: Any) -> None:
    """A branch off main with one parameter changed, run, committed and pushed."""
    workspace.run("git", "switch", "-q", "-c", branch, "main")
    workspace.run("dvc", "checkout", "-q")
    workspace.set_param(key, value)
    workspace.repro()
    workspace.run("git", "commit", "-qam", branch)
    workspace.run("python", "-m", "tools.push")
    workspace.run("git", "push", "-q", "origin", branch)


@pytest.mark.slow
def test_a_merge_runs_once_for_the_whole_team(ann: Workspace, join: Join) -> None:
    """Two branches, both with postprocess and score changed: who merges first runs them, who merges second nothing.

    A stage that neither side changed is never run, and the second merge ends with the bytes of the first.
    """
    change(ann, "threshold", "postprocess.null_score_diff_threshold", 0.0)
    change(ann, "short", "answer_search.max_answer_length", 5)
    bob = join("bob")
    bob.run("git", "fetch", "-q")
    for person, (mine, other) in product((ann, bob), [("short", "threshold")]):
        person.run("git", "switch", "-q", mine)
        stopped = person.run("git", "merge", f"origin/{other}", check=False)
        assert stopped.returncode == 1
        assert "both sides changed postprocess, score, report; nobody has run" in stopped.stdout + stopped.stderr
        assert "UU dvc.lock" in person.run("git", "status", "--short").stdout
        assert "<<<<" not in "".join(path.read_text() for path in (person.root / "metrics").rglob("*.*"))
        assert person.repro("--pull") == ({"postprocess", "score", "report"} if person is ann else set())
        person.run("git", "add", "dvc.lock", "metrics")
        person.run("git", "commit", "-q", "--no-edit")
        person.run("python", "-m", "tools.push")
        assert "up to date" in person.run("python", "-m", "tools.check").stderr
    for name in ("dvc.lock", "metrics/validation.json", "data/answers/predictions.json"):
        assert (ann.root / name).read_bytes() == (bob.root / name).read_bytes()


@pytest.mark.slow
def test_changes_of_different_stages_merge_without_a_stop(ann: Workspace) -> None:
    """A change of the seed of score and one that stops at the features (its bytes come out the same) do not meet."""
    ann.run("git", "switch", "-q", "-c", "comment", "main")
    module = ann.root / "src/spanline/featurize/windows.py"
    module.write_text(module.read_text() + "# a comment\n")
    assert ann.repro() == {f"featurize@{split}" for split in ("train", "calibration", "validation")}
    ann.run("git", "commit", "-qam", "comment")
    change(ann, "seed", "score.seed", 18)
    ann.run("git", "merge", "-q", "--no-edit", "comment")
    assert ann.repro() == set()
    assert "is up to date" in ann.run("python", "-m", "tools.check").stderr
