"""What training is to do, by step, and where it stands.

Legend: N features, S steps of the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from spanline import batches
from spanline.device import Precision
from spanline.distributed import Group
from spanline.model import SpanModel
from spanline.optimizer import Schedule, factor
from spanline.params import Section
from spanline.ragged import Ragged

Array = np.ndarray[Any, Any]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

MAX_HISTORY_ROWS = 500
COUNTS = ("features", "tokens", "padded_tokens", "squared_lengths")


class TrainParams(Section):
    """Section `train` of params.yaml."""

    seed: Annotated[int, Field(ge=0)]  # of the order of the features, the new head and dropout
    epochs: Positive  # passes over the train features; 0.5 is half a pass
    batch_size: Count  # features an optimizer step
    micro_batch_size: Count  # features a forward pass; bounds memory, changes results only by rounding
    learning_rate: Positive  # at its peak
    warmup_fraction: Annotated[float, Field(ge=0, le=1)]  # of all steps
    schedule: Schedule  # how the rate falls to 0 after the warm-up
    weight_decay: Annotated[float, Field(ge=0)]  # AdamW's, on matrices only
    max_grad_norm: Positive  # L2 norm to which the gradient is clipped
    adam_beta1: Share
    adam_beta2: Share
    adam_eps: Positive
    layer_lr_decay: Annotated[float, Field(gt=0, le=1)]  # the rate of a layer as a share of the one above it
    keep: Literal["last", "best"]  # the weights after the last step, or after the epoch best by token F1 on calibration
    dropout: Share | None  # every dropout rate of the encoder; null keeps those of its config
    precision: Precision
    gradient_checkpointing: bool  # activations are computed again instead of kept
    compile: bool  # torch.compile
    deterministic: bool  # only kernels that give the same bytes each time; on a GPU somewhat slower
    num_threads: Annotated[int, Field(ge=0)]  # CPU threads; their number shapes the last bits of sums. 0 = all cores


class Plan:
    """What each update does, as a function of its number (from 0)."""

    def __init__(self, lengths_N: Array, p: TrainParams) -> None:
        self._lengths_N, self.p = lengths_N, p
        self._epoch: tuple[int, Ragged] | None = None
        self.steps_per_epoch = batches.num_steps(len(lengths_N), p.batch_size)
        self.total_steps = max(1, round(p.epochs * self.steps_per_epoch))
        self.num_features = self._count_features()
        self.log_every = -(-self.total_steps // MAX_HISTORY_ROWS)  # the device is asked for its numbers only then

    def rows(self, step: int) -> Array:
        """The feature numbers of the update, shortest feature first."""
        number, index = divmod(step, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != number:
            self._epoch = number, batches.epoch(self._lengths_N, self.p.batch_size, self.p.seed, number)
        return self._epoch[1][index]

    def micro_batches(self, step: int, group: Group) -> list[Array]:
        """This process's share of them, a forward pass each; none when there are fewer features than processes."""
        rows, size = self.rows(step)[group.rank :: group.size], self.p.micro_batch_size
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def is_last_of_epoch(self, step: int) -> bool:
        """Also of an epoch that the run ends within."""
        return (step + 1) % self.steps_per_epoch == 0 or step + 1 == self.total_steps

    def learning_rate(self, step: int) -> float:
        warmup_steps = round(self.p.warmup_fraction * self.total_steps)
        return self.p.learning_rate * factor(step, self.total_steps, warmup_steps, self.p.schedule)

    def _count_features(self) -> int:
        """Features of the whole run; one seen in two epochs counts twice."""
        whole, rest = divmod(self.total_steps, self.steps_per_epoch)
        partial = range(self.total_steps - rest, self.total_steps)
        return whole * len(self._lengths_N) + sum(len(self.rows(step)) for step in partial)


@dataclass
class State:
    """All that a resume needs."""

    model: SpanModel
    optimizer: torch.optim.Optimizer
    step: int  # updates made
    loss_S: Tensor  # on the device, by update
    grad_norm_S: Tensor  # before clipping
    counts: dict[str, int]  # features, tokens, padded_tokens and squared_lengths so far, of all processes
    epochs: list[dict[str, Any]] = field(default_factory=list)  # what each epoch's end gave on calibration
    best: dict[str, Tensor] = field(default_factory=dict)  # the weights of the best epoch, if these are to be kept

    def saved(self) -> dict[str, Any]:
        """As plain dicts and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "loss_S": self.loss_S,
            "grad_norm_S": self.grad_norm_S,
            "counts": self.counts,
            "epochs": self.epochs,
            "best": self.best,
        }

    def restore(self, saved: dict[str, Any], device: torch.device) -> None:
        """The inverse of `saved`."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.counts, self.epochs = saved["step"], saved["counts"], saved["epochs"]
        self.loss_S, self.grad_norm_S = saved["loss_S"].to(device), saved["grad_norm_S"].to(device)
        self.best = {name: tensor.to(device) for name, tensor in saved["best"].items()}
