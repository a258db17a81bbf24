"""Kills of `dvc repro` as a whole, at random moments: DVC alone, DVC with its stage, Ctrl-C.

After each: no output that is not whole. In the end, by the two commands of `make repro`: the bytes and the dvc.lock of
a run that nothing disturbed. SPANLINE_REPRO_KILLS kills (6 by default); moments and ways come from a seed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import TIMEOUT_S
from tests.faults.damage import files_of
from tests.pipeline.workspace import Workspace, clone

SEED = int(os.environ.get("SPANLINE_FAULTS_SEED", "17"))
KILLS = int(os.environ.get("SPANLINE_REPRO_KILLS", "6"))
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
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
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
