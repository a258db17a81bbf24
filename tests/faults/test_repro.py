"""Kills of `dvc repro` as a whole, at random moments: DVC alone, DVC with its stage, Ctrl-C.

After each: no output that is not whole. In the end, by the two commands of `make repro`: the bytes and the dvc.lock of
a run that nothing disturbed. SPANLINE_REPRO_KILLS kills (6 by default); moments and ways come from a seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import TIMEOUT_S
from tests.faults.damage import files_of
from tests.pipeline.workspace import Workspace, clone

SEED = int(os.environ.get("SPANLINE_FAULTS_SEED", "17"))
KILLS = int(os.environ.get("SPANLINE_REPRO_KILLS", "6"))
QUIET: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
RESTORE = (sys.executable, "-m", "tools.restore_lock")


def _all(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    os.killpg(process.pid, number)


WAYS: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    "kill -9 of DVC and its stage": lambda process: _all(process, signal.SIGKILL),
    "kill -9 of DVC alone": lambda process: process.send_signal(signal.SIGKILL),
    "SIGTERM to DVC alone": lambda process: process.send_signal(signal.SIGTERM),
    "Ctrl-C": lambda process: _all(process, signal.SIGINT),
}


def outputs(workspace: Workspace) -> dict[str, bytes]:
    """What stages write, but for hidden names and the curves that train shows while it runs."""
    found = {
        f"{folder}/{name}": content
        for folder in ("data", "metrics")
        if (workspace.root / folder).exists()
        for name, content in files_of(workspace.root / folder).items()
    }
    return {
        name: content
        for name, content in found.items()
        if not any(part.startswith(".") for part in Path(name).parts)
        and not name.startswith(("metrics/train", "metrics/runtime"))
    }


def wait_for_group(leader: int) -> None:
    """Until no process of the group is left: a stage outlives a DVC that was killed alone."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("a stage that lost its DVC does not end")


def disturb(workspace: Workspace, after_s: float, way: str) -> bool:
    """Whether the kill came before the end."""
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=workspace.root,
        env=workspace.environment(),
        start_new_session=True,
        **QUIET,
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        WAYS[way](process)
    process.wait(TIMEOUT_S)
    wait_for_group(process.pid)
    return process.returncode != 0


@pytest.mark.slow
def test_kills_of_repro(tmp_path: Path, tiny_encoder: Path) -> None:
    generator = random.Random(SEED)
    undisturbed = clone(tmp_path / "undisturbed" / "repository", tiny_encoder)
    started = time.monotonic()
    undisturbed.repro()
    takes_s = time.monotonic() - started
    expected = outputs(undisturbed)

    workspace = clone(tmp_path / "disturbed" / "repository", tiny_encoder)
    hit = 0
    for number in range(KILLS):
        workspace.run(*RESTORE)
        hit += disturb(workspace, generator.uniform(0.5, takes_s / 2), list(WAYS)[number % len(WAYS)])
        assert outputs(workspace).items() <= expected.items()
    assert hit > 0
    workspace.run(*RESTORE)
    workspace.repro()
    assert outputs(workspace) == expected
    assert (workspace.root / "dvc.lock").read_text() == (undisturbed.root / "dvc.lock").read_text()
    assert workspace.repro() == set()
    sys.stdout.write(f"dvc repro: {KILLS} kills, {hit} before its end\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "predict"])
def test_a_stage_that_lost_its_dvc_is_named_to_the_next(name: str, tmp_path: Path, tiny_encoder: Path) -> None:
    workspace = clone(tmp_path / "repository", tiny_encoder)
    first = subprocess.Popen(
        ["dvc", "repro"], cwd=workspace.root, env=workspace.environment(), start_new_session=True, **QUIET
    )
    orphan = stage_at_work(workspace, first, name)
    os.kill(orphan, signal.SIGSTOP)  # so that it is still at work when the next comes
    first.kill()
    first.wait(TIMEOUT_S)
    try:
        second = workspace.run("dvc", "repro", check=False)
        assert second.returncode != 0
        said = second.stdout + second.stderr
        assert f"process {orphan} (python -m stages.{name} " in said
        assert f"is at work on it; wait until it is done, or end it: kill {orphan}" in said
    finally:
        os.kill(orphan, signal.SIGTERM)
        os.kill(orphan, signal.SIGCONT)
    wait_for_group(first.pid)

    undisturbed = clone(tmp_path / "undisturbed" / "repository", tiny_encoder)
    undisturbed.repro()
    workspace.repro()
    assert outputs(workspace) == outputs(undisturbed)


def stage_at_work(workspace: Workspace, repro: subprocess.Popen[bytes], name: str) -> int:
    """The process id of the stage, once it holds the lock of its resume points."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        assert repro.poll() is None, f"dvc repro ended before {name} was seen"
        for lock in workspace.root.glob(f".scratch/{name}/*/lock"):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it is empty before it has its holder's number
                return int(lock.read_text().split()[0])
        time.sleep(0.001)
    raise AssertionError(f"{name} does not start")
