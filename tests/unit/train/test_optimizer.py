"""The learning rate by step, and which parameters decay."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from spanline.train import optimizer


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_rises_to_its_peak_and_falls_without_reaching_zero(schedule: optimizer.Schedule) -> None:
    factors = [optimizer.factor(step, 100, 10, schedule) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[9] == factors[10] == max(factors) == 1
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[10:]))
    assert factors[-1] > 0
    assert factors[55] == pytest.approx(0.5)  # halfway through the decay, for both


def test_linear_falls_in_equal_parts() -> None:
    assert [optimizer.factor(step, 4, 0, "linear") for step in range(4)] == [1, 0.75, 0.5, 0.25]


def test_all_steps_may_be_warm_up() -> None:
    assert [optimizer.factor(step, 2, 2, "linear") for step in range(2)] == [0.5, 1]


def test_only_matrices_decay() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    adamw = optimizer.adamw(model, 0.1, (0.9, 0.999), 1e-8, 0.01)
    decaying, rest = adamw.param_groups
    assert [p.shape for p in decaying["params"]] == [(5, 4), (2, 4)]
    assert [p.shape for p in rest["params"]] == [(4,), (4,), (2,)]
    assert (decaying["weight_decay"], rest["weight_decay"]) == (0.01, 0)


def test_equals_torch_s_plain_adamw() -> None:
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    fused = optimizer.adamw(ours, 0.0, (0.9, 0.99), 1e-6, 0.1)
    optimizer.set_learning_rate(fused, 0.05)
    groups = [{"params": [theirs.weight]}, {"params": [theirs.bias], "weight_decay": 0.0}]
    plain = torch.optim.AdamW(groups, lr=0.05, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1, foreach=False)
    for _ in range(3):
        for model, stepper in ((ours, fused), (theirs, plain)):
            stepper.zero_grad()
            model(torch.arange(6.0).view(2, 3)).square().sum().backward()
            stepper.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
