"""Every fault of storage ends in a message and a state from which the next command of docs/TEAM.md recovers.

Each test is a row of the document's table. Nothing may be lost: at the end Bob has the bytes that Ann had.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.make import yaml_text
from tests.paths import ROOT
from tests.pipeline.workspace import Workspace
from tests.team import servers
from tests.team.conftest import Join
from tests.team.servers import Storage
from tests.team.walk import outputs

pytestmark = pytest.mark.slow
MODEL = "data/model/model.safetensors"
PUSH, VERIFY, CHECK = (("python", "-m", f"tools.{name}") for name in ("push", "verify", "check"))
TIMEOUT_S = 300  # of a command that a fault may hang; far beyond what any takes


def run(workspace: Workspace, *command: str, **environment: str) -> tuple[int, str]:
    """Exit code and all that the command says."""
    done = subprocess.run(
        command,
        cwd=workspace.root,
        env={**workspace.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stdout + done.stderr


def succeed(workspace: Workspace, *command: str, **environment: str) -> str:
    code, said = run(workspace, *command, **environment)
    assert code == 0, said
    return said


def object_path(workspace: Workspace, folder: Path) -> Path:
    """Where a cache or remote in `folder` keeps the model's weights."""
    lock = yaml_text.load((workspace.root / "dvc.lock").read_text())["stages"]
    [listing] = [out["md5"] for out in lock["train"]["outs"] if out["path"] == "data/model"]
    entries = json.loads((folder / "files" / "md5" / listing[:2] / listing[2:]).read_text())
    [oid] = [entry["md5"] for entry in entries if entry["relpath"] == "model.safetensors"]
    return folder / "files" / "md5" / oid[:2] / oid[2:]


def flip_a_byte(path: Path) -> None:
    """As a bad disk does it: size, time and mode stay."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def assert_whole(ann: Workspace, bob: Workspace, **environment: str) -> None:
    """Bob gets everything, has Ann's bytes and nothing to run."""
    succeed(bob, "dvc", "pull", **environment)
    assert outputs(bob.root) == outputs(ann.root)
    assert "up to date" in succeed(bob, "dvc", "repro", **environment)


# The remote takes nothing more.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 300 kB; the pipeline's data are 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_remote_full(ann: Workspace, join: Join, small_disk: Path) -> None:
    succeed(ann, "python", "-m", "tools.team", "--remote", str(small_disk / "store"))
    code, said = run(ann, *PUSH)
    assert code != 0
    assert "No space left on device" in said
    assert run(ann, *CHECK)[0] == 1
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    succeed(ann, *PUSH)
    succeed(ann, *CHECK)
    bob = join("bob")
    shutil.copy(ann.root / ".dvc/config", bob.root / ".dvc/config")
    assert_whole(ann, bob)


