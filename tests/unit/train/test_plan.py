"""What each step takes: every feature once per epoch, shared out over the processes, counted over all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spanline.model.distributed import ALONE, Group
from spanline.train.plan import Plan
from tests.make.features import make_features
from tests.make.fitting import lengths, params, train


@pytest.mark.parametrize(("epochs", "steps", "count"), [(1, 6, 22), (0.5, 3, None), (2.5, 15, None), (0.01, 1, None)])
def test_plan_counts_what_is_done(
    epochs: float, steps: int, count: int | None, checkpoint: Path, tmp_path: Path
) -> None:
    data, p = make_features(lengths(22)), params(epochs=epochs)
    plan = Plan(data.lengths, p)
    assert plan.total_steps == steps
    _, report = train(checkpoint, data, p, tmp_path)
    assert report.result["features"] == plan.num_features == sum(len(plan.rows(step)) for step in range(steps))
    assert report.result["tokens"] == sum(int(data.lengths[plan.rows(step)].sum()) for step in range(steps))
    assert count in (None, plan.num_features)
    assert report.history[-1]["step"] == steps


@pytest.mark.parametrize(("processes", "micro_batch_size"), [(1, 8), (1, 3), (2, 2), (3, 1), (5, 4)])
def test_a_step_is_shared_out_and_counted_over_all_processes(processes: int, micro_batch_size: int) -> None:
    """22 features in batches of 4, against a plain computation. With five processes one of them gets no feature, and
    takes part with weight 0."""
    given = np.array(lengths(22))
    plan = Plan(given, params(batch_size=4, micro_batch_size=micro_batch_size))
    for number in range(plan.total_steps):
        steps = [plan.step(number, Group(rank, processes)) for rank in range(processes)]
        rows = plan.rows(number).tolist()
        shares = [rows[rank::processes] for rank in range(processes)]  # each gets short and long features
        in_order = [[row for part in step.micro_batches for row in part.tolist()] for step in steps]
        assert in_order == [share or rows[:1] for share in shares]
        sizes = [[len(part) for part in step.micro_batches] for step in steps]
        assert sizes == [micro_batch_sizes(max(len(share), 1), micro_batch_size) for share in shares]
        assert [step.loss_share for step in steps] == [1 / len(rows) if share else 0.0 for share in shares]
        assert sum(step.loss_share * sum(map(len, step.micro_batches)) for step in steps) == pytest.approx(1)
        own = [part for step, share in zip(steps, shares, strict=True) if share for part in step.micro_batches]
        padded = sum(int(given[part].max()) * len(part) for part in own)
        expected = {
            "features": len(rows),
            "tokens": int(given[rows].sum()),
            "padded_tokens": padded,
            "squared_lengths": int((given[rows] ** 2).sum()),
        }
        assert [step.counts for step in steps] == [expected] * processes
        assert len({step.seed for step in steps}) == processes


def micro_batch_sizes(count: int, size: int) -> list[int]:
    """`count` features in full micro-batches of `size`, then the rest."""
    return [size] * (count // size) + ([count % size] if count % size else [])


def test_the_last_step_of_an_epoch_and_of_the_run() -> None:
    plan = Plan(np.array(lengths(22)), params(batch_size=4, epochs=2.5))
    last = [step.number for step in plan.steps(0, ALONE) if step.is_last_of_epoch]
    assert (plan.steps_per_epoch, last) == (6, [5, 11, 14])


def test_steps_go_on_from_any_number() -> None:
    plan = Plan(np.array(lengths(22)), params())
    whole = [(step.number, step.rows.tolist(), step.learning_rate, step.seed) for step in plan.steps(0, ALONE)]
    rest = [(step.number, step.rows.tolist(), step.learning_rate, step.seed) for step in plan.steps(7, ALONE)]
    assert rest == whole[7:]
