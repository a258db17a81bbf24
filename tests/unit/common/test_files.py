"""A file or folder is whole or absent: exceptions, kills and full disks leave nothing under the final name."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spanline.common import files
from spanline.common.errors import SpanlineError

HOLDS = ["part", "stale", "half"]
FILL = """
import os, sys
from pathlib import Path
from spanline.common import files
with files.new_folder(Path(sys.argv[1]), ["*.parquet", "part"]) as folder:
    (folder / "00000.parquet").write_bytes(b"half" * 1000)
    print("filling", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def fill(path: Path, content: str) -> None:
    with files.new_folder(path, HOLDS) as folder:
        (folder / "part").write_text(content)


def test_a_folder_is_there_only_when_whole(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "deep" / "out", HOLDS) as folder:
        (folder / "part").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
    assert names(tmp_path) == {"deep", "deep/out", "deep/out/part"}


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    fill(tmp_path / "out", "old")
    (tmp_path / "out" / "stale").write_text("x")
    fill(tmp_path / "out", "new")
    assert names(tmp_path) == {"out", "out/part"}
    assert (tmp_path / "out" / "part").read_text() == "new"


@pytest.mark.parametrize("other", ["precious", "part.txt", ".git", "Part"])
def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, other: str) -> None:
    fill(tmp_path / "out", "old")
    (tmp_path / "out" / other).write_text("mine")
    with pytest.raises(SpanlineError) as caught, files.new_folder(tmp_path / "out", HOLDS):
        raise AssertionError("no work is begun")
    what = f"holds '{other}', which would be lost: a new folder takes its place"
    assert str(caught.value) == f"{tmp_path / 'out'}: {what}; give another path, or move that away"
    assert names(tmp_path) == {"out", "out/part", f"out/{other}"}


def test_dvc_s_own_file_and_an_empty_folder_stop_nobody(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    (tmp_path / "out" / ".gitignore").write_text("/part\n")
    fill(tmp_path / "out", "new")
    assert (tmp_path / "out" / "part").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("ours"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_exception_leaves_nothing_and_the_old_folder(tmp_path: Path, error: BaseException) -> None:
    def broken() -> None:
        with files.new_folder(tmp_path / "out", HOLDS) as folder:
            (folder / "half").write_text("x")
            raise error

    with pytest.raises(type(error)):
        broken()
    assert names(tmp_path) == set()
    fill(tmp_path / "out", "old")
    with pytest.raises(type(error)):
        broken()
    assert names(tmp_path) == {"out", "out/part"}


@pytest.mark.parametrize("old", [False, True])
def test_a_kill_while_filling_leaves_the_old_folder_and_the_next_run_recovers(tmp_path: Path, old: bool) -> None:
    if old:
        fill(tmp_path / "out", "old")
    command = [sys.executable, "-c", FILL, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "filling\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "out").exists() == old
    if old:
        assert (tmp_path / "out" / "part").read_text() == "old"
    fill(tmp_path / "out", "new")
    assert names(tmp_path) == {"out", "out/part"}  # what the kill left is gone as well
    assert (tmp_path / "out" / "part").read_text() == "new"


LIMITED = """
import resource, sys
from pathlib import Path
from spanline.common import console, files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
def main():
    with files.new_folder(Path(sys.argv[1]), ["*.parquet", "part"]) as folder:
        (folder / "small").write_bytes(b"x" * 900)
        (folder / "large").write_bytes(b"x" * 5000)
console.run(main)
"""


def test_a_write_that_the_machine_refuses_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: disk: File too large; raise the limit on file sizes (`ulimit -f`) and run again"
    ]
    assert names(tmp_path) == set()


def test_a_file_is_there_only_when_whole(tmp_path: Path) -> None:
    files.write_text(tmp_path / "deep" / "a.json", "old")
    with files.new_file(tmp_path / "deep" / "a.json") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "deep" / "a.json").read_text() == "old"
    assert names(tmp_path) == {"deep", "deep/a.json"}
    assert (tmp_path / "deep" / "a.json").read_text() == "new"


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_text(tmp_path / "a.json", "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(tmp_path / "a.json", "new")
    assert names(tmp_path) == {"a.json"}
    assert (tmp_path / "a.json").read_text() == "old"


def test_what_a_kill_left_of_a_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".a.json.partial").write_text("half of a longer text")
    files.write_text(tmp_path / "a.json", "new")
    assert names(tmp_path) == {"a.json"}


def test_everything_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    fsync = os.fsync

    def record(handle: int) -> None:
        flushed.append(os.fstat(handle).st_size)
        assert not (tmp_path / "out").exists()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    with files.new_folder(tmp_path / "out", HOLDS) as folder:
        (folder / "b").write_text("12")
        (folder / "inner").mkdir()
        (folder / "inner" / "a").write_text("1")
    assert sorted(flushed) == [1, 2]


def test_json_is_the_same_bytes_for_the_same_content() -> None:
    assert files.to_json({"b": [1, 2.5], "a": "Zoë\u2028"}) == '{\n "a": "Zoë\u2028",\n "b": [\n  1,\n  2.5\n ]\n}\n'
    assert files.to_json({"b": 1, "a": 2}) == files.to_json({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.to_json({"a": float("nan")})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "there is no such file; run it"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1); run it"),
        (b'"\xff"', "not JSON: 'utf-8' codec can't decode byte 0xff in position 1: invalid start byte; run it"),
    ],
)
def test_json_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpanlineError) as caught:
        files.read_json(path, "run it")
    assert str(caught.value) == f"{path}: {expected}"


def test_json_is_read_back(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.json", files.to_json({"text": "Zoë 🎉"}))
    assert (
        files.read_json(tmp_path / "a.json", "")
        == {"text": "Zoë 🎉"}
        == json.loads((tmp_path / "a.json").read_text("utf-8"))
    )


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
