"""TensorBoard and Weights & Biases, for whoever wants to look at a run there.

They get the rows of a run's files, each once. What they leave lies in the scratch folder: it holds the time, and is no
output.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spanline.common.errors import SpanlineError
from spanline.runtime import TrackerName
from spanline.train.params import TrainParams

Row = dict[str, Any]


@dataclass
class Tracker:
    """Hands each row on once, in the order of the steps. `log` gets a step and its numbers."""

    name: TrackerName
    log: Callable[[int, dict[str, float]], None]
    end: Callable[[], None]
    _num_sent: dict[str, int] = field(default_factory=lambda: {"history": 0, "epochs": 0})

    def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
        """Of equal steps the one of the history goes first."""
        new = [*history[self._num_sent["history"] :], *epochs[self._num_sent["epochs"] :]]
        self._num_sent = {"history": len(history), "epochs": len(epochs)}
        for row in sorted(new, key=lambda row: int(row["step"])):
            self.log(row["step"], {name: value for name, value in row.items() if name != "step"})

    def close(self) -> None:
        """Flush."""
        self.end()


def refuse_missing(trackers: Iterable[TrackerName]) -> None:
    """SpanlineError for a tracker that is not installed."""
    for name in trackers:
        try:
            version(name)
        except PackageNotFoundError:
            todo = f"pip install {name}, or take it out of the list"
            raise SpanlineError("params.yaml", f"'runtime.trackers' has {name}, which is not installed", todo) from None


def start(name: TrackerName, scratch: Path, key: str, p: TrainParams) -> Tracker:
    """A tracker that is ready for rows; SpanlineError where it does not start. `key` names the run's configuration."""
    make = {"tensorboard": _tensorboard, "wandb": _wandb}[name]
    try:
        return make(scratch / name, key, p)
    except Exception as error:
        hint = "; without a network: WANDB_MODE=offline" if name == "wandb" else ""
        what = f"'runtime.trackers': {name} does not start ({first_line(error)})"
        raise SpanlineError("params.yaml", what, f"mend that or take it out of the list{hint}") from None


def _run_name(key: str) -> str:
    """DVC's name of the experiment, if this is one."""
    return "-".join(part for part in (os.environ.get("DVC_EXP_NAME"), key) if part)


def _tensorboard(folder: Path, key: str, p: TrainParams) -> Tracker:
    """A resumed run sends all its rows again, so the file of the process before it goes."""
    from torch.utils.tensorboard import SummaryWriter

    folder = folder / _run_name(key)
    shutil.rmtree(folder, ignore_errors=True)
    writer: Any = SummaryWriter(folder)

    def log(step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return Tracker("tensorboard", log, writer.close)


def _wandb(folder: Path, key: str, p: TrainParams) -> Tracker:
    """A resumed run keeps its id. Online it sends what W&B does not have yet; an offline run cannot know what an
    earlier process wrote, so its folder holds all rows."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    run: Any = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or "spanline",
        id=key,
        name=_run_name(key),
        dir=folder.parent,  # wandb makes a folder wandb in it
        config=p.model_dump(),
        resume="allow",
        settings=wandb.Settings(console="off", silent=True),
    )
    first = run.step  # of a resumed run the one after the last that W&B has, else 0

    def log(step: int, numbers: dict[str, float]) -> None:
        if step >= first:
            run.log(numbers, step=step)

    return Tracker("wandb", log, run.finish)


def first_line(error: Exception) -> str:
    """Of a library's message; its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
