"""Run the pipeline with an eye on each stage's time and memory, and put a run's evidence into a folder for git.

Usage: python -m benchmarks.evidence results/NAME [--project CLONE] [what dvc repro is told]

In the folder, afterwards: params.yaml (what differs from the last commit's), stages.csv, run.json (machine, versions,
commit, checksums of the outputs) and the run's small files: scores, curves, slices. A run that was stopped goes on by
the same command. stages.csv adds up what a stage took over its runs, and has its highest peak; a stage that did not run
now keeps the row that it had.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import ROOT, facts, memory, table
from spanline.common.params import read_yaml

COPIES = (
    "metrics/validation.json",
    "metrics/scores.json",
    "metrics/train.json",
    "metrics/train_history.csv",
    "metrics/train_epochs.csv",
    "metrics/slices.csv",
    "data/calibration.json",
    "data/squad/dataset.json",
)
STAGES = "stages.csv"
SAMPLE_EVERY_S = 0.5
RUNNING = "Running stage '"


@dataclass
class Row:
    """What a stage took."""

    seconds: float = 0.0
    peak_bytes: int = 0  # of its processes together, pages that several share counted once; sampled


class Watch:
    """Rows of stages.csv while `dvc repro` runs: what it prints says which stage is on."""

    def __init__(self, known: dict[str, Row]) -> None:
        self.rows = known
        self._stage: str | None = None
        self._started = 0.0

    def line(self, text: str, now: float) -> None:
        """One line of what `dvc repro` prints, at `now` seconds."""
        if text.startswith(RUNNING):
            self.end(now)
            self._stage, self._started = text[len(RUNNING) :].split("'")[0], now
            self.rows.setdefault(self._stage, Row())
        elif text.startswith("Updating lock file"):
            self.end(now)

    def sample(self, used: int) -> None:
        if self._stage is not None:
            row = self.rows[self._stage]
            row.peak_bytes = max(row.peak_bytes, used)

    def end(self, now: float) -> None:
        """No stage is on any more."""
        if self._stage is not None:
            self.rows[self._stage].seconds += now - self._started
        self._stage = None


def read_rows(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {
            row["stage"]: Row(float(row["seconds"]), round(float(row["peak_mib"]) * 2**20))
            for row in csv.DictReader(file)
        }


def write_rows(path: Path, rows: dict[str, Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["stage", "seconds", "peak_mib"])
        for name, row in rows.items():
            writer.writerow([name, f"{row.seconds:.1f}", f"{row.peak_bytes / 2**20:.0f}"])


def repro(project: Path, arguments: list[str], watch: Watch) -> int:
    """`dvc repro`, its lines passed on; the exit code. SIGTERM and Ctrl-C go to it, and it ends as it does then."""
    process = subprocess.Popen(
        ["dvc", "repro", *arguments], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _pass_on(process, number))
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            watch.sample(sum(memory(int(child)) for child in _children(process.pid)))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    assert process.stdout is not None
    for text in process.stdout:
        sys.stderr.write(text)
        sys.stderr.flush()
        watch.line(text, time.monotonic())
    code = process.wait()
    over.set()
    sampler.join()
    watch.end(time.monotonic())
    return code


def _pass_on(process: subprocess.Popen[str], number: int) -> None:
    for pid in [*_descendants(process.pid), process.pid]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    found = [int(child) for child in _children(pid)]
    return [*found, *(below for child in found for below in _descendants(child))]


def differences(params: Any, default: Any) -> Any:
    """The leaves of `params` that `default` has otherwise, in their sections; the folder of a path is left out."""
    changed: dict[str, Any] = {}
    for key, value in params.items():
        if key not in default or value != default[key]:
            is_section = isinstance(value, dict) and isinstance(default.get(key), dict)
            changed[key] = differences(value, default[key]) if is_section else value
            if key == "path" and "/" in str(value) and "://" not in str(value):
                changed[key] = Path(value).name
    return changed


def collect(project: Path, out: Path) -> dict[str, Any]:
    """Copy the run's small files, write params.yaml and run.json; the latter's content."""
    for name in COPIES:
        shutil.copy(project / name, out / Path(name).name)
    committed = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=project, capture_output=True, check=True)
    default = out / ".default.yaml"
    default.write_bytes(committed.stdout)
    changed = differences(read_yaml(project / "params.yaml"), read_yaml(default))
    default.unlink()
    (out / "params.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    memory_kb = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    flags = Path("/proc/cpuinfo").read_text().split()
    lock = read_yaml(project / "dvc.lock")
    record = {
        **facts("torch", "transformers", "tokenizers", "numpy", "pyarrow", "dvc"),
        "instructions": [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags],
        "memory_gib": round(int(memory_kb) / 2**20, 1),
        "outputs": {
            f"{entry['path']}": entry["md5"] for stage in lock["stages"].values() for entry in stage.get("outs", [])
        },
    }
    timings = project / "metrics/runtime/train.json"
    if timings.exists():
        record["train"] = json.loads(timings.read_text())
    (out / "run.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the evidence, such as results/NAME")
    parser.add_argument("--project", type=Path, default=ROOT, help="clone in which the pipeline runs")
    args, arguments = parser.parse_known_args()
    args.out.mkdir(parents=True, exist_ok=True)
    watch = Watch(read_rows(args.out / STAGES))
    code = repro(args.project, arguments, watch)
    write_rows(args.out / STAGES, watch.rows)
    if code:
        raise SystemExit(code)
    collect(args.project, args.out)
    print(table([["stage", "s", "MiB"], *_shown(watch.rows)]))


def _shown(rows: dict[str, Row]) -> list[list[str]]:
    return [[name, f"{row.seconds:,.1f}", f"{row.peak_bytes / 2**20:,.0f}"] for name, row in rows.items()]


if __name__ == "__main__":
    main()
