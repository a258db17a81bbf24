"""All checks by name, run so that one that fails is a line and not the end."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.gpu.checks import CHECKS
from benchmarks.gpu.programs import PROGRAMS
from benchmarks.gpu.speed import SPEEDS
from benchmarks.gpu.work import Line, Work

ALL = {**CHECKS, **PROGRAMS, **SPEEDS}


def work(device: str, folder: Path, budget_s: float) -> Work:
    """The device and the scratch folder; exits with one line where there is no such device."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("error: benchmarks.gpu: torch sees no CUDA device; --device cpu runs the same code on tiny shapes")
    where = torch.device("cuda:0" if device == "cuda" else device)
    return Work(where, tiny=where.type != "cuda", folder=folder, ends=time.monotonic() + budget_s)


def run(work: Work, name: str) -> Iterator[Line]:
    """The lines of a check. What it says on stderr is left out; an error of any kind is a failed line."""
    if work.is_late():
        yield Line(name, "skipped", "no time left")
        return
    said, lines = io.StringIO(), None
    while True:
        started = time.monotonic()
        try:
            with contextlib.redirect_stderr(said):
                lines = lines or ALL[name](work)
                line = next(lines, None)
        except (Exception, SystemExit) as error:
            text = str(error).strip().splitlines() or [""]
            yield Line(name, "failed", f"{type(error).__name__}: {text[0]}"[:160], {"said": said.getvalue()[-2000:]})
            return
        if line is None:
            return
        yield dataclasses.replace(line, numbers={**line.numbers, "seconds": round(time.monotonic() - started, 2)})


def record(work: Work, lines: list[Line]) -> dict[str, Any]:
    """For files: every number, and the machine."""
    facts = machine.facts("torch", "transformers", "numpy", "pyarrow")
    facts["command"] = " ".join(["python -m benchmarks.gpu", *sys.argv[1:]])
    if work.on_gpu:
        properties = torch.cuda.get_device_properties(work.device)
        facts |= {
            "gpu": properties.name,
            "gpu_memory_mib": properties.total_memory >> 20,
            "gpus": torch.cuda.device_count(),
        }
        facts |= {"cuda": torch.version.cuda, "capability": f"{properties.major}.{properties.minor}"}
    return {"facts": facts, "lines": [dataclasses.asdict(line) for line in lines]}


ROOT = machine.ROOT
