"""The state comes back as it was saved, counts the steps made, and is saved when it is time or when a signal asks."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline.model import resume, span_model
from spanline.model.distributed import ALONE, Group
from spanline.train import state as states
from spanline.train.plan import COUNTS, Plan
from spanline.train.state import Saver, State, new_state
from tests.make.fitting import CPU, QUIET, lengths, params

EVERY_10_MIN = QUIET.model_copy(update={"checkpoint_every_min": 10.0})


def fresh(checkpoint: Path, seed: int = 17) -> State:
    return new_state(span_model.pretrained(checkpoint, seed, 0.0), params(), 4, CPU)


def update(state: State) -> None:
    """One step of the optimizer, with made-up gradients."""
    for parameter in state.model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    state.optimizer.step()


def test_a_new_state_has_done_nothing(checkpoint: Path) -> None:
    state = fresh(checkpoint)
    assert (state.step, state.counts, state.epochs, state.best) == (0, dict.fromkeys(COUNTS, 0), [], {})
    assert state.loss_S.tolist() == state.grad_norm_S.tolist() == [0.0] * 4
    state.loss_S[0] = 1.0
    assert state.grad_norm_S[0] == 0  # a tensor of its own


def test_what_is_saved_comes_back(checkpoint: Path, tmp_path: Path) -> None:
    state = fresh(checkpoint)
    update(state)
    state.step, state.counts = 2, {"features": 8, "tokens": 90, "padded_tokens": 99, "squared_lengths": 1200}
    state.loss_S[:2], state.grad_norm_S[:2] = torch.tensor([3.0, 2.0]), torch.tensor([0.5, 0.25])
    state.epochs = [{"epoch": 1.0, "step": 2, "calibration_token_f1": 0.5}]
    state.best = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    resume.save(tmp_path, 2, state.saved())
    saved = resume.load(tmp_path)
    assert saved is not None
    other = fresh(checkpoint, seed=18)
    other.restore(saved, CPU)
    for both in (state, other):  # the optimizer too goes on as it would have
        update(both)
    assert set(other.saved()) == set(state.saved())
    for name, value in state.saved().items():
        torch.testing.assert_close(other.saved()[name], value, atol=0, rtol=0)


def test_steps_are_counted_one_after_the_other(checkpoint: Path) -> None:
    state = fresh(checkpoint)
    given = np.array(lengths(10))
    steps = list(Plan(given, params(batch_size=5, epochs=1)).steps(0, ALONE))
    for step in steps:
        state.finish(step)
    assert state.step == len(steps) == 2
    assert state.counts == {name: sum(step.counts[name] for step in steps) for name in COUNTS}
    assert (state.counts["features"], state.counts["tokens"]) == (10, given.sum())


class FakeTime:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(states, "time", fake)
    return fake


def test_saved_every_so_many_minutes(clock: FakeTime, checkpoint: Path, tmp_path: Path) -> None:
    state = fresh(checkpoint)
    saver = Saver(state, tmp_path / "points", EVERY_10_MIN, resume.Stop(), ALONE)
    for step in (3, 4):
        clock.now_s += 599
        assert not saver.is_due(True)
        clock.now_s += 1
        assert saver.is_due(True)
        state.step = step
        saver.save()
    assert sorted(path.name for path in (tmp_path / "points").iterdir()) == ["000000003.pt", "000000004.pt"]


def test_a_signal_saves_at_once_and_leaves(
    clock: FakeTime, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, stop = fresh(checkpoint), resume.Stop()
    saver = Saver(state, tmp_path, EVERY_10_MIN, stop, ALONE)
    stop.signal, state.step = signal.SIGINT, 1
    assert saver.is_due(False)  # a process alone need not ask
    with pytest.raises(SystemExit) as leaving:
        saver.save()
    assert leaving.value.code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["000000001.pt"]
    line = "stopped after step 1; run the same command again to go on from there\n"
    assert capsys.readouterr().err == line


def test_several_processes_leave_together_and_the_first_saves(
    clock: FakeTime, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process alone has the signal. None looks before it may ask, or they would leave at different steps."""
    stops = [resume.Stop(), resume.Stop()]
    stops[1].signal = signal.SIGTERM

    def total(group: Group, tensor: torch.Tensor) -> None:
        tensor.fill_(sum(stop.signal for stop in stops))

    monkeypatch.setattr(Group, "sum", total)
    folders = [tmp_path / name for name in ("first", "second")]
    savers = [Saver(fresh(checkpoint), folders[rank], EVERY_10_MIN, stops[rank], Group(rank, 2)) for rank in range(2)]
    assert [saver.is_due(False) for saver in savers] == [False, False]
    assert [saver.is_due(True) for saver in savers] == [True, True]
    codes: list[Any] = []
    for saver in savers:
        with pytest.raises(SystemExit) as leaving:
            saver.save()
        codes.append(leaving.value.code)
    assert [folder.exists() for folder in folders] == [True, False]
    assert codes[1] == 143
