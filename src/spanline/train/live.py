"""What a person watches while a run goes on: its curves in the files that it will end with, and trackers.

The files are the stage's own outputs, because DVC draws what lies at these paths in the work tree: `dvc plots diff`
shows the run beside the last commit's, without a setting. DVC deletes outputs before
a stage starts, so what lies there is of this run. Each file is written anew from the state, which a resume restores: no
row can come twice, and what stands in train_history.csv at any time is the beginning of what will stand there at last.
DVC hashes outputs only when a stage has ended well, so its run cache sees whole files alone.

Trackers get the same rows, each once. What they leave lies in the scratch folder: it holds the time, and is no output.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

from spanline.common.console import say
from spanline.common.errors import SpanlineError
from spanline.common.files import to_csv, to_json, write_text
from spanline.common.memory import raise_if_out_of_memory
from spanline.runtime import TrackerName
from spanline.train.params import TrainParams
from spanline.train.plan import Plan
from spanline.train.report import EPOCH_COLUMNS, HISTORY_COLUMNS, history, result
from spanline.train.state import State

Row = dict[str, Any]


class Watcher(Protocol):
    """Someone who is shown how a run stands."""

    def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
        """All rows so far, as at the end of a run."""

    def close(self) -> None:
        """No more will come."""


class Live:
    """Shows a run to its watchers every few seconds. One that fails is given up: a curve is not worth a run."""

    def __init__(self, watchers: Iterable[Watcher], every_s: float) -> None:
        self._watchers, self._every_s = list(watchers), every_s
        self._last = time.monotonic()

    def update(self, state: State, plan: Plan, at_once: bool) -> None:
        """Call it only where the device may be asked for its numbers, and after at least one step."""
        if not self._watchers or not (at_once or time.monotonic() - self._last >= self._every_s):
            return
        self._last = time.monotonic()
        shown = result(state, plan), history(state, plan), state.epochs
        for watcher in self._watchers.copy():
            try:
                watcher.show(*shown)
            except Exception as error:  # a tracker is a program of its own, with errors of its own
                raise_if_out_of_memory(error)
                say(f"{_name(watcher)} is given up, training goes on without it: {_first_line(error)}")
                self._watchers.remove(watcher)

    def close(self) -> None:
        """To be called also when training fails: what was shown stays."""
        for watcher in self._watchers:
            try:
                watcher.close()
            except Exception as error:
                say(f"{_name(watcher)} did not end well: {_first_line(error)}")


NOBODY = Live((), 0.0)


@dataclass(frozen=True)
class Curves:
    """The three files of a run's numbers, as the stage leaves them."""

    result: Path
    history: Path
    epochs: Path
    head: Literal["kept", "new"]  # where the span head came from

    def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row], is_over: bool = False) -> None:
        """Write them. Before the run is over, a table without rows is left out: DVC would find nothing to draw."""
        write_text(self.result, to_json({**result, "head": self.head}))
        if history or is_over:
            write_text(self.history, csv(HISTORY_COLUMNS, history))
        if epochs or is_over:
            write_text(self.epochs, csv(EPOCH_COLUMNS, epochs))

    def close(self) -> None:
        """Whole already."""


def csv(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    """These columns of the rows."""
    return to_csv(columns, ([row[name] for name in columns] for row in rows))


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


@contextmanager
def watched(
    curves: Curves | None, trackers: Iterable[TrackerName], every_s: float, scratch: Path, key: str, p: TrainParams
) -> Iterator[Live]:
    """A run's watchers, closed at the end of the block however it ends. `key` names the run's configuration."""
    watchers: list[Watcher] = [curves] if curves else []
    live = Live(watchers, every_s)
    try:
        watchers += [_start(name, scratch, key, p) for name in dict.fromkeys(trackers)]
        live = Live(watchers, every_s)
        yield live
    finally:
        live.close()


def _start(name: TrackerName, scratch: Path, key: str, p: TrainParams) -> Tracker:
    make = {"tensorboard": _tensorboard, "wandb": _wandb}[name]
    try:
        return make(scratch / name, key, p)
    except Exception as error:
        hint = "; without a network: WANDB_MODE=offline" if name == "wandb" else ""
        what = f"'runtime.trackers': {name} does not start ({_first_line(error)})"
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


def _name(watcher: Watcher) -> str:
    return watcher.name if isinstance(watcher, Tracker) else "the live view of metrics/"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
