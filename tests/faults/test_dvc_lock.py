"""kill -9 at the moment when DVC has emptied dvc.lock and not yet written it: nothing is lost, nothing runs twice.

The stages here copy a file and keep the lock as ours do (stages/__init__.py), so that DVC's part is all that counts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spanline.common import dvc_lock
from spanline.common.errors import SpanlineError
from tests.paths import ROOT

COPY = """
import shutil, sys
from pathlib import Path
from spanline.common import dvc_lock
dvc_lock.keep(Path())
with open("ran", "a") as file:
    print(sys.argv[2], file=file)
shutil.copy(sys.argv[1], sys.argv[2])
"""
KILLED = """
import io, os, signal, sys
from dvc.utils.serialize import _yaml
dump, left = _yaml._dump, {others}
def killed(data, stream):
    global left
    if "dvc.lock" in str(getattr(stream, "name", "")):
        left -= 1
        if left < 0:
            whole = io.StringIO()
            dump(data, whole)
            stream.write(whole.getvalue()[:{written}])
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return dump(data, stream)
_yaml._dump = killed
from dvc.cli import main
sys.exit(main(["repro"]))
"""
RESTORE = [sys.executable, "-m", "tools.restore_lock"]
DVC = [sys.executable, "-m", "dvc"]


class Project:
    """A project of three stages: a -> b -> c -> d."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "a").write_text("1\n")
        (root / "stage.py").write_text(COPY)
        stages = {
            out: {"cmd": f"{sys.executable} stage.py {dep} {out}", "deps": [dep, "stage.py"], "outs": [out]}
            for dep, out in ("ab", "bc", "cd")
        }
        (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
        for command in (["git", "init", "-q"], [*DVC, "init", "-q"]):
            self.run(*command)

    def run(self, *command: str) -> tuple[int, str]:
        """Exit code and all that it says."""
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc-site"),
        }
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def ran(self) -> list[str]:
        """The stages that ran since the last call."""
        path = self.root / "ran"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names

    @property
    def lock(self) -> str:
        return (self.root / "dvc.lock").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With a run that ended well, which is not committed, and an edit after it."""
    project = Project(tmp_path / "project")
    code, said = project.run(*DVC, "repro")
    assert code == 0, said
    assert project.ran() == ["b", "c", "d"]
    (project.root / "a").write_text("2\n")
    return project


@pytest.mark.parametrize("written", [0, 150])
def test_kill_while_the_lock_is_written(project: Project, written: int) -> None:
    """As the second of three stages is entered."""
    code, _ = project.run(sys.executable, "-c", KILLED.format(others=1, written=written))
    assert code == -signal.SIGKILL
    assert project.ran() == ["b", "c"]
    assert len(project.lock) == written
    assert written or project.run(*DVC, "repro")[0] != 0  # DVC alone gives up, or takes a part for the whole
    code, said = project.run(*RESTORE)
    assert (code, "dvc.lock was cut off" in said, "the copy that the last stage kept" in said) == (0, True, True)
    assert project.run(*DVC, "repro")[0] == 0
    assert [name for name in project.ran() if name == "b"] == []  # entered before the kill: it does not run again
    assert (project.root / "d").read_text() == "2\n"
    assert dvc_lock.is_whole(project.lock)
    whole = project.lock
    assert project.run(*RESTORE) == (0, "")
    assert project.lock == whole


def test_without_a_copy_the_run_cache_has_everything(project: Project) -> None:
    whole = project.lock
    (project.root / "a").write_text("1\n")
    (project.root / ".dvc/tmp/spanline-dvc.lock").unlink()
    (project.root / "dvc.lock").write_text("")
    code, said = project.run(*RESTORE)
    assert (code, "removed, for there is no copy" in said) == (0, True)
    assert project.run(*DVC, "repro")[0] == 0
    assert project.ran() == []
    assert project.lock == whole


LOCK = "schema: '2.0'\nstages:\n  b:\n    cmd: cp a b\n    outs:\n    - path: b\n      hash: md5\n      md5: {md5}\n"
WHOLE = LOCK.format(md5="0" * 32)


def test_every_truncation_is_seen() -> None:
    """But for those at the end of a list, which say less and nothing wrong."""
    assert dvc_lock.is_whole(WHOLE)
    taken = [cut for cut in (WHOLE[:length] for length in range(len(WHOLE))) if dvc_lock.is_whole(cut)]
    assert all("outs" not in cut or cut.endswith("outs:\n") for cut in taken)
    assert len(taken) <= 2


def test_a_merge_is_left_to_people(tmp_path: Path) -> None:
    text = f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> other\n"
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(SpanlineError, match=r"has the two sides of a merge in it; resolve it"):
        dvc_lock.restore(tmp_path)
    assert (tmp_path / "dvc.lock").read_text() == text


def test_no_lock_and_a_damaged_copy(tmp_path: Path) -> None:
    assert dvc_lock.restore(tmp_path) is None
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    dvc_lock.keep(tmp_path)
    (tmp_path / "dvc.lock").write_text(WHOLE[:40])
    dvc_lock.keep(tmp_path)  # a cut file never takes the copy's place
    (tmp_path / "dvc.lock").write_bytes(b"\xff\xfe")
    assert "restored from the copy" in str(dvc_lock.restore(tmp_path))
    assert (tmp_path / "dvc.lock").read_text() == WHOLE
