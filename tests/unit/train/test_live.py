"""The curves of a run are there while it goes on, each row once, and what stands in a file stays in it."""

from __future__ import annotations

import copy
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spanline.common import params as params_file
from spanline.common.errors import SpanlineError
from spanline.model import resume, span_model
from spanline.model.distributed import ALONE
from spanline.runtime import Runtime
from spanline.train.report import Report
from spanline.train.run import fit
from spanline.train.watching import live, trackers
from spanline.train.watching.live import Curves, Live, Watcher
from spanline.train.watching.trackers import Row, Tracker
from tests.make.features import make_features
from tests.make.fitting import ALWAYS_SAVING, CPU, QUIET, lengths, params
from tests.make.training import RUNTIME


class Note:
    """Keeps all that it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Row, list[Row], list[Row]]] = []
        self.is_closed = False

    def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
        self.seen.append(copy.deepcopy((result, list(history), list(epochs))))

    def close(self) -> None:
        self.is_closed = True


def run(
    checkpoint: Path, points: Path, watchers: list[Watcher], every_s: float = 0.0, runtime: Runtime = QUIET
) -> Report:
    """22 features, six steps per epoch, two epochs."""
    data, p = make_features(lengths(22)), params()
    spans = span_model.pretrained(checkpoint, p.seed, p.dropout)
    return fit(spans, data, data.take(np.arange(4)), p, runtime, CPU, ALONE, points, Live(watchers, every_s))


def test_what_is_shown_is_always_the_beginning_of_the_end(checkpoint: Path, tmp_path: Path) -> None:
    note = Note()
    report = run(checkpoint, tmp_path, [note])
    assert [result["steps"] for result, _, _ in note.seen] == list(range(1, 13))
    assert [len(history) for _, history, _ in note.seen] == list(range(1, 13))
    assert [len(epochs) for _, _, epochs in note.seen] == [0] * 5 + [1] * 6 + [2]
    for _, history, epochs in note.seen:
        assert history == report.history[: len(history)]
        assert epochs == report.epochs[: len(epochs)]
    assert note.seen[-1] == (report.result, report.history, report.epochs)
    assert note.seen[2][0]["final_loss"] == pytest.approx(
        np.mean([row["loss"] for row in report.history[:3]]), rel=1e-5
    )


def test_a_row_that_stands_for_several_steps_is_shown_when_all_are_made(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanline.train.plan.MAX_HISTORY_ROWS", 3)  # four steps per row
    note = Note()
    report = run(checkpoint, tmp_path, [note])
    assert [len(history) for _, history, _ in note.seen] == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    assert note.seen[-1][1] == report.history
    assert [row["step"] for row in report.history] == [4, 8, 12]


def test_between_two_views_some_seconds_pass_but_an_epoch_is_shown_at_once(checkpoint: Path, tmp_path: Path) -> None:
    note = Note()
    run(checkpoint, tmp_path, [note], every_s=1e9)
    assert [result["steps"] for result, _, _ in note.seen] == [6, 12]


class Killed(Exception):
    """Stands for a power cut."""


def test_a_resumed_run_shows_no_row_twice(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after step 9, the last resume point is of step 7. What was shown is the beginning of the whole."""
    straight = curves_in(tmp_path / "straight")
    run(checkpoint, tmp_path / "a", [straight])
    resumed = curves_in(tmp_path / "resumed")

    class Power(Note):
        def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
            if result["steps"] == 9:
                raise KeyboardInterrupt

    save = resume.save
    with monkeypatch.context() as patched:
        patched.setattr(resume, "save", lambda folder, step, state: save(folder, step, state) if step <= 7 else None)
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint, tmp_path / "points", [resumed, Power()], runtime=ALWAYS_SAVING)
    whole = [path.read_text() for path in (straight.history, straight.epochs)]
    killed = [path.read_text() for path in (resumed.history, resumed.epochs)]
    assert [text.count("\n") for text in killed] == [1 + 9, 1 + 1]
    assert all(text.startswith(part) for text, part in zip(whole, killed, strict=True))
    note = Note()
    run(checkpoint, tmp_path / "points", [resumed, note])
    assert [row["step"] for row in note.seen[0][1]] == list(range(1, 9))
    for name in ("result", "history", "epochs"):
        assert getattr(resumed, name).read_bytes() == getattr(straight, name).read_bytes()


def curves_in(folder: Path) -> Curves:
    return Curves(folder / "train.json", folder / "train_history.csv", folder / "train_epochs.csv", "new")


def test_a_table_without_rows_is_there_too(tmp_path: Path) -> None:
    """Else DVC takes the last run's from its cache, and draws it beside this run's curves."""
    curves = curves_in(tmp_path)
    curves.show({"steps": 1}, [], [])
    assert curves.history.read_text() == "step,epoch,loss,learning_rate,grad_norm\n"
    assert curves.epochs.read_text().startswith("epoch,step,calibration_loss")


