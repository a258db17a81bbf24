"""What is said of a run: bounded histories that keep the mean, speeds of training alone, shares by their formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spanline.common import console
from spanline.model.distributed import ALONE
from spanline.model.span_model import SpanModel
from spanline.train import plan as plans
from spanline.train import report
from spanline.train.plan import Plan
from spanline.train.state import State
from tests.make.features import make_features
from tests.make.fitting import CPU, QUIET, lengths, params, train


def test_history_is_bounded_and_keeps_the_mean() -> None:
    plan = Plan(np.full(4000, 9), params(epochs=1.3))
    losses = torch.arange(plan.total_steps, dtype=torch.float32)
    rows = report.history(State(None, None, plan.total_steps, losses, losses, {}), plan)  # type: ignore[arg-type]
    assert len(rows) <= plans.MAX_HISTORY_ROWS
    assert rows[0]["step"] == plan.log_every == 3
    assert rows[0]["loss"] == 1.0
    assert rows[-1]["step"] == plan.total_steps
    assert rows[-1]["epoch"] == pytest.approx(1.3)


def test_speeds_have_the_share_of_what_the_machine_can_do(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As though a second had passed, on a machine that does a billion operations in it."""
    monkeypatch.setattr(report, "matmul_flops_per_s", lambda device, precision: 1e9)
    monkeypatch.setattr(report.Clock, "_since_start", lambda clock: (dict(clock._state.counts), 1.0))
    spans, found = train(checkpoint, make_features(lengths(8)), params(), tmp_path)
    assert found.timings["features_per_s"] == found.timings["features"] == 16
    assert found.timings["mfu"] == pytest.approx(flops(spans, lengths(8), epochs=2) / 1e9, abs=1e-4)
    assert found.timings["gflops_per_s"] == pytest.approx(found.timings["mfu"], abs=0.01)


def test_the_measure_of_the_machine_costs_neither_the_run_nor_its_peak(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its matrices are large for a GPU that others use too."""
    peaks = [2**30]

    def measured(*_: Any) -> float:
        peaks.append(2**40)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(report, "matmul_flops_per_s", measured)
    monkeypatch.setattr(report, "peak_memory_bytes", lambda device: peaks[-1])
    timings = train(checkpoint, make_features(lengths(8)), params(), tmp_path)[1].timings
    assert len(peaks) == 2
    assert (timings["mfu"], timings["matmul_gflops_per_s"], timings["peak_memory_mib"]) == (None, None, 1024)


def flops(spans: SpanModel, tokens: list[int], epochs: int) -> float:
    """6 per weight and token, 12 per layer, width and pair of tokens: of two layers, 16 wide."""
    weights = sum(part.numel() for name, part in spans.named_parameters() if "embedding" not in name)
    return epochs * sum(6 * weights * count + 12 * 2 * 16 * count**2 for count in tokens)


class FakeTime:
    """A clock that only this test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_time_spent_on_calibration_is_no_training(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """10 features in 2 s, then 50 s of looking at calibration, then 10 features in 2 s: 5 features/s all along."""
    fake = FakeTime()
    for module in (report, console):
        monkeypatch.setattr(module, "time", fake)
    plan = Plan(np.full(20, 9), params(epochs=1, batch_size=10))
    state = State(None, None, 0, torch.zeros(2), torch.zeros(2), dict.fromkeys(plans.COUNTS, 0))  # type: ignore[arg-type]
    clock = report.Clock(state, plan, QUIET.model_copy(update={"progress_every_s": 1.0}), CPU, ALONE)
    for step in plan.steps(0, ALONE):
        fake.now += 2
        state.finish(step)
        if step.number == 0:
            with clock.stopped():
                fake.now += 50
        clock.tick(len(step.rows))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("  5 features/s" in line for line in lines)
    assert "45 tokens/s" in lines[1]
    monkeypatch.setattr(report, "matmul_flops_per_s", lambda device, precision: 1e9)
    monkeypatch.setattr(report, "_flops", lambda model, counts: 0.0)
    timings = clock.timings()
    assert (timings["elapsed_s"], timings["calibration_elapsed_s"], timings["features_per_s"]) == (4.0, 50.0, 5.0)
