"""Where training stands: all that a resume needs, and when it is saved.

Legend: S steps of the whole run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spanline.model import resume
from spanline.model.distributed import Group
from spanline.model.span_model import SpanModel
from spanline.runtime import Runtime
from spanline.train.optimizer import adamw
from spanline.train.params import TrainParams
from spanline.train.plan import COUNTS, Step


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

    def finish(self, step: Step) -> None:
        """Count a step that was made."""
        self.step = step.number + 1
        self.counts = {name: count + step.counts[name] for name, count in self.counts.items()}

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


def new_state(model: SpanModel, p: TrainParams, total_steps: int, device: torch.device) -> State:
    """Before the first step. `model` is on `device`."""
    betas = (p.adam_beta1, p.adam_beta2)
    optimizer = adamw(model, p.learning_rate, betas, p.adam_eps, p.weight_decay, p.layer_lr_decay)
    empty_S = torch.zeros(total_steps, device=device)
    return State(model, optimizer, 0, empty_S, empty_S.clone(), dict.fromkeys(COUNTS, 0))


class Saver:
    """Saves the state every few minutes, and on SIGTERM or Ctrl-C before it leaves. Of several processes the first
    saves; they leave together, after the step at which all know of the signal."""

    def __init__(self, state: State, points: Path, runtime: Runtime, stop: resume.Stop, group: Group) -> None:
        self._state, self._points, self._stop, self._group = state, points, stop, group
        self._every_s = runtime.checkpoint_every_min * 60
        self._last = time.monotonic()
        self._is_leaving = False

    def is_due(self, may_ask: bool) -> bool:
        """`may_ask`: whether the processes may be held up by asking each other for signals."""
        if self._group.size == 1:
            self._is_leaving = bool(self._stop.signal)
        elif may_ask:
            self._is_leaving = self._someone_has_a_signal()
        return self._is_leaving or time.monotonic() - self._last >= self._every_s

    def _someone_has_a_signal(self) -> bool:
        signals = torch.tensor(float(self._stop.signal), device=self._state.loss_S.device)
        self._group.sum(signals)
        return bool(signals)

    def save(self) -> None:
        """Write the state, then leave if that is what a signal asked for."""
        if self._group.is_first:
            resume.save(self._points, self._state.step, self._state.saved())
        self._last = time.monotonic()
        if self._is_leaving:
            self._stop.leave(f"stopped after step {self._state.step:,}; run the same command again to go on from there")