def test_a_watcher_that_fails_is_given_up_and_the_run_is_not(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Note):
        def show(self, result: Row, history: Sequence[Row], epochs: Sequence[Row]) -> None:
            super().show(result, history, epochs)
            raise ConnectionError("no route\nto anywhere")

    (tmp_path / "file").touch()
    broken, note = Broken(), Note()
    report = run(checkpoint, tmp_path, [broken, curves_in(tmp_path / "file"), note])
    assert (len(broken.seen), len(note.seen)) == (1, 12)
    assert report.result["steps"] == 12
    lines = [line for line in capsys.readouterr().err.splitlines() if "given up" in line]
    assert len(lines) == 2
    assert lines[0].endswith("is given up, training goes on without it: no route")


def test_a_tracker_gets_each_row_once_in_the_order_of_steps(checkpoint: Path, tmp_path: Path) -> None:
    sent: list[tuple[int, dict[str, float]]] = []
    tracker = Tracker("wandb", lambda step, numbers: sent.append((step, numbers)), lambda: None)
    report = run(checkpoint, tmp_path, [tracker])
    assert [step for step, _ in sent] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 12]
    losses = [numbers["loss"] for _, numbers in sent if "loss" in numbers]
    assert losses == [row["loss"] for row in report.history]
    scores = [numbers["calibration_token_f1"] for _, numbers in sent if "calibration_loss" in numbers]
    assert scores == [row["calibration_token_f1"] for row in report.epochs]


def test_watchers_are_closed_also_when_training_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    tracker = Tracker("wandb", lambda step, numbers: None, lambda: ended.append("wandb"))
    monkeypatch.setattr(trackers, "start", lambda *_: tracker)
    with pytest.raises(Killed), live.watched(None, ["wandb", "wandb"], 0.0, tmp_path, "key", params()):
        raise Killed
    assert ended == ["wandb"]


def test_a_tracker_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise trackers.PackageNotFoundError(name)

    monkeypatch.setattr(trackers, "version", absent)
    with pytest.raises(SpanlineError) as caught:
        trackers.refuse_missing(["tensorboard"])
    expected = "params.yaml: 'runtime.trackers' has tensorboard, which is not installed; "
    assert str(caught.value) == expected + "pip install tensorboard, or take it out of the list"
    trackers.refuse_missing([])


def test_an_unknown_tracker_is_one_line() -> None:
    with pytest.raises(SpanlineError) as caught:
        params_file.check(Path("params.yaml"), "runtime", {**RUNTIME, "trackers": ["mlflow"]}, Runtime)
    line = "params.yaml: 'runtime.trackers.0' is 'mlflow', which should be 'tensorboard' or 'wandb'; change it"
    assert str(caught.value) == line


def test_a_tracker_that_does_not_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Tracker:
        raise RuntimeError("no key\nhere")

    monkeypatch.setattr(trackers, "_wandb", refuse)
    expected = pytest.raises(SpanlineError, match=r"wandb does not start \(no key\); mend that .*WANDB_MODE=offline$")
    with expected, live.watched(None, ["wandb"], 0.0, tmp_path, "key", params()):
        pass


TWICE = (  # what a run shows before it is killed, and what the resumed one shows
    ([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5}], []),
    (
        [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5}, {"step": 3, "loss": 1.5}],
        [{"step": 3, "calibration_loss": 1.0}],
    ),
)


def show_twice(name: Any, scratch: Path) -> None:
    for history, epochs in TWICE:
        with live.watched(None, [name], 0.0, scratch, "0123abcd", params()) as watched:
            [watcher] = watched._watchers
            watcher.show({}, history, epochs)


def test_tensorboard_has_each_row_once_also_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("DVC_EXP_NAME", "shy-newt")
    show_twice("tensorboard", tmp_path)
    found = EventAccumulator(str(tmp_path / "tensorboard" / "shy-newt-0123abcd")).Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(1, 3.0), (2, 2.5), (3, 1.5)]
    assert [(event.step, event.value) for event in found.Scalars("calibration_loss")] == [(3, 1.0)]


@pytest.mark.slow
def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the last process holds every row, once."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_X_SERVICE_WAIT", "600")  # a busy machine is no bug
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "600")
    show_twice("wandb", tmp_path)
    deadline, rows = time.monotonic() + 60, []
    while len(rows) < 3 and time.monotonic() < deadline:  # wandb's own process may write on after finish()
        files = tmp_path.glob("wandb/offline-run-*-0123abcd*/run-0123abcd.wandb")
        rows = max((list(wandb_rows(path.read_bytes())) for path in files), key=len)
    assert [(int(row["_step"]), row.get("loss"), row.get("calibration_loss")) for row in rows] == [
        (1, "3", None),
        (2, "2.5", None),
        (3, "1.5", "1"),
    ]


def wandb_rows(content: bytes) -> Iterator[dict[str, str]]:
    """The history in a .wandb file: protobuf records in LevelDB's log format, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    at, record = 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            parsed = wandb_internal_pb2.Record()
            parsed.ParseFromString(record)
            record = b""
            if parsed.WhichOneof("record_type") == "history":
                yield {item.key or ".".join(item.nested_key): item.value_json for item in parsed.history.item}
