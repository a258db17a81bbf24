"""What a number must have beside it: processor, versions, commit and date; and how times are taken and shown."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
T = TypeVar("T")
SAMPLE_EVERY_S = 0.1


def facts(*packages: str) -> dict[str, Any]:
    """Processor, versions of Python and `packages`, commit, date."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python -m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    """Short hash, with + when tracked files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=ROOT, capture_output=True, text=True
    )
    return found.stdout.strip() or "unknown"


def alternate(runs: Sequence[Callable[[], T]], repeats: int) -> tuple[list[float], list[T]]:
    """Median seconds and last result of each of `runs`, taken in turn, so that all meet the same other load.

    Garbage is collected between the runs and not during them, as in `timeit`.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    results: dict[int, T] = {}
    for _ in range(repeats):
        for number, run in enumerate(runs):
            gc.collect()
            gc.disable()
            started = time.perf_counter()
            results[number] = run()
            seconds[number].append(time.perf_counter() - started)
            gc.enable()
    return [statistics.median(times) for times in seconds], [results[number] for number in range(len(runs))]


@dataclass(frozen=True)
class Usage:
    """What a command used."""

    seconds: float
    peak_bytes: int  # proportional set size of its processes together, sampled


def measure(command: Sequence[str]) -> Usage:
    """Run a command in the project's root; CalledProcessError, with what it said, when it fails."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said) as process:
            peak = 0
            while process.poll() is None:
                peak = max(peak, memory(process.pid))
                time.sleep(SAMPLE_EVERY_S)
        seconds = time.perf_counter() - started
        said.seek(0)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, said.read())
    return Usage(seconds, peak)


def memory(pid: int) -> int:
    """Bytes of a process and its descendants, pages that several share counted once (Linux)."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has just ended
        return 0
    own = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(memory(int(child)) for child in children)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]))
    return "\n".join(lines)


def show(rows: Sequence[Sequence[str]], record: dict[str, Any]) -> None:
    """The table for people and one line of JSON for files."""
    print(table(rows))
    print(json.dumps(record, ensure_ascii=False))
