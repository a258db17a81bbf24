"""`python -m benchmarks.gpu`: each of its claims on a GPU, and its CPU mode, which runs the same code, without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import suite
from benchmarks.gpu.checks import _covered
from benchmarks.gpu.work import Work
from tests.paths import ROOT

# Runs the program as on a machine that has neither DVC nor `datasets`.
WITHOUT = """
import runpy, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dvc", "datasets", "evaluate"):
            raise ModuleNotFoundError(f"{name} is hidden", name=name)

sys.meta_path.insert(0, Hidden())
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""


def program(*arguments: str, code: str = WITHOUT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
@pytest.mark.parametrize("name", [name for name in suite.ALL if name != "speed"])
def test_holds_on_a_gpu(name: str, tmp_path: Path) -> None:
    work = suite.work("cuda", tmp_path, budget_s=600)
    assert {line.name: line.found for line in suite.run(work, name) if line.verdict != "ok"} == {}


@pytest.mark.slow
def test_the_cpu_mode_runs_every_check_without_dvc_and_datasets(tmp_path: Path) -> None:
    done = program("--device", "cpu", "--out", str(tmp_path / "gpu.json"), "--budget-s", "3600")
    lines = {line["name"]: line for line in json.loads((tmp_path / "gpu.json").read_text())["lines"]}
    assert {name: line for name, line in lines.items() if line["verdict"] == "failed"} == {}
    assert done.returncode == 0, done.stderr
    assert {name for name, line in lines.items() if line["verdict"] == "skipped"} == {
        "batches made ahead",
        "torch.compile",
    }
    assert {"kill -9, then on to the same bytes", "out of memory is one line", "torchrun, 2 processes"} <= set(lines)
    assert lines["speed, small, float32"]["numbers"]["ratio"] > 0
    assert done.stdout.splitlines()[-1] == f"{len(lines)} lines, 0 failed, 2 skipped"


def test_no_gpu_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA GPU here")
    done = program()
    line = "error: benchmarks.gpu: torch sees no CUDA device; --device cpu runs the same code on tiny shapes"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, line)


def test_what_is_not_installed_is_one_line() -> None:
    code = WITHOUT.replace('"evaluate")', '"evaluate", "orjson", "ruamel")')
    done = program("--device", "cpu", code=code)
    line = "error: benchmarks.gpu: orjson, ruamel.yaml not installed; pip install orjson ruamel.yaml"
    assert (done.returncode, done.stderr.splitlines()) == (1, [line])


def test_a_check_that_breaks_is_a_failed_line_and_a_late_one_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(work: Work) -> None:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setitem(suite.ALL, "broken", broken)
    work = suite.work("cpu", tmp_path, budget_s=600)
    [line] = suite.run(work, "broken")
    assert (line.verdict, line.found) == ("failed", "RuntimeError: no kernel image")
    late = Work(work.device, work.tiny, work.folder, time.monotonic() - 1)
    [line] = suite.run(late, "broken")
    assert (line.verdict, line.found) == ("skipped", "no time left")


def test_busy_time_counts_what_overlaps_once() -> None:
    assert _covered([(0, 10), (5, 12), (20, 30), (28, 29)], 2, 25) == 10 + 5
