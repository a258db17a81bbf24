"""AdamW with decay on matrices only, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import Any, Literal

import torch
from torch import nn

Schedule = Literal["linear", "cosine"]
_LAYER = re.compile(r"\.(?:layers?|\w+_layers?)\.(\d+)\.")  # encoder.layer.3., layers.3., albert_layer_groups.0.


def adamw(
    model: nn.Module,
    learning_rate: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    layer_lr_decay: float = 1.0,
) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov & Hutter 2019). Biases and the scales of norms are vectors and don't decay.

    `layer_lr_decay`: the rate of each layer as a share of that of the layer above it (Howard & Ruder 2018); the head is
    above the last layer, embeddings are below the first.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    depths = _depths([name for name, _ in named])
    groups: dict[tuple[bool, int], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in named:
        below_top = max(depths.values()) - depths[name] if layer_lr_decay != 1.0 else 0
        groups[parameter.ndim < 2, below_top].append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": groups[is_vector, below_top],
            "weight_decay": 0.0 if is_vector else weight_decay,
            "lr_share": layer_lr_decay**below_top,
        }
        for is_vector, below_top in sorted(groups)
    ]
    return torch.optim.AdamW(settings, lr=learning_rate, betas=betas, eps=eps, fused=True)


def _depths(names: list[str]) -> dict[str, int]:
    """0 for embeddings, 1, 2, ... for the encoder's layers, one more for all that is above them."""
    layers = {name: int(match[1]) + 1 for name in names if (match := _LAYER.search(name))}
    top = max(layers.values(), default=0) + 1
    return {name: layers.get(name, 0 if "embedding" in name else top) for name in names}


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
    """For the next update: each group's share of it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["lr_share"]