def test_remote_read_only(ann: Workspace, join: Join, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    succeed(ann, "python", "-m", "tools.team", "--remote", str(small_disk / "store"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, said = run(ann, *PUSH)
    assert code != 0
    assert "Read-only file system" in said
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    succeed(ann, *PUSH)
    bob = join("bob")
    shutil.copy(ann.root / ".dvc/config", bob.root / ".dvc/config")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_whole(ann, bob)  # reading needs no right to write


# The connection breaks.

KINDS = {"ssh": servers.sshd, "s3": servers.s3}


@pytest.fixture(params=sorted(KINDS))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    serve: Callable[[Path], AbstractContextManager[Storage]] = KINDS[request.param]
    with serve(tmp_path / "server") as storage:
        yield storage


def use(workspace: Workspace, storage: Storage) -> None:
    succeed(workspace, "python", "-m", "tools.team", "--remote", storage.url)


def test_connection_cut_during_push(ann: Workspace, join: Join, storage: Storage) -> None:
    """Cut while the weights, the largest object, are on their way."""
    with servers.proxy(storage.port, limit=350_000) as proxy:
        cut = storage.through(proxy.port)
        use(ann, cut)
        code, said = run(ann, *PUSH, **cut.environment)
        assert proxy.has_cut
        assert code != 0
        assert "ERROR" in said
    use(ann, storage)
    assert run(ann, *CHECK, **storage.environment)[0] == 1
    succeed(ann, *PUSH, **storage.environment)
    run(ann, *VERIFY, "--remote", **storage.environment)  # exit 1 when the cut left a part of an object
    succeed(ann, *PUSH, **storage.environment)
    succeed(ann, *CHECK, **storage.environment)
    bob = join("bob")
    use(bob, storage)
    assert_whole(ann, bob, **storage.environment)


def test_connection_cut_during_pull(ann: Workspace, join: Join, storage: Storage) -> None:
    use(ann, storage)
    succeed(ann, *PUSH, **storage.environment)
    bob = join("bob")
    with servers.proxy(storage.port, limit=200_000) as proxy:
        cut = storage.through(proxy.port)
        use(bob, cut)
        code, said = run(bob, "dvc", "pull", **cut.environment)
        assert proxy.has_cut
        assert code != 0
        assert "ERROR" in said
    use(bob, storage)
    succeed(bob, *VERIFY)  # no half of an object under a whole one's name
    assert_whole(ann, bob, **storage.environment)


# An object is missing or damaged.


def test_object_missing_on_the_remote(ann: Workspace, join: Join) -> None:
    store = ann.root.parent / "store"
    lost = object_path(ann, store)
    lost.unlink()
    bob = join("bob")
    code, said = run(bob, "dvc", "pull")
    assert code != 0
    assert "failed to pull data from the cloud" in said
    assert lost.parent.name + lost.name in said or MODEL in said
    code, said = run(bob, *CHECK)
    assert (code, f"{MODEL}: {lost.parent.name}{lost.name} is not on the remote" in said) == (1, True)
    succeed(ann, *PUSH)
    assert not lost.exists()  # DVC takes the folder for whole: the listing is there
    code, said = run(ann, *VERIFY, "--remote")
    assert (code, "lists files that are not there, removed" in said) == (1, True)
    succeed(ann, *PUSH)
    succeed(ann, *CHECK)
    assert_whole(ann, bob)


def test_byte_flipped_in_the_cache(ann: Workspace) -> None:
    whole = outputs(ann.root)
    flip_a_byte(object_path(ann, ann.root / ".dvc/cache"))
    assert "up to date" in succeed(ann, "dvc", "status")  # DVC takes a read-only object on trust
    code, said = run(ann, *VERIFY)
    assert code == 1
    assert "damaged, removed" in said
    assert said.strip().endswith("error: 1 removed; to get them back: dvc pull, or dvc repro for what nobody pushed")
    succeed(ann, "dvc", "pull")
    succeed(ann, *VERIFY)
    assert outputs(ann.root) == whole
    assert ann.repro() == set()


def test_byte_flipped_in_the_work_tree(ann: Workspace) -> None:
    """With symlinks or hard links the cache's file is the work tree's; with copies a damaged disk can hit either."""
    whole = outputs(ann.root)
    succeed(ann, "dvc", "status")
    flip_a_byte(ann.root / MODEL)
    assert "up to date" in succeed(ann, "dvc", "status")  # neither its size nor its time has changed
    code, said = run(ann, *VERIFY)
    assert (code, f"{MODEL}: damaged, removed" in said) == (1, True)
    succeed(ann, "dvc", "pull")
    assert outputs(ann.root) == whole
    assert ann.repro() == set()


def test_byte_flipped_on_the_remote(ann: Workspace, join: Join) -> None:
    store = ann.root.parent / "store"
    damaged = object_path(ann, store)
    flip_a_byte(damaged)
    bob = join("bob")
    code, said = run(bob, "dvc", "pull")
    assert code != 0
    assert "failed to pull data from the cloud" in said
    assert not (bob.root / MODEL).exists()
    code, said = run(ann, *VERIFY, "--remote")
    assert (code, f"remote: {damaged.parent.name}{damaged.name} damaged, removed" in said) == (1, True)
    succeed(ann, *PUSH)
    succeed(ann, *VERIFY, "--remote")
    assert_whole(ann, bob)


# Two at once, and a kill.


def start(workspace: Workspace, *command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=workspace.root,
        env={**workspace.environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_two_pushes_at_once(ann: Workspace, join: Join) -> None:
    """From two clones with the same data, to an empty remote."""
    bob = join("bob")
    succeed(bob, "dvc", "pull", "--run-cache")
    shutil.rmtree(ann.root.parent / "store")
    (ann.root.parent / "store").mkdir()
    pushes = [start(person, *PUSH) for person in (ann, bob)]
    said = [push.communicate(timeout=TIMEOUT_S)[0] for push in pushes]
    assert [push.returncode for push in pushes] == [0, 0], said
    succeed(ann, *CHECK)
    succeed(ann, *VERIFY, "--remote")
    assert_whole(ann, join("carol"))


WAIT = """
    import pathlib, time
    pathlib.Path({inside!r}).touch()
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.05)
    console.run(main"""


@pytest.fixture
def held_in_score(ann: Workspace) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A `dvc repro` that waits inside score until the file `go` is there, and that file."""
    go, inside = ann.root / ".scratch/go", ann.root / ".scratch/inside"
    inside.parent.mkdir()
    script = ann.root / "stages/score.py"
    script.write_text(script.read_text().replace("    console.run(main", WAIT.format(go=str(go), inside=str(inside))))
    repro = start(ann, "dvc", "repro")
    while not inside.exists():
        assert repro.poll() is None, repro.communicate()[0]
    yield repro, go
    if repro.poll() is None:  # the test has failed
        os.killpg(repro.pid, signal.SIGKILL)
        repro.communicate()


def test_two_repros_at_once_in_one_clone(ann: Workspace, held_in_score: tuple[subprocess.Popen[str], Path]) -> None:
    first, go = held_in_score
    code, said = run(ann, "dvc", "repro")
    assert code != 0
    assert re.search(rf"is busy, it is being blocked by:.*\(PID {first.pid}\): \S*dvc repro", " ".join(said.split()))
    go.touch()
    assert "Running stage 'score'" in first.communicate(timeout=TIMEOUT_S)[0]
    assert first.returncode == 0
    assert "up to date" in succeed(ann, "dvc", "repro")


def test_stale_lock_of_a_killed_repro(ann: Workspace, held_in_score: tuple[subprocess.Popen[str], Path]) -> None:
    before = (ann.root / "dvc.lock").read_bytes()
    first, go = held_in_score
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    go.touch()
    assert (ann.root / "dvc.lock").read_bytes() == before
    said = succeed(ann, "dvc", "repro")
    assert f"(Pid {first.pid})" in said
    assert "had been killed. Auto removed it from the lock file." in said
    assert "Running stage 'score'" in said


def test_stale_lock_whose_number_another_process_has(ann: Workspace) -> None:
    """The kernel gives numbers of dead processes to new ones: here, this test's."""
    lock = ann.root / ".dvc/tmp/rwlock"
    metrics = str(ann.root / "metrics/validation.json")
    lock.write_text(json.dumps({"write": {metrics: {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}))
    code, said = run(ann, "dvc", "repro")
    assert code != 0
    assert "If there are no processes with such PIDs, you can manually remove" in " ".join(said.split())
    lock.unlink()
    assert "up to date" in succeed(ann, "dvc", "repro")


KILLED = """
import os, signal, sys
from dvc_objects.fs import local
place, count = os.replace, 0
def replace(*args, **kwargs):
    global count
    count += "data" in str(args[1])
    if count == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return place(*args, **kwargs)
os.replace = replace
from dvc.cli import main
sys.exit(main(["checkout"]))
"""


def test_kill_during_checkout(ann: Workspace) -> None:
    """kill -9 as the twelfth file is about to get its name."""
    whole = outputs(ann.root)
    shutil.rmtree(ann.root / "data")
    succeed(ann, "git", "checkout", "-q", ".")
    code, _ = run(ann, sys.executable, "-c", KILLED)
    assert code == -signal.SIGKILL
    assert 0 < len(outputs(ann.root)) < len(whole)
    succeed(ann, "dvc", "checkout")
    assert {path: content for path, content in outputs(ann.root).items() if path in whole} == whole
    succeed(ann, *VERIFY)
    assert ann.repro() == set()


def test_every_fault_has_its_row_in_the_document() -> None:
    names = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(), flags=re.MULTILINE))
    rows = set(re.findall(r"\[(\w+)\]\(\.\./tests/team/test_faults\.py\)", (ROOT / "docs/TEAM.md").read_text()))
    assert {f"test_{row}" for row in rows} == names - {"test_every_fault_has_its_row_in_the_document"}
