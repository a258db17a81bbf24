"""Section `runtime` of params.yaml: what can't change results. No stage tracks it. And threads, which can't either."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from spanline.common.params import Section

Item = TypeVar("Item")
Result = TypeVar("Result")
TrackerName = Literal["tensorboard", "wandb"]


class Runtime(Section):
    """How a stage runs on this machine; the bytes it writes do not depend on any of these."""

    tracked: ClassVar[bool] = False

    workers: Annotated[int, Field(ge=0)]  # processes, threads or batches at a time; 0 = one per core
    device: str  # auto, cpu, cuda, cuda:1, mps
    progress_every_s: Annotated[float, Field(gt=0)]  # seconds between progress lines, and updates of live curves
    checkpoint_every_min: Annotated[float, Field(gt=0)]  # minutes between resume points of train
    trackers: list[TrackerName]  # who else is shown the curves of train while it runs


def num_cores() -> int:
    """Those that this process may use: a container or taskset may allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`function(item)` for each item, in the items' order, by `workers` threads: for work that numpy and pyarrow do
    without Python's lock. One worker is the caller's own thread."""
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, items)
