"""`dvc repro` runs every stage once, then exactly those that a change can affect; DVC's other commands work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.workspace import STAGES, Workspace, clone


@pytest.fixture
def unchanged(reproduced: Workspace) -> Iterator[Workspace]:
    """The shared clone; whatever the test changed is put back."""
    yield reproduced
    reproduced.run("git", "checkout", "-q", ".")
    reproduced.run("dvc", "checkout", "-q")


def test_first_run_runs_every_stage_and_the_second_none(tmp_path: Path, tiny_encoder: Path) -> None:
    workspace = clone(tmp_path / "repository", tiny_encoder)
    assert workspace.repro() == set(STAGES)
    assert workspace.repro() == set()
    assert "up to date" in workspace.run("dvc", "status").stdout


def test_changed_threshold_runs_postprocess_score_and_report_only(unchanged: Workspace) -> None:
    unchanged.set_param("postprocess.null_score_diff_threshold", -1.25)
    assert unchanged.repro() == {"postprocess", "score", "report"}
    scores = json.loads((unchanged.root / "metrics/validation.json").read_text())
    assert scores["threshold"] == -1.25


def test_a_comment_in_the_windows_stops_at_the_features(unchanged: Workspace) -> None:
    """The features come out byte for byte the same, so nothing after them runs."""
    module = unchanged.root / "src/spanline/featurize/windows.py"
    module.write_text(module.read_text() + "# a comment\n")
    assert unchanged.repro() == {f"featurize@{split}" for split in ("train", "calibration", "validation")}


def test_changed_metric_of_the_threshold_keeps_the_logits(unchanged: Workspace) -> None:
    unchanged.set_param("calibrate.metric", "exact")
    ran = unchanged.repro()
    assert "calibrate" in ran
    assert ran <= {"calibrate", "postprocess", "score", "report"}


def test_runtime_section_runs_nothing(unchanged: Workspace) -> None:
    unchanged.set_param("runtime.workers", 1)
    unchanged.set_param("runtime.progress_every_s", 1.5)
    assert unchanged.repro() == set()


def test_going_back_takes_the_results_from_the_run_cache(unchanged: Workspace) -> None:
    before = (unchanged.root / "metrics/validation.json").read_bytes()
    unchanged.set_param("postprocess.null_score_diff_threshold", 3.5)
    assert unchanged.repro() == {"postprocess", "score", "report"}
    unchanged.run("git", "checkout", "-q", "params.yaml")
    assert unchanged.repro() == set()
    assert (unchanged.root / "metrics/validation.json").read_bytes() == before


@pytest.mark.slow
def test_the_curves_are_shown_while_it_trains_and_a_stop_leaves_the_run_cache_whole(unchanged: Workspace) -> None:
    """DVC's own commands in another terminal; then Ctrl-C, the old parameter, and the old bytes without training."""
    unchanged.set_param("train.epochs", 1000.0)
    unchanged.set_param("runtime.progress_every_s", 0.1)
    command = ["dvc", "repro", "train"]
    with subprocess.Popen(
        command, cwd=unchanged.root, env=unchanged.environment(), start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(unchanged.root / "metrics/train_history.csv", process)
            assert not (unchanged.root / "data/model").exists()
            assert (unchanged.root / "metrics/train_epochs.csv").exists()  # else DVC would draw the last run's
            plot = "metrics/train_history.csv"
            shown = json.loads(unchanged.run("dvc", "plots", "diff", "HEAD", "--json", "--targets", plot).stdout)
            assert set(shown["data"][plot][0]["revisions"]) == {"workspace", "HEAD"}
            numbers = json.loads(unchanged.run("dvc", "metrics", "show", "--json", "metrics/train.json").stdout)
            assert numbers[""]["data"]["metrics/train.json"]["data"]["steps"] >= 1
            assert "workspace" in unchanged.run("dvc", "exp", "show", "--csv").stdout
        finally:
            os.killpg(process.pid, signal.SIGINT)
    assert process.returncode != 0
    assert (unchanged.root / "metrics/train_epochs.csv").exists()
    unchanged.run("git", "checkout", "-q", "params.yaml")
    assert unchanged.repro("train") == set()
    assert unchanged.run("git", "status", "--porcelain", "metrics").stdout == ""


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the table has a row; DVC removes that of the last run at first."""
    deadline = time.monotonic() + 300
    is_removed = False
    while time.monotonic() < deadline:
        assert process.poll() is None, "dvc repro has ended"
        is_removed = is_removed or not path.exists()
        if is_removed and path.exists() and path.read_text().count("\n") > 1:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {path} after five minutes")


def test_the_commands_of_the_readme_work(unchanged: Workspace) -> None:
    shown = json.loads(unchanged.run("dvc", "metrics", "show", "--json").stdout)
    assert "metrics/validation.json" in json.dumps(shown)
    unchanged.set_param("postprocess.null_score_diff_threshold", 30.0)
    unchanged.repro()
    assert "threshold" in unchanged.run("dvc", "metrics", "diff").stdout
    assert "postprocess.null_score_diff_threshold" in unchanged.run("dvc", "params", "diff").stdout
    unchanged.run("dvc", "plots", "show", "--out", "plots")
    assert (unchanged.root / "plots/index.html").stat().st_size > 1000
    assert "featurize@train" in unchanged.run("dvc", "dag").stdout


def test_an_experiment_changes_one_parameter_and_is_listed(unchanged: Workspace) -> None:
    key = "postprocess.null_score_diff_threshold"
    output = unchanged.run("dvc", "exp", "run", "-n", "shy", "-S", f"{key}=-5.0").stdout
    assert "Running stage 'postprocess'" in output
    assert "Running stage 'train'" not in output
    assert "shy" in unchanged.run("dvc", "exp", "show", "--csv").stdout


def test_a_failing_stage_leaves_the_lock_and_the_cache_alone(unchanged: Workspace) -> None:
    lock = (unchanged.root / "dvc.lock").read_bytes()
    unchanged.set_param("featurize.doc_stride", 90)
    failed = unchanged.run("dvc", "repro", check=False)
    assert failed.returncode != 0
    line = (
        "error: params.yaml: featurize.doc_stride is 90, but beside a question of 24 tokens a feature has room for 69"
    )
    assert line in failed.stderr
    assert "Traceback" not in failed.stderr
    assert (unchanged.root / "dvc.lock").read_bytes() == lock
    assert not list((unchanged.root / "data").rglob("*.partial"))
    unchanged.run("git", "checkout", "-q", "params.yaml")
    assert unchanged.repro() == set()


def test_the_metrics_fit_a_screen(unchanged: Workspace) -> None:
    """160 columns hold every metric under its whole name, beside the experiment. `dvc exp show` puts parameters and
    dependencies to their right: its pager, `less -S`, cuts them off until one scrolls."""
    names = {"exact", "f1", *(f"{part}_{key}" for part in ("HasAns", "NoAns") for key in ("exact", "f1"))}
    names |= {"threshold", "brier_score", "calibration_error"}
    lines = unchanged.run("dvc", "metrics", "show").stdout.splitlines()
    assert set(lines[0].split()) == {"Path", *names}
    assert max(map(len, lines)) <= 160
    unchanged.run("dvc", "exp", "run", "-n", "narrow", "-S", "postprocess.null_score_diff_threshold=-6.0")
    header = next(line for line in unchanged.run("dvc", "exp", "show").stdout.splitlines() if "Experiment" in line)
    assert {"Experiment", "Created", *names} <= set(header[:160].split())
