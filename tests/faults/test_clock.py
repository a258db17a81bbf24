"""A clock that is set back in the middle of a run: nothing of a result, a resume or a decision to run hangs on it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import TIMEOUT_S, Stage
from tests.faults.test_repro import outputs
from tests.make import yaml_text
from tests.pipeline.workspace import STAGES, Workspace, clone, ran

DAY_S = 24 * 60 * 60.0


def set_dates(folder: Path, moment: float | None = None, seed: int = 17) -> None:
    """Every file and folder as of that moment, or with dates in another order than that of their making."""
    generator, now = random.Random(seed), time.time()
    for path in sorted(folder.rglob("*")):
        when = now + generator.uniform(-DAY_S, DAY_S) if moment is None else moment
        os.utime(path, (when, when), follow_symlinks=False)


@pytest.mark.parametrize("moment", [0.0, time.time() + DAY_S, None], ids=["1970", "tomorrow", "in disorder"])
@pytest.mark.slow
def test_resume_points_go_by_their_step(moment: float | None, stage_of: Callable[[str], Stage], tmp_path: Path) -> None:
    stage = stage_of("train")
    folder = stage.copy(tmp_path / "project")
    process = stage.start(folder)
    deadline = time.monotonic() + TIMEOUT_S
    while len(list(folder.glob(".scratch/train/*/*.pt"))) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_S)
    steps = max(int(path.stem) for path in folder.glob(".scratch/train/*/*.pt"))
    set_dates(folder, moment)
    code, said = stage.run(folder)
    assert code == 0, said
    assert f"going on after step {steps} of" in said
    assert stage.written(folder) == stage.expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime, a Debian package of that name")
def test_a_repro_goes_on_under_a_clock_of_yesterday(tmp_path: Path, tiny_encoder: Path) -> None:
    undisturbed = clone(tmp_path / "undisturbed" / "repository", tiny_encoder)
    undisturbed.repro()
    workspace = clone(tmp_path / "disturbed" / "repository", tiny_encoder)
    workspace.repro("featurize@calibration")
    rest = yesterday(workspace)
    assert rest == set(STAGES) - {"download", "checkpoint", "featurize@calibration"}
    assert outputs(workspace) == outputs(undisturbed)
    assert entries(workspace) == entries(undisturbed)
    assert workspace.repro() == yesterday(workspace) == set()

    workspace.set_param("postprocess.n_best_size", 7)
    assert yesterday(workspace) == {"postprocess", "score", "report"}
    workspace.set_param("postprocess.n_best_size", 6)
    assert workspace.repro() == {"postprocess", "score", "report"}


def entries(workspace: Workspace) -> Any:
    """Of dvc.lock, whatever the order in which the stages first ran."""
    return yaml_text.load((workspace.root / "dvc.lock").read_text(encoding="utf-8"))


def yesterday(workspace: Workspace) -> set[str]:
    """`dvc repro` with the clock set back by a day; the stages that ran."""
    done = workspace.run("faketime", "-f", "-1d", "dvc", "repro", DONT_FAKE_MONOTONIC="1")
    return ran(done.stdout)
