"""Run a list of experiments over the GPUs of this machine, each on a free one, until all have run or failed.

A line of the list is a name and what `dvc exp run` is told: `fast -S train.learning_rate=3.0e-4`. Each experiment runs
in a clone of its own of the last commit, with this clone's cache, and comes back as `dvc exp show` lists it. DVC's own
queue gives every worker the same GPUs.

A GPU is free when no run of this tool, by whomever on this machine, has it. Exit 1 when an experiment failed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spanline.common import console
from spanline.common.errors import SpanlineError

LOCKS = Path("/tmp")  # one for all users of the machine
LOOK_AGAIN_S = 1.0  # while all GPUs are taken


@dataclass(frozen=True)
class Experiment:
    """A line of the list."""

    name: str
    arguments: tuple[str, ...]  # of `dvc exp run`


@dataclass(frozen=True)
class Gpu:
    """One that is ours: the lock lasts as long as a process has the file open, so a kill frees it."""

    index: str
    lock: int  # file descriptor


def read_list(path: Path) -> list[Experiment]:
    """Every line but empty ones and comments; names must differ."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SpanlineError(
            path, "there is no such file", "write one: NAME -S section.key=value on each line"
        ) from None
    rows = [row for line in lines if (row := shlex.split(line, comments=True))]
    names = [row[0] for row in rows]
    for name in names:
        if name.startswith("-") or names.count(name) > 1:
            what = "stands where a name should" if name.startswith("-") else "names two experiments"
            raise SpanlineError(path, f"'{name}' {what}", "begin each line with a name of its own")
    return [Experiment(row[0], tuple(row[1:])) for row in rows]


def find_gpus() -> list[str]:
    """Those of CUDA_VISIBLE_DEVICES where it is set, else all that the driver lists."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True).stdout.split() if shutil.which(command[0]) else []
    if not found:
        raise SpanlineError("nvidia-smi", "lists no GPU", "name some with --gpus 0,1")
    return found


@contextmanager
def a_free_gpu(gpus: Sequence[str], locks: Path) -> Iterator[Gpu]:
    """Wait until nobody has one of `gpus`; it is ours until the block ends."""
    while True:
        for index in gpus:
            lock = _open(locks / f"spanline-gpu-{index}.lock")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            try:
                yield Gpu(index, lock)
            finally:
                os.close(lock)
            return
        time.sleep(LOOK_AGAIN_S)


def _open(path: Path) -> int:
    """For reading only, which suffices to lock: the file may be another user's."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o444)


def run(experiment: Experiment, gpu: Gpu, root: Path, folder: Path) -> bool:
    """Run it in a clone under `folder` and fetch its result to `root`; whether it went well. The log stays beside."""
    clone, log = folder / experiment.name, folder / f"{experiment.name}.log"
    shutil.rmtree(clone, ignore_errors=True)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpu.index}
    console.say(f"{experiment.name}: starts on GPU {gpu.index}; its output: {log}")
    with log.open("w", encoding="utf-8") as output:
        for command in _commands(experiment, root, clone):
            done = subprocess.run(
                command,
                cwd=clone if clone.exists() else root,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[gpu.lock],  # the GPU stays taken while this runs, whatever becomes of us
            )
            if done.returncode:
                console.say(f"{experiment.name}: failed on GPU {gpu.index}: `{shlex.join(command)}`, see {log}")
                return False
    shutil.rmtree(clone)
    console.say(f"{experiment.name}: done")
    return True


def _commands(experiment: Experiment, root: Path, clone: Path) -> list[list[str]]:
    cache = subprocess.run(["dvc", "cache", "dir"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    local = root / ".dvc" / "config.local"  # credentials and the like
    return [
        ["git", "clone", "--quiet", str(root), str(clone)],
        *([["cp", str(local), str(clone / ".dvc" / "config.local")]] if local.exists() else []),
        ["dvc", "config", "--local", "cache.dir", str((root / cache).resolve())],
        ["dvc", "checkout", "--quiet", "--allow-missing"],
        ["dvc", "exp", "run", "--name", experiment.name, *experiment.arguments],
        ["dvc", "exp", "push", "--no-cache", "origin", experiment.name],
    ]


def run_all(experiments: Sequence[Experiment], gpus: Sequence[str], root: Path, locks: Path = LOCKS) -> list[str]:
    """As many at a time as there are GPUs; the names of those that failed."""
    folder = root / ".scratch" / "experiments"
    folder.mkdir(parents=True, exist_ok=True)

    def one(experiment: Experiment) -> bool:
        with a_free_gpu(gpus, locks) as gpu:
            return run(experiment, gpu, root, folder)

    with ThreadPoolExecutor(len(gpus)) as pool:
        went_well = list(pool.map(one, experiments))
    return [experiment.name for experiment, well in zip(experiments, went_well, strict=True) if not well]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path, help="text file: NAME and the arguments of `dvc exp run`, a line each; in")
    parser.add_argument("--gpus", help="such as 0,1; without it CUDA_VISIBLE_DEVICES or all that nvidia-smi lists")
    parser.add_argument("--locks", type=Path, default=LOCKS, help="folder that all users of the GPUs can write")
    args = parser.parse_args()
    experiments = read_list(args.list)
    gpus = args.gpus.split(",") if args.gpus else find_gpus()
    failed = run_all(experiments, gpus, Path.cwd(), args.locks)
    if failed:
        console.say(f"error: {len(failed)} of {len(experiments)} experiments failed: {', '.join(failed)}")
        sys.exit(1)
    console.say(f"{len(experiments)} experiments done: dvc exp show")


if __name__ == "__main__":
    console.run(main)
