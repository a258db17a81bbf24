"""What `dvc repro` and `dvc status` cost when there is nothing to do, against an empty pipeline of as many stages.

Usage: python -m benchmarks.noop --project . (up to date, after `dvc repro`)
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.machine import alternate, facts, show

COMMANDS = {"dvc repro": ["dvc", "repro"], "dvc status": ["dvc", "status"]}


def make_empty(folder: Path, num_stages: int) -> None:
    """A chain of stages, each of which copies one line: the least that DVC tracks."""
    lines = ["stages:"]
    for number in range(num_stages):
        lines += [
            f"  s{number}:",
            f"    cmd: cp {number}.txt {number + 1}.txt",
            f"    deps: [{number}.txt]",
            f"    outs: [{number + 1}.txt]",
        ]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    (folder / "0.txt").write_text("one line\n")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "config", "core.analytics", "false"]):
        subprocess.run(command, cwd=folder, check=True)
    subprocess.run(["dvc", "repro", "-q"], cwd=folder, check=True)


def run(folder: Path, command: list[str]) -> None:
    """A command that must find nothing to do."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode or "up to date" not in done.stdout:
        raise SystemExit(f"{folder}: `{' '.join(command)}` finds something to do; run dvc repro first\n{done.stdout}")


def count_stages(project: Path) -> int:
    listed = subprocess.run(["dvc", "stage", "list", "--names-only"], cwd=project, capture_output=True, text=True)
    return len(listed.stdout.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(), help="clone in which everything is up to date")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each way; the median counts")
    args = parser.parse_args()
    num_stages = count_stages(args.project)
    rows = [["", "empty, s", "spanline, s", "ratio"]]
    record: dict[str, float | int | str] = {"num_stages": num_stages}
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        make_empty(empty, num_stages)
        for label, command in COMMANDS.items():
            ways: list[Callable[[], None]] = [partial(run, folder, command) for folder in (empty, args.project)]
            (least_s, ours_s), _ = alternate(ways, args.repeats)
            rows.append([label, f"{least_s:.2f}", f"{ours_s:.2f}", f"{ours_s / least_s:.2f}"])
            record |= {f"{label} empty_s": least_s, f"{label} s": ours_s, f"{label} ratio": ours_s / least_s}
    show(rows, record | facts("dvc"))


if __name__ == "__main__":
    main()
