"""A stage, and a tool, runs the code of the tree that it is started in, whatever Python would find first; or nothing.

Here in copies of src/, stages/ and tools/; with DVC's experiments, worktrees and clones in test_other_trees.py.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.make.project import make_project, write_params
from tests.paths import ROOT

FEATURIZE = shlex.split("--squad squad.parquet --tokenizer tokenizer.json --config config.json --out data/features")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
SPEAK = 'import os, sys\nprint(os.getpid(), "runs", __file__, file=sys.stderr)\n'
SOLE_MODULE = "src/spanline/common/errors.py"  # that every process of every stage imports


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The code, and beside it `other`: a tree whose spanline nobody may import."""
    for name in ("src", "stages", "tools"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tmp_path / "tree" / name, ignore=ignored)
    package = tmp_path / "other" / "spanline"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise ImportError("another tree\'s code")\n')
    return tmp_path / "tree"


def run(tree: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Python in the tree, where PYTHONPATH, and where not that pip's editable package, names another tree's code."""
    environ = {**os.environ, "PYTHONPATH": str(tree.parent / "other"), "OMP_NUM_THREADS": "1", **environ}
    return subprocess.run([sys.executable, *command], cwd=tree, env=environ, capture_output=True, text=True)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.splitlines()
    return line


def speakers(done: subprocess.CompletedProcess[str], tree: Path) -> set[str]:
    """The processes that said which file they run: this tree's."""
    assert done.returncode == 0, done.stderr
    said = [line.split(" ", 2) for line in done.stderr.splitlines() if " runs " in line]
    assert {file for _, _, file in said} == {str(tree / SOLE_MODULE)}
    return {process for process, _, _ in said}


@pytest.mark.parametrize("environ", [{}, {"PYTHONPATH": ""}])
def test_a_stage_by_hand(tree: Path, environ: dict[str, str]) -> None:
    (tree / SOLE_MODULE).write_text((tree / SOLE_MODULE).read_text() + SPEAK)
    assert len(speakers(run(tree, "-m", "stages.score", "--help", **environ), tree)) == 1


def test_a_stage_in_a_tree_that_a_link_leads_to(tree: Path) -> None:
    link = tree.parent / "link"
    link.symlink_to(tree)
    assert run(link, "-m", "stages.score", "--help").returncode == 0


@pytest.mark.slow
def test_every_process_of_torchrun(tree: Path) -> None:
    (tree / SOLE_MODULE).write_text((tree / SOLE_MODULE).read_text() + SPEAK)
    assert len(speakers(run(tree, "-m", *TORCHRUN, "stages.score", "--help"), tree)) == 2


def test_the_workers_of_featurize(tree: Path) -> None:
    make_project(tree)
    write_params(tree, runtime={"workers": 2})
    questions = tree / "squad.parquet"
    pq.write_table(pq.read_table(questions), questions, row_group_size=4)  # enough pieces of work for two
    (tree / SOLE_MODULE).write_text((tree / SOLE_MODULE).read_text() + SPEAK)
    assert len(speakers(run(tree, "-m", "stages.featurize", *FEATURIZE), tree)) == 3


@pytest.mark.parametrize("name", ["check", "experiments", "merge_lock", "push", "team", "verify"])
def test_a_tool(tree: Path, name: str) -> None:
    (tree / SOLE_MODULE).write_text((tree / SOLE_MODULE).read_text() + SPEAK)
    assert len(speakers(run(tree, "-m", f"tools.{name}", "--help"), tree)) == 1


def test_an_edit_that_leaves_size_and_time_as_they_were_is_run(tree: Path) -> None:
    """Python takes the .pyc of the old text for the new one's: two edits within a second, a copy that keeps times."""
    module = tree / "src/spanline/score/slices.py"
    original = module.read_text()
    times = (module.stat().st_atime_ns, module.stat().st_mtime_ns)
    for mark in ("one", "two"):
        module.write_text(f'{original}import sys\nprint("mark {mark}", file=sys.stderr)\n')
        os.utime(module, ns=times)
        run(tree, "-c", "import sys; sys.path[0:0] = ['src']; import spanline.score.slices")  # leaves a .pyc
        done = run(tree, "-m", "stages.score", "--help")
        assert done.stderr == f"mark {mark}\n"


EDITS = {
    "src/spanline/featurize/run.py": "src/spanline/featurize/run.py: was edited while the stage ran, and DVC would "
    "record the edit with the result of the old text; run the stage again",
    "params.yaml": "params.yaml: 'featurize' was edited while the stage ran, and DVC would record the edit with the "
    "result of the old; run the stage again",
}


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_while_a_stage_runs_is_refused_in_the_end(tree: Path, edited: str) -> None:
    """DVC hashes modules and reads params.yaml when the command has ended: it would record what did not run."""
    make_project(tree)
    write_params(tree)
    script = tree / "stages/featurize.py"
    edit = f"""
    path = Path({edited!r})
    path.write_text(path.read_text().replace("doc_stride: 32", "doc_stride: 33") + "# an edit")
"""
    script.write_text(script.read_text().replace("    found = run.write", f"{edit}    found = run.write"))
    done = run(tree, "-m", "stages.featurize", *FEATURIZE)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"error: {EDITS[edited]}")


