"""What a person watches while a run goes on: its curves in the files that it will end with, and trackers.

The files are the stage's own outputs, because DVC draws what lies at these paths in the work tree: `dvc plots diff`
shows the run beside the last commit's, without a setting. DVC deletes outputs before a stage starts, so what lies there
is of this run. Each file is written anew from the state, which a resume restores: no row can come twice, and what
stands in train_history.csv at any time is the beginning of what will stand there at last. DVC hashes outputs only when
a stage has ended well, so its run cache sees whole files alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from spanline.common.console import say
from spanline.common.files import to_csv, to_json, write_text
from spanline.common.memory import raise_if_out_of_memory
from spanline.runtime import TrackerName
from spanline.train.params import TrainParams
from spanline.train.plan import Plan
from spanline.train.report import EPOCH_COLUMNS, HISTORY_COLUMNS, history, result
from spanline.train.state import State
from spanline.train.watching import trackers
from spanline.train.watching.trackers import Row, first_line


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
                say(f"{_name(watcher)} is given up, training goes on without it: {first_line(error)}")
                self._watchers.remove(watcher)

    def close(self) -> None:
        """To be called also when training fails: what was shown stays."""
        for watcher in self._watchers:
            try:
                watcher.close()
            except Exception as error:
                say(f"{_name(watcher)} did not end well: {first_line(error)}")


NOBODY = Live((), 0.0)


@dataclass(frozen=True)
class Curves:
    """The three files of a run's numbers, as the stage leaves them."""

    result: Path
    history: Path
    epochs: Path
    head: Literal["kept", "new"]  # where the span head came from

    def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
        """Write them, also a table without a row yet: in the place of a missing file DVC would draw the last run's."""
        write_text(self.result, to_json({**result, "head": self.head}))
        write_text(self.epochs, csv(EPOCH_COLUMNS, epochs))
        write_text(self.history, csv(HISTORY_COLUMNS, history))

    def close(self) -> None:
        """Whole already."""


def csv(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    """These columns of the rows."""
    return to_csv(columns, ([row[name] for name in columns] for row in rows))


@contextmanager
def watched(
    curves: Curves | None, names: Iterable[TrackerName], every_s: float, scratch: Path, key: str, p: TrainParams
) -> Iterator[Live]:
    """A run's watchers, closed at the end of the block however it ends. `key` names the run's configuration."""
    watchers: list[Watcher] = [curves] if curves else []
    live = Live(watchers, every_s)
    try:
        watchers += [trackers.start(name, scratch, key, p) for name in dict.fromkeys(names)]
        live = Live(watchers, every_s)
        yield live
    finally:
        live.close()


def _name(watcher: Watcher) -> str:
    return getattr(watcher, "name", "the live view of metrics/")
