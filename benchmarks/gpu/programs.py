"""What has been claimed of the train stage as a program: kills, want of memory, torchrun."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu.work import Line, Work, losses, project, random_features, train, train_params
from benchmarks.machine import ROOT
from spanline.common.files import sha256

ARGUMENTS = shlex.split(
    "--features features --calibration calibration --checkpoint checkpoint --out data/model "
    "--metrics metrics/train.json --history metrics/train_history.csv --epochs metrics/train_epochs.csv "
    "--timings metrics/runtime/train.json"
)
# Runs the stage where the device has little memory. A CPU has no limit of its own, so there the error is made up.
LITTLE_MEMORY = """
import runpy, sys, torch
if sys.argv.pop(1) == "cuda":
    torch.cuda.set_per_process_memory_fraction(64 * 2**20 / torch.cuda.get_device_properties(0).total_memory)
else:
    from spanline.train import loop
    def refuse(*_):
        raise torch.OutOfMemoryError("out of memory, made up")
    loop.span_loss = refuse
sys.argv[0] = "stages.train"
runpy.run_module("stages.train", run_name="__main__", alter_sys=True)
"""
RUN_S = 240  # no run takes as long


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """A command in `folder`, with this tree's code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code and the lines of stderr; killed if it takes too long."""
    try:
        _, said = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    return process.returncode, said.splitlines()


def stage(folder: Path) -> tuple[int, list[str]]:
    """The train stage, to its end."""
    return finish(start(folder, "-m", "stages.train", *ARGUMENTS))


def kills(work: Work) -> Iterator[Line]:
    """Two runs, and one that was killed with -9 and went on: the same bytes."""
    changes = {
        "epochs": 4.0,
        "dropout": 0.1,
        "deterministic": True,
        "precision": "bfloat16" if work.on_gpu else "float32",
    }
    straight = project(work, "straight", 1e9, **changes)
    code, said = stage(straight)
    if code:
        yield Line("train as a program", "failed", said[-1] if said else f"exit {code}")
        return
    yield Line("train as a program", "ok", said[-2])
    wanted = sha256(straight / "data/model/model.safetensors")
    killed = project(work, "killed", 1e-9, **changes)
    process = start(killed, "-m", "stages.train", *ARGUMENTS)
    has_point = _wait_for_point(killed, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if not has_point or process.returncode != -signal.SIGKILL:
        yield Line("kill -9, then on to the same bytes", "failed", f"not killed in time: exit {process.returncode}")
        return
    code, said = stage(project(work, "killed", 1e9, **changes))
    went_on = any("going on after step" in line for line in said)
    same = code == 0 and sha256(killed / "data/model/model.safetensors") == wanted
    found = next((line for line in said if "going on" in line), said[-1] if said else "")[:60]
    yield Line("kill -9, then on to the same bytes", "ok" if same and went_on else "failed", found)


def _wait_for_point(folder: Path, process: subprocess.Popen[str]) -> bool:
    """Until a resume point of step 5 or later is on disk."""
    deadline = time.monotonic() + RUN_S
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(path.stem) >= 5 for path in folder.glob(".scratch/train/*/0*.pt")):
            return True
        time.sleep(0.005)
    return False


def memory(work: Work) -> Iterator[Line]:
    """Out of memory is one line that says what to lower."""
    folder = project(work, "memory", 1e9, batch_size=96, micro_batch_size=96)
    code, said = finish(start(folder, "-c", LITTLE_MEMORY, work.device.type, *ARGUMENTS))
    last = said[-1] if said else ""
    good = code == 1 and last.startswith("error: train: out of memory on ") and "train.micro_batch_size" in last
    is_bare = not any("Traceback" in line for line in said)
    yield Line("out of memory is one line", "ok" if good and is_bare else "failed", last[:70])


def several(work: Work) -> Iterator[Line]:
    """torchrun with a process per GPU (two on a CPU): the losses of one process."""
    count = torch.cuda.device_count() if work.on_gpu else 2
    changes = {"epochs": 2.0, "dropout": 0.0, "batch_size": 8, "micro_batch_size": 4}
    folder = project(work, "several", 1e9, **changes)
    path = folder / "params.yaml"
    content = json.loads(path.read_text())
    content["runtime"]["device"] = "auto" if work.on_gpu else "cpu"  # each process its own GPU, whichever was named
    path.write_text(json.dumps(content, indent=1))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count))
    code, said = finish(start(folder, *launcher, "-m", "stages.train", *ARGUMENTS))
    name = f"torchrun, {count} process{'es' if count > 1 else ''}"
    if code:
        yield Line(name, "failed", said[-1] if said else f"exit {code}")
        return
    with (folder / "metrics/train_history.csv").open() as file:
        together = [float(row["loss"]) for row in csv.DictReader(file)]
    alone = losses(train(work, "small", random_features(96, 600, 1, 128), train_params(**changes))[1])
    off = float(np.abs(np.array(together) - np.array(alone)).max())
    yield Line(
        name, "ok" if off < 1e-2 else "failed", f"losses differ by {off:.1e} from one process's", {"processes": count}
    )


PROGRAMS: dict[str, Callable[[Work], Iterator[Line]]] = {"kills": kills, "memory": memory, "torchrun": several}