def test_an_edit_of_what_no_result_depends_on_is_let_pass(tree: Path) -> None:
    make_project(tree)
    write_params(tree)
    script = tree / "stages/featurize.py"
    edit = """
    for name in ("src/spanline/score/run.py", "params.yaml"):
        text = Path(name).read_text().replace("bootstrap_resamples: 100", "bootstrap_resamples: 101")
        Path(name).write_text(text.replace("workers: 1", "workers: 2") + "# an edit")
"""
    script.write_text(script.read_text().replace("    found = run.write", f"{edit}    found = run.write"))
    done = run(tree, "-m", "stages.featurize", *FEATURIZE)
    assert done.returncode == 0, done.stderr


def test_a_tree_without_spanline_runs_no_other_one(tree: Path) -> None:
    shutil.rmtree(tree / "src")
    what = "there is no such file, and no other tree's code may run instead; git checkout src"
    assert last_line(run(tree, "-m", "stages.score", "--help", PYTHONPATH=str(ROOT / "src"))) == (
        f"error: {tree}/src/spanline/__init__.py: {what}"
    )


def test_another_trees_spanline_that_is_there_already_is_refused(tree: Path) -> None:
    done = run(tree, "-c", "import spanline, stages.score", PYTHONPATH=str(ROOT / "src"))
    what = f"spanline was imported from {ROOT}/src/spanline before the stages of {tree}, which run their own"
    assert last_line(done) == f"error: {what}; start it as a program of its own: python -m stages.NAME"


def test_the_stages_of_another_tree_are_refused(tree: Path) -> None:
    """With PYTHONSAFEPATH Python does not look in the folder that it is started in."""
    here = tree.parent / "here"
    shutil.copytree(tree, here)
    (here / "dvc.yaml").touch()
    done = run(here, "-P", "-m", "stages.score", "--help", PYTHONPATH=str(tree))
    what = f"the stages of {tree} were started in {here}, which has its own"
    assert last_line(done) == f"error: {what}; unset PYTHONPATH and PYTHONSAFEPATH"


def test_a_script_that_is_started_by_its_path_is_refused(tree: Path) -> None:
    """Python then looks for `spanline` everywhere but in the tree."""
    done = run(tree, "stages/score.py", "--help", PYTHONPATH=str(ROOT / "src"))
    what = "was started by its path, so that it may run another folder's code"
    script = Path(tree / "stages/score.py")
    assert last_line(done) == f"error: {script}: {what}; start it from the root: python -m stages.score"


@pytest.mark.parametrize(
    "command",
    [("ask", "--model", "data/model", "-q", "Who?", "-c", "Ann."), ("release",), ("release", "--project", ".")],
)
def test_a_model_is_not_asked_or_released_by_another_trees_code(tree: Path, command: tuple[str, ...]) -> None:
    (tree / "dvc.yaml").touch()
    done = run(tree, "-m", "spanline", *command, PYTHONPATH=str(ROOT / "src"))
    what = f"has its own code, and here runs that of {ROOT}/src/spanline"
    assert last_line(done) == f"error: {tree}: {what}; set PYTHONPATH={tree}/src and start it again"
    done = run(tree, "-m", "spanline", *command, PYTHONPATH=str(tree / "src"))
    assert "has its own code" not in last_line(done)  # but there is no model


def test_a_release_is_asked_by_any_code(tree: Path) -> None:
    """It brings its settings, and is made to be taken elsewhere."""
    (tree / "dvc.yaml").touch()
    (tree / "release").mkdir()
    (tree / "release/answering.json").write_text("{}")
    done = run(
        tree, "-m", "spanline", "ask", "--model", "release", "-q", "Who?", "-c", "Ann.", PYTHONPATH=str(ROOT / "src")
    )
    assert "answering.json: holds no calibration" in last_line(done)
