"""Where several trees are about, DVC records with each result the code that gave it: nobody's run cache is poisoned.

In the temporary folders of `dvc exp run`, in a git worktree and in a second clone, Python would take another tree's
`spanline`: the one that PYTHONPATH names, or the one that pip installed as editable, which is this repository's. Each
test edits a module so that it gives a score of its own, and looks for that score under the edit and for the old one
without it, first where the stage ran and then out of the run cache.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace

pytestmark = pytest.mark.slow
EDIT = """

def score_run(*inputs: Any, before: Any = score_run) -> Any:
    scored = before(*inputs)
    scored.sections["answers"]["exact"] = 12.5
    return scored
"""
EDITED = 12.5


@pytest.fixture
def project(reproduced: Workspace, tmp_path: Path) -> Workspace:
    """A finished clone with a cache of its own."""
    return Workspace(Path(shutil.copytree(reproduced.root, tmp_path / "project", symlinks=True)))


def edit(tree: Workspace) -> None:
    module = tree.root / "src/spanline/score/run.py"
    module.write_text(module.read_text() + EDIT)


def exact(tree: Workspace) -> float:
    score: float = json.loads((tree.root / "metrics/validation.json").read_text())["exact"]
    return score


def check_run_cache(tree: Workspace, unedited: float) -> None:
    """Without the edit and with it `dvc repro` gives that code's score, and finds both without running anything."""
    tree.run("git", "checkout", "-q", ".")
    for expected in (unedited, EDITED):
        assert tree.repro() == set()
        assert exact(tree) == expected
        edit(tree)
    tree.run("git", "checkout", "-q", ".")


def test_an_experiment_of_the_queue_runs_the_code_that_was_queued(project: Workspace) -> None:
    """The work tree has gone on: by the time the queue runs, it holds other code."""
    environ = {"PYTHONPATH": str(project.root / "src")}
    unedited = exact(project)
    edit(project)
    project.run("dvc", "exp", "run", "--queue", "--name", "edited", **environ)
    project.run("git", "checkout", "-q", ".")
    project.run("dvc", "exp", "run", "--run-all", **environ)
    assert exact(project) == unedited
    project.run("dvc", "exp", "apply", "edited")
    assert exact(project) == EDITED
    check_run_cache(project, unedited)


def test_an_experiment_in_a_temporary_folder_runs_its_own_code(project: Workspace) -> None:
    unedited = exact(project)
    edit(project)
    project.run("dvc", "exp", "run", "--temp", "--name", "edited", PYTHONPATH="")
    project.run("git", "checkout", "-q", ".")
    project.run("dvc", "exp", "apply", "edited")
    assert exact(project) == EDITED
    check_run_cache(project, unedited)


@pytest.mark.parametrize(("kind", "others"), [("worktree", "PYTHONPATH"), ("clone", "pip's editable")])
def test_a_second_tree_runs_its_own_code(project: Workspace, kind: str, others: str) -> None:
    """With the first one's environment active, and one cache for both."""
    environ = {"PYTHONPATH": str(project.root / "src") if others == "PYTHONPATH" else ""}
    unedited = exact(project)
    second = Workspace(project.root.parent / "second")
    commands = {"worktree": ["worktree", "add", "--quiet", "--detach"], "clone": ["clone", "--quiet", "."]}
    project.run("git", *commands[kind], str(second.root))
    second.run("dvc", "config", "--local", "cache.dir", str(project.root / ".dvc/cache"))
    second.run("dvc", "checkout", "--quiet")
    edit(second)
    second.run("dvc", "repro", **environ)
    assert exact(second) == EDITED
    assert exact(project) == unedited
    check_run_cache(project, unedited)
    check_run_cache(second, unedited)


def test_an_edit_while_a_stage_runs_is_not_recorded(project: Workspace) -> None:
    """DVC reads params.yaml when the command has ended: the record would name a seed that was not used."""
    lock, unedited = (project.root / "dvc.lock").read_bytes(), exact(project)
    script = project.root / "stages/score.py"
    hasty = '    text = args.params.read_text().replace("seed: 5", "seed: 6")\n    args.params.write_text(text)\n'
    script.write_text(script.read_text().replace("    with new_folder", f"{hasty}    with new_folder"))
    project.set_param("score.seed", 5)
    failed = project.run("dvc", "repro", check=False)
    assert "error: params.yaml: 'score' was edited while the stage ran" in failed.stderr
    assert (project.root / "dvc.lock").read_bytes() == lock
    project.run("git", "checkout", "-q", "stages/score.py")
    assert project.repro() == {"score", "report"}  # with seed 6: nothing is known of it
    project.run("git", "checkout", "-q", ".")
    assert project.repro() == set()
    assert exact(project) == unedited


def test_a_number_that_dvc_writes_trains_with_that_number(project: Workspace) -> None:
    """`-S` writes 3e-05, which YAML 1.1 would take for a text."""
    done = project.run("dvc", "exp", "run", "-S", "train.learning_rate=3.0e-5", "-S", "train.epochs=0.5", "train")
    assert "learning_rate: 3e-05" in (project.root / "params.yaml").read_text()
    assert "Running stage 'train'" in done.stdout
    history = (project.root / "metrics/train_history.csv").read_text().splitlines()
    column = history[0].split(",").index("learning_rate")
    assert 0.5 * 3e-5 < max(float(line.split(",")[column]) for line in history[1:]) <= 3e-5
    assert "learning_rate: 3e-05" in (project.root / "dvc.lock").read_text()
    assert "up to date" in project.run("dvc", "status", "train").stdout
