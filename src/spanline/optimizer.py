"""AdamW with decay on matrices only, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

Schedule = Literal["linear", "cosine"]


def adamw(
    model: nn.Module, learning_rate: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov & Hutter 2019). Biases and the scales of norms are vectors and don't decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=eps, fused=True)


def factor(step: int, total_steps: int, warmup_steps: int, schedule: Schedule) -> float:
    """The learning rate of update `step` (from 0) as a share of its peak.

    Warm-up rises in equal parts to 1 at its last update; the decay starts at 1 and would reach 0 one update after the
    last: no update is wasted on a rate of 0.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / (total_steps - warmup_steps)
    return 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """For the next update, in every group."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
