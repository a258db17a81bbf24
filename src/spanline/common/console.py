"""What a person sees: log lines and progress on stderr, and the user's mistakes as one line with exit code 1.

This is the only module that prints.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from spanline.common.errors import SpanlineError


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


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a SpanlineError or a full disk ends in one line and exit 1, Ctrl-C in exit 130."""
    started = time.monotonic()
    try:
        _refuse_path(main)
        main()
        check()
    except SpanlineError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except OSError as error:
        sys.exit(_os_error_line(error))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    say(f"done in {duration(time.monotonic() - started)}")


def _refuse_path(main: Callable[[], None]) -> None:
    """`python stages/score.py` would find some other folder's `spanline`: a program is started by its module's name."""
    names = getattr(main, "__globals__", {})
    if "__file__" in names and names.get("__name__") == "__main__" and names.get("__spec__") is None:
        path = Path(names["__file__"])
        what = "was started by its path, so that it may run another folder's code"
        raise SpanlineError(path, what, f"start it from the root: python -m {path.parent.name}.{path.stem}")


def _os_error_line(error: OSError) -> str:
    """One line for what the machine refuses; anything else about files keeps its traceback, it may be our bug."""
    hints = {
        errno.ENOSPC: "free some space and run again; nothing half-written was kept",
        errno.EDQUOT: "free some of your quota and run again; nothing half-written was kept",
        errno.EACCES: "give yourself access and run again",
        errno.EROFS: "write somewhere else or remount, and run again",
        errno.EFBIG: "raise the limit on file sizes (`ulimit -f`) and run again",
        errno.ENOENT: "check the path; under DVC, run `dvc repro` so that earlier stages make it, or `dvc pull`",
    }
    if error.errno not in hints:
        raise error
    return f"error: {error.filename or 'disk'}: {os.strerror(error.errno)}; {hints[error.errno]}"


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
