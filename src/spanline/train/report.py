"""What a run is like, while it goes on and afterwards: progress, speeds, results, history."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spanline.common.console import Progress
from spanline.common.memory import is_out_of_memory
from spanline.model.device import matmul_flops_per_s, peak_memory_bytes, synchronize
from spanline.model.distributed import Group
from spanline.model.span_model import SpanModel
from spanline.runtime import Runtime
from spanline.train.epoch_scores import NAMES
from spanline.train.params import TrainParams
from spanline.train.plan import Plan
from spanline.train.state import State

FINAL_LOSS_STEPS = 50  # a single step's loss is noise
HISTORY_COLUMNS = ("step", "epoch", "loss", "learning_rate", "grad_norm")
EPOCH_COLUMNS = ("epoch", "step", *(f"calibration_{name}" for name in NAMES))


@dataclass(frozen=True)
class Report:
    """What a run was like: `result` and `history` follow from the inputs, `timings` from the machine too."""

    result: dict[str, Any]
    history: list[dict[str, Any]]  # by step
    epochs: list[dict[str, Any]]  # by epoch, on the calibration split
    timings: dict[str, Any]


class Clock:
    """The progress line, and the speeds of this process: what an earlier one did before a stop is left out, and so is
    the time spent on the calibration split."""

    def __init__(self, state: State, plan: Plan, runtime: Runtime, device: torch.device, group: Group) -> None:
        self._state, self._plan, self._device, self._group = state, plan, device, group
        self._progress = Progress("train", plan.num_features, "features", runtime.progress_every_s)
        self._progress.skip(state.counts["features"])
        self._before, self._started, self._seen = dict(state.counts), time.monotonic(), ""
        self._stopped_s = 0.0

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What takes place inside is no training and takes no part in the speeds; a GPU first ends what came before."""
        synchronize(self._device)
        before = time.monotonic()
        yield
        elapsed_s = time.monotonic() - before
        self._stopped_s += elapsed_s
        self._started += elapsed_s
        self._progress.leave_out(elapsed_s)

    def is_due(self) -> bool:
        """Whether to ask the device for its numbers now. A CPU has them at hand."""
        step = self._state.step
        return self._device.type == "cpu" or step % self._plan.log_every == 0 or step == self._plan.total_steps

    def tick(self, num_features: int) -> None:
        """Count the features of a step; print a line if the last one is old enough."""
        step = self._state.step
        if self.is_due():
            recent = self._state.loss_S[max(0, step - FINAL_LOSS_STEPS) : step].mean().item()
            rate = self._plan.learning_rate(step - 1)
            self._seen = f"step {step:,}/{self._plan.total_steps:,}  loss {recent:.3f}  lr {rate:.2e}"
        self._progress.add(num_features, f"{self._seen}  {self._speed()}")

    def _speed(self) -> str:
        counts, elapsed_s = self._since_start()
        return f"{counts['tokens'] / elapsed_s:,.0f} tokens/s  padding {_padding_share(counts):.1%}"

    def _since_start(self) -> tuple[dict[str, int], float]:
        counts = {name: count - self._before[name] for name, count in self._state.counts.items()}
        return counts, max(time.monotonic() - self._started, 1e-9)

    def timings(self) -> dict[str, Any]:
        """For a file that nothing depends on."""
        counts, elapsed_s = self._since_start()
        flops_per_s = _flops(self._state.model, counts) / elapsed_s / self._group.size
        peak_memory = peak_memory_bytes(self._device)  # before the large matrices
        reachable = self._reachable()
        return {
            "device": str(self._device),
            "processes": self._group.size,
            "threads": torch.get_num_threads(),
            "elapsed_s": round(elapsed_s, 2),  # of training alone
            "calibration_elapsed_s": round(self._stopped_s, 2),  # of looking at calibration after each epoch
            "features": counts["features"],
            "features_per_s": round(counts["features"] / elapsed_s, 2),
            "tokens_per_s": round(counts["tokens"] / elapsed_s, 1),
            "padding_share": round(_padding_share(counts), 4),
            "peak_memory_mib": round(peak_memory / 2**20),
            "gflops_per_s": round(flops_per_s / 1e9, 2),  # of the model's own arithmetic, a process
            # of a large matrix product, measured at the end
            "matmul_gflops_per_s": None if reachable is None else round(reachable / 1e9, 2),
            "mfu": None if reachable is None else round(flops_per_s / reachable, 4),
        }

    def _reachable(self) -> float | None:
        """Of a matrix product, per second; None where the device has no memory left to measure it: the model is whole
        by now, and no figure is worth its loss."""
        try:
            return matmul_flops_per_s(self._device, self._plan.p.precision)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None


def _flops(model: SpanModel, counts: dict[str, int]) -> float:
    """Floating-point operations of forward and backward passes over real tokens: 6 per weight and token, and 12 per
    layer, width and pair of tokens for attention (Chowdhery et al. 2022, appendix B). Embeddings are looked up, not
    multiplied."""
    config = model.encoder.config
    weights = sum(part.numel() for name, part in model.named_parameters() if "embedding" not in name)
    pairs = getattr(config, "num_hidden_layers", 0) * getattr(config, "hidden_size", 0) * counts["squared_lengths"]
    return 6.0 * weights * counts["tokens"] + 12.0 * pairs


def _padding_share(counts: dict[str, int]) -> float:
    return 1 - counts["tokens"] / max(counts["padded_tokens"], 1)


def result(state: State, plan: Plan) -> dict[str, Any]:
    """For metrics/train.json; of a run that goes on, what there is so far. Without a step there is no loss: null."""
    last_S = state.loss_S[max(0, state.step - FINAL_LOSS_STEPS) : state.step].cpu().double()
    return {
        "steps": state.step,
        "epochs": state.step / max(plan.steps_per_epoch, 1),
        "features": state.counts["features"],
        "tokens": state.counts["tokens"],
        "padding_share": round(_padding_share(state.counts), 4),
        "final_loss": _rounded(last_S.mean()) if len(last_S) else None,
        **_kept_epoch(state, plan.p),
    }


def _kept_epoch(state: State, p: TrainParams) -> dict[str, Any]:
    """The row of the epoch whose weights are the outcome; nothing without a calibration split."""
    if not state.epochs:
        return {}
    row = max(state.epochs, key=lambda row: row["calibration_token_f1"]) if p.keep == "best" else state.epochs[-1]
    return {"kept_epoch": row["epoch"], **{name: value for name, value in row.items() if "calibration" in name}}


def history(state: State, plan: Plan) -> list[dict[str, Any]]:
    """For metrics/train_history.csv: means over the steps since the row before, the rate of the last of them. Of a run
    that goes on, the rows whose steps are all made: they will not change."""
    loss_S, grad_norm_S = state.loss_S[: state.step].cpu(), state.grad_norm_S[: state.step].cpu()
    rows = []
    for start in range(0, plan.total_steps, plan.log_every):
        stop = min(start + plan.log_every, plan.total_steps)
        if stop > state.step:
            break
        rows.append(
            {
                "step": stop,
                "epoch": round(stop / plan.steps_per_epoch, 4),
                "loss": _rounded(loss_S[start:stop].double().mean()),
                "learning_rate": float(f"{plan.learning_rate(stop - 1):.6g}"),
                "grad_norm": _rounded(grad_norm_S[start:stop].double().mean()),
            }
        )
    return rows


def _rounded(value: Tensor) -> float:
    return float(f"{value.item():.6g}")
