"""What a person sees: log lines and progress on stderr, and the user's mistakes as one line with exit code 1.

This is the only module that prints.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType

from spanline.common.errors import SpanlineError
from spanline.common.memory import is_out_of_memory

INTERRUPTED = 130  # as the shell has it for Ctrl-C


def say(text: str) -> None:
    """Print one line to stderr. Of several processes that torchrun started, the first speaks for all."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)


# Functions that raise SpanlineError when a result must not count: of a stage, stages/__init__.py puts them here.
last_checks: list[Callable[[], None]] = []


def check() -> None:
    """The last checks, before something is thrown away that a repeated run would want, and at the end."""
    for last_check in last_checks:
        last_check()


def run(main: Callable[[], None], lowers_memory: str = "") -> None:
    """Run a stage's `main`; a SpanlineError, a full disk or want of memory ends in one line and exit 1, Ctrl-C in exit
    130. `lowers_memory` is what to do about the latter, such as "set predict.tokens_per_batch lower"."""
    started = time.monotonic()
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _refuse_path(main)
        main()
        check()
    except SpanlineError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if is_out_of_memory(error):
            sys.exit(_memory_line(error, lowers_memory))
        if isinstance(error, OSError):
            sys.exit(_os_error_line(error))
        raise
    say(f"done in {duration(time.monotonic() - started)}")


def _refuse_path(main: Callable[[], None]) -> None:
    """`python stages/score.py` would find some other folder's `spanline`: a program is started by its module's name."""
    names = getattr(main, "__globals__", {})
    if "__file__" in names and names.get("__name__") == "__main__" and names.get("__spec__") is None:
        path = Path(names["__file__"])
        what = "was started by its path, so that it may run another folder's code"
        raise SpanlineError(path, what, f"start it from the root: python -m {path.parent.name}.{path.stem}")


def guard_imports() -> None:
    """From here to `run`: Ctrl-C and want of memory end in a line, too, while libraries are imported, which takes
    seconds. An exception would not do for Ctrl-C: extension modules turn one into an ImportError."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as by nohup
        signal.signal(signal.SIGINT, _leave)
    traceback = sys.excepthook

    def line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if is_out_of_memory(error):
            print(_memory_line(error, ""), file=sys.stderr)
        else:
            traceback(kind, error, trace)

    sys.excepthook = line


def _leave(number: int, frame: FrameType | None) -> None:
    say("interrupted")
    os._exit(INTERRUPTED)


def _memory_line(error: BaseException, todo: str) -> str:
    lines = str(error).strip().splitlines()
    detail = f" ({lines[0]})" if lines else ""
    more = "give this process more: see `ulimit -v`, and what else runs"
    return f"error: out of memory{detail}; {todo}, or {more}" if todo else f"error: out of memory{detail}; {more}"


def _os_error_line(error: OSError) -> str:
    """One line for what the machine refuses; anything else about files keeps its traceback, it may be our bug."""
    path = "check the path, and run again"
    hints = {
        errno.ENOSPC: "free some space and run again; nothing half-written was kept",
        errno.EDQUOT: "free some of your quota and run again; nothing half-written was kept",
        errno.EACCES: "give yourself access and run again",
        errno.EPERM: "give yourself access and run again",
        errno.EROFS: "write somewhere else or remount, and run again",
        errno.EFBIG: "raise the limit on file sizes (`ulimit -f`) and run again",
        errno.EMFILE: "raise the limit on open files (`ulimit -n`) and run again",
        errno.EIO: "the disk or the network can't read or write it: check that, and run again",
        errno.ENOENT: "check the path; under DVC, run `dvc repro` so that earlier stages make it, or `dvc pull`",
        **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO), path),
    }
    if error.errno not in hints:
        raise error
    no_room = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a copy's two files the second one's disk
    file = (error.filename2 if no_room else None) or error.filename or "disk"
    return f"error: {file}: {os.strerror(error.errno)}; {hints[error.errno]}"


def duration(seconds: float) -> str:
    """3.2 s, 4 min 10 s or 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """A progress line every few seconds: `featurize  12,000/130,319 questions  4,100 questions/s  29 s left`."""

    def __init__(self, label: str, total: int | None, unit: str, every_s: float) -> None:
        self._label, self._total, self._unit, self._every_s = label, total, unit, every_s
        self._done, self._at_start = 0, 0
        self._started = self._last = time.monotonic()

    def skip(self, done: int) -> None:
        """Count what an earlier run had finished: shown as done, left out of the speed."""
        self._done = self._at_start = done

    def leave_out(self, seconds: float) -> None:
        """Count so many seconds of the past as no part of the work: they are left out of the speed."""
        self._started += seconds

    def add(self, count: int, details: str = "") -> None:
        """Count `count` more units; print a line if the last one is more than `every_s` seconds old."""
        self._done += count
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            say(self._line(now - self._started, details))

    def _line(self, elapsed_s: float, details: str) -> str:
        speed = (self._done - self._at_start) / max(elapsed_s, 1e-9)
        parts = [self._label, f"{self._done:,}" + (f"/{self._total:,}" if self._total else "") + f" {self._unit}"]
        parts += [details] if details else []
        parts.append(f"{speed:,.0f} {self._unit}/s" if speed >= 10 else f"{speed:.2g} {self._unit}/s")
        if self._total and speed > 0:
            parts.append(f"{duration((self._total - self._done) / speed)} left")
        return "  ".join(parts)
