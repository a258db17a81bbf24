"""One writer at a time: the second is told who the first is, and a dead one holds nobody up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from spanline.common import files
from spanline.common.errors import SpanlineError
from spanline.common.locks import beside, only_one

HOLD = """
import sys
from pathlib import Path
from spanline.common import files
with files.{context}(Path(sys.argv[1]){more}) as inside:
    print("inside", flush=True)
    sys.stdin.read()
    if "{context}" == "new_folder":
        (inside / "part").write_text("first")
"""


@contextmanager
def holder(path: Path, context: str = "new_folder", more: str = ', ["part"]') -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing `path`, until its stdin is closed."""
    command = [sys.executable, "-c", HOLD.format(context=context, more=more), str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    yield process
    process.communicate("", timeout=60)


@pytest.mark.parametrize(("context", "more"), [("new_folder", ', ["part"]'), ("new_file", ""), ("claimed", ", []")])
def test_a_second_writer_is_told_who_is_at_work(tmp_path: Path, context: str, more: str) -> None:
    out = tmp_path / "out"
    with holder(out, context, more) as process:
        with pytest.raises(SpanlineError) as caught, files.new_folder(out, ["part"]):
            pass
        line = rf"{out}: process {process.pid} \(python -c .*\) is at work on it; "
        line += rf"wait until it is done, or end it: kill {process.pid}"
        assert re.fullmatch(line, str(caught.value), flags=re.DOTALL)
        if context == "new_folder":
            assert (tmp_path / ".out.partial").is_dir()  # the first one's work is untouched
        process.kill() if context == "new_file" else None
    with files.new_folder(out, ["part"]) as folder:
        (folder / "part").write_text("second")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_killed_writer_holds_nobody_up(tmp_path: Path) -> None:
    with holder(tmp_path / "out") as process:
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
    assert beside(tmp_path / "out").exists()
    with files.new_folder(tmp_path / "out", ["part"]):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_process_may_ask_again_for_what_it_holds(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with only_one(lock, tmp_path):
        with only_one(lock, tmp_path):
            assert lock.read_text().startswith(f"{os.getpid()} ")
        assert lock.exists()
    assert not lock.exists()


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    """Each adds one to a number that it reads first: whoever was let in beside another would lose one."""
    code = """
import sys, time
from pathlib import Path
from spanline.common.errors import SpanlineError
from spanline.common.locks import only_one
folder = Path(sys.argv[1])
for _ in range(50):
    while True:
        try:
            with only_one(folder / "lock", folder):
                number = int((folder / "number").read_text())
                (folder / "number").write_text(str(number + 1))
            break
        except SpanlineError:
            time.sleep(0.001)
"""
    (tmp_path / "number").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert (tmp_path / "number").read_text() == "150"
    assert not (tmp_path / "lock").exists()


def test_what_stands_in_the_way_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name, found, context in (
        ("link", "a link, and a folder", partial(files.new_folder, holds=[])),
        ("file", "a file, and a folder", partial(files.new_folder, holds=[])),
        ("folder", "a folder, and a file", files.new_file),
    ):
        with (
            pytest.raises(SpanlineError, match=rf"{name}: is {found} is to be written there"),
            context(tmp_path / name),
        ):
            pytest.fail("the work was begun")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file", "link"}
