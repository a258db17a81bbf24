"""What people see: their mistake is one line and exit 1, ours a traceback; progress has units and an end in sight."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable

import pyarrow as pa
import pytest

from spanline.common import console
from spanline.common.errors import SpanlineError


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(console.time, "monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def exit_of(error: BaseException) -> object:
    with pytest.raises(SystemExit) as caught:
        console.run(raising(error))
    return caught.value.code


def test_a_good_run_ends_with_how_long_it_took(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        clock.now_s += 250
        console.say("250 questions")

    console.run(main)
    assert capsys.readouterr() == ("", "250 questions\ndone in 4 min 10 s\n")


def test_a_mistake_is_one_line() -> None:
    error = SpanlineError("params.yaml", "the\nkey  is\twrong", "change it")
    assert exit_of(error) == "error: params.yaml: the key is wrong; change it"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, "No space left on device; free some space and run again; nothing half-written was kept"),
        (errno.EDQUOT, "Disk quota exceeded; free some of your quota and run again; nothing half-written was kept"),
        (errno.EACCES, "Permission denied; give yourself access and run again"),
        (errno.EROFS, "Read-only file system; write somewhere else or remount, and run again"),
        (
            errno.ENOENT,
            "No such file or directory; check the path; under DVC, run `dvc repro` so that earlier stages make it, "
            "or `dvc pull`",
        ),
        (errno.EFBIG, "File too large; raise the limit on file sizes (`ulimit -f`) and run again"),
    ],
)
def test_what_the_machine_refuses_is_one_line(code: int, expected: str) -> None:
    assert exit_of(OSError(code, "as the library puts it", "data/x")) == f"error: data/x: {expected}"
    assert exit_of(OSError(code, "as the library puts it")) == f"error: disk: {expected}"


@pytest.mark.parametrize("error", [OSError(errno.EEXIST, "x"), OSError("no number"), ValueError("ours"), KeyError("x")])
def test_anything_else_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        console.run(raising(error))
    assert caught.value is error


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_of_a_copy_on_a_full_disk_the_new_file_is_named() -> None:
    line = exit_of(OSError(errno.ENOSPC, "x", "models/model.safetensors", None, "data/.checkpoint.partial/model"))
    assert str(line).startswith("error: data/.checkpoint.partial/model: No space left on device; ")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("malloc of size 64 failed"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        ImportError("libtorch.so: failed to map segment from shared object"),
    ],
)
def test_want_of_memory_is_named_with_what_lowers_it(error: Exception) -> None:
    with pytest.raises(SystemExit) as caught:
        console.run(raising(error), lowers_memory="lower train.micro_batch_size")
    line = str(caught.value.code)
    assert line.startswith("error: out of memory (")
    assert line.endswith(
        "; lower train.micro_batch_size, or give this process more: see `ulimit -v`, and what else runs"
    )
    assert len(line.splitlines()) == 1


IMPORTING = """
import os, signal, sys
from spanline.common import console
console.guard_imports()
os.kill(os.getpid(), signal.SIGINT)  # as a library is imported
raise AssertionError("it went on")
"""


@pytest.mark.parametrize("ignored", [False, True])
def test_ctrl_c_while_libraries_are_imported_is_a_line(ignored: bool) -> None:
    handler = "SIG_IGN" if ignored else "default_int_handler"  # whatever started these tests, which may ignore it
    code = f"import signal; signal.signal(signal.SIGINT, signal.{handler})" + IMPORTING
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, "Traceback" in result.stderr) == ((1, True) if ignored else (130, False))
    assert ignored or result.stderr == "interrupted\n"


def test_the_shells_view() -> None:
    code = "from spanline.common import console, errors\n"
    code += "def main(): raise errors.SpanlineError('a', 'b', 'c')\nconsole.run(main)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "error: a: b; c\n")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0.0 s"),
        (3.24, "3.2 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (250.4, "4 min 10 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert console.duration(seconds) == expected


def test_progress_speaks_every_few_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Progress("featurize", 130_319, "questions", 5.0)
    for moved_s, count in ((4.9, 4000), (0.1, 4000), (4.0, 1000), (1.0, 3000)):
        clock.now_s += moved_s
        progress.add(count)
    assert capsys.readouterr().err.splitlines() == [
        "featurize  8,000/130,319 questions  1,600 questions/s  1 min 16 s left",
        "featurize  12,000/130,319 questions  1,200 questions/s  1 min 39 s left",
    ]


def test_progress_without_an_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Progress("download", None, "MB", 1.0)
    clock.now_s += 4
    progress.add(2)
    assert capsys.readouterr().err == "download  2 MB  0.5 MB/s\n"


def test_progress_shows_details(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Progress("train", 100, "steps", 1.0)
    clock.now_s += 2
    progress.add(1, "loss 0.812")
    assert capsys.readouterr().err == "train  1/100 steps  loss 0.812  0.5 steps/s  3 min 18 s left\n"


def test_what_an_earlier_run_did_counts_as_done_but_not_as_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = console.Progress("train", 100, "steps", 1.0)
    progress.skip(50)
    clock.now_s += 1
    progress.add(25)
    assert capsys.readouterr().err == "train  75/100 steps  25 steps/s  1.0 s left\n"


def test_time_left_out_slows_nothing_down(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """25 steps in 1 s, 50 s of something else, 25 steps in 1 s: 25 steps/s, and as many seconds left as that takes."""
    progress = console.Progress("train", 100, "steps", 1.0)
    clock.now_s += 1
    progress.add(25)
    clock.now_s += 50
    progress.leave_out(50)
    clock.now_s += 1
    progress.add(25)
    assert capsys.readouterr().err.splitlines() == [
        "train  25/100 steps  25 steps/s  3.0 s left",
        "train  50/100 steps  25 steps/s  2.0 s left",
    ]


def test_nothing_done_yet_has_no_end_in_sight(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Progress("train", 100, "steps", 1.0)
    clock.now_s += 1
    progress.add(0)
    assert capsys.readouterr().err == "train  0/100 steps  0 steps/s\n"
