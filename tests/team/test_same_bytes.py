"""Same inputs, same bytes: a second run from nothing, in all that may differ between two people, equals the first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.workspace import STAGES, Workspace, clone, ran
from tests.team import users
from tests.team.walk import outputs

pytestmark = pytest.mark.slow
ELSEWHERE = {
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",  # text files are then read as ASCII wherever the encoding is left open
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "1",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    with users.public_folder() as folder:
        yield folder / "another folder"


def test_a_second_run_from_nothing_elsewhere_gives_the_same_bytes(finished: Workspace, elsewhere: Path) -> None:
    """Another folder, number of workers, time zone, locale and, where root runs this, another user; train included."""
    workspace = clone(elsewhere / "qa", finished.root.parent / "encoder")
    workspace.set_param("runtime.workers", 1)
    command = ["dvc", "repro"]
    environment = {**workspace.environment(), **ELSEWHERE}
    if os.getuid() == 0:
        users.need_root()
        nobody = users.User("nobody", "nogroup")
        users.give(elsewhere, nobody)
        command = nobody.command(*command)
        environment |= nobody.environment(elsewhere)
    done = subprocess.run(command, cwd=workspace.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == set(STAGES)
    assert (workspace.root / "dvc.lock").read_bytes() == (finished.root / "dvc.lock").read_bytes()
    first, second = outputs(finished.root), outputs(workspace.root)
    assert len(first) > 35
    assert second == first
