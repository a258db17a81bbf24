"""Experiments run one a GPU, survivors go on when one fails; what a GPU made is used where there is none."""

from __future__ import annotations

import fcntl
import json
import subprocess
import threading
from pathlib import Path

import pytest

from spanline.common.errors import SpanlineError
from tests.pipeline.workspace import Workspace, ran
from tests.team.conftest import Join
from tools import experiments
from tools.experiments import Experiment, a_free_gpu, find_gpus, read_list

THRESHOLD = "postprocess.null_score_diff_threshold"


def write(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_text(text)
    return path


def test_the_list_is_names_and_arguments(tmp_path: Path) -> None:
    path = write(tmp_path, "# a comment\nlow -S a.b=1 -S 'c.d=x y'\n\nhigh   # nothing changed\n")
    assert read_list(path) == [Experiment("low", ("-S", "a.b=1", "-S", "c.d=x y")), Experiment("high", ())]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\none -S a=1\n", "'one' names two experiments; begin each line with a name of its own"),
        ("-S a=1\n", "'-S' stands where a name should; begin each line with a name of its own"),
    ],
)
def test_a_list_without_names_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SpanlineError) as refused:
        read_list(path)
    assert str(refused.value) == f"{path}: {message}"


def test_visible_devices_are_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert find_gpus() == ["2", "5"]


def test_no_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SpanlineError, match="nvidia-smi: lists no GPU; name some with --gpus 0,1"):
        find_gpus()


def test_two_never_have_the_same_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five who want one of two: each gets one, at most two at a time, never the same."""
    monkeypatch.setattr(experiments, "LOOK_AGAIN_S", 0.001)
    held: set[str] = set()
    seen: list[str] = []

    def want() -> None:
        with a_free_gpu(["0", "1"], tmp_path) as gpu:
            assert gpu.index not in held
            held.add(gpu.index)
            seen.append(gpu.index)
            held.remove(gpu.index)

    threads = [threading.Thread(target=want) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 5


def test_a_gpu_that_another_process_has_is_left_alone(tmp_path: Path) -> None:
    """The lock outlives the one who took it as long as a child has the file, and ends with the last of them."""
    with a_free_gpu(["0", "1"], tmp_path) as gpu:
        assert gpu.index == "0"
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[gpu.lock])
    with a_free_gpu(["0", "1"], tmp_path) as gpu:
        assert gpu.index == "1"
    child.communicate()
    with a_free_gpu(["0", "1"], tmp_path) as gpu:
        assert gpu.index == "0"


# Two runs on one GPU at once would find each other's file.
ALONE = """
def _alone():
    import os, pathlib
    from spanline.common.console import say
    gpu = os.environ["CUDA_VISIBLE_DEVICES"]
    mark = pathlib.Path({folder!r}) / gpu
    mark.touch(exist_ok=False)
    say(f"alone on GPU {{gpu}}, code of {{run.__file__}}")
    main()
    mark.unlink()


if __name__ == "__main__":
    console.run(_alone)
"""


@pytest.mark.slow
def test_a_queue_of_experiments_over_two_gpus_of_three(ann: Workspace, tmp_path: Path) -> None:
    """GPU 0 is somebody else's; three experiments share 1 and 2, and the one that fails stops nobody."""
    marks, locks = tmp_path / "marks", tmp_path / "locks"
    marks.mkdir()
    locks.mkdir()
    script = ann.root / "stages/score.py"
    text = script.read_text()
    script.write_text(text[: text.index('\nif __name__ == "__main__":')] + ALONE.format(folder=str(marks)))
    ann.commit("score says where it runs")
    listed = f"low -S {THRESHOLD}=-2.5\nbad -S featurize.doc_stride=90\nhigh -S {THRESHOLD}=2.5\n"
    with (locks / "spanline-gpu-0.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        command = ["python", "-m", "tools.experiments", str(write(tmp_path, listed)), "--gpus", "0,1,2"]
        done = ann.run(*command, "--locks", str(locks), check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 3 experiments failed: bad"
    assert "on GPU 0" not in done.stderr
    logs = {name: (ann.root / f".scratch/experiments/{name}.log").read_text() for name in ("low", "bad", "high")}
    assert "featurize.doc_stride is 90" in logs["bad"]
    for name in ("low", "high"):
        assert ran(logs[name]) == {"postprocess", "score", "report"}
        assert f"code of {ann.root}/.scratch/experiments/{name}/src/spanline/score/run.py" in logs[name]
        assert not (ann.root / ".scratch/experiments" / name).exists()
    names = ann.run("dvc", "exp", "list", "--name-only").stdout.split()
    assert {"low", "high"} <= set(names)
    assert "bad" not in names
    ann.run("dvc", "exp", "apply", "low")
    ann.run("dvc", "checkout")
    assert ann.repro() == set()
    scores = json.loads((ann.root / "metrics/validation.json").read_text())
    assert scores["threshold"] == -2.5


@pytest.mark.slow
def test_a_laptop_uses_what_a_gpu_made(ann: Workspace, join: Join) -> None:
    """A fresh clone with nothing pulled fetches what its changes need, and neither trains nor featurizes."""
    laptop = join("laptop")
    laptop.set_param("runtime.device", "cpu")
    laptop.set_param(THRESHOLD, 0.0)
    assert laptop.repro("--pull", "--allow-missing") == {"postprocess", "score", "report"}
    assert not (laptop.root / "data/features/train").exists()
    assert not (laptop.root / "data/checkpoint").exists()
    laptop.set_param("predict.tokens_per_batch", 512)
    changed = laptop.repro("--pull", "--allow-missing")
    assert {"predict@calibration", "predict@validation"} <= changed
    assert changed <= {"predict@calibration", "predict@validation", "calibrate", "postprocess", "score", "report"}


@pytest.mark.slow
def test_the_job_of_a_cluster_shares_its_results(ann: Workspace, join: Join, tmp_path: Path) -> None:
    """As the scheduler runs it: a copy of the script, in the folder of submission. Comments are its only options."""
    script = tmp_path / "spool"
    script.write_bytes((ann.root / "tools/pipeline.sbatch").read_bytes())
    ann.run("git", "switch", "-q", "-c", "threshold")
    ann.set_param(THRESHOLD, 1.5)
    ann.run("git", "commit", "-qam", "threshold")
    ann.run("dvc", "remote", "modify", "--local", "team", "url", str(ann.root.parent / "store"))
    ann.run("git", "push", "-q", "origin", "threshold")
    (tmp_path / "node").mkdir()
    environment = {**ann.environment(), "SLURM_JOB_ID": "17", "SLURM_TMPDIR": str(tmp_path / "node")}
    done = subprocess.run(
        ["bash", str(script), "threshold"], cwd=ann.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == {"postprocess", "score", "report"}
    assert list((tmp_path / "node").iterdir()) == []
    bob = join("bob")
    bob.run("git", "switch", "-q", "threshold")
    assert "Results of job 17" in bob.run("git", "log", "-1", "--format=%s").stdout
    bob.run("dvc", "pull")
    assert bob.repro() == set()
    assert "is up to date" in bob.run("python", "-m", "tools.check").stderr
